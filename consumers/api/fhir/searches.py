"""Searches of the FHIR face: the reads of `/v1` asked in FHIR's words and answered in them.

Decision, audit and work are those of `/v1`. A next link is an address with a sealed page: whom and
what was asked for, and the cursor of the read behind it. Only the reader it was given to opens it.
"""

from typing import Annotated, Final
from urllib.parse import urlencode

from pydantic import Field

from consumers.api import accesslog, emergencies, overview
from consumers.api.callers import Caller, patient_of, require
from consumers.api.cursors import CursorBook
from consumers.api.fhir import bundles
from consumers.api.fhir.accesses import access
from consumers.api.fhir.consents import consents as to_consents
from consumers.api.fhir.dispenses import dispense
from consumers.api.fhir.outcomes import PREFIX
from consumers.api.fhir.parameters import PAGE, Emergency, Pairs, dispense_search, only_own
from consumers.api.fhir.resources import Bundle, BundleLink
from consumers.api.forms import EmergencyForm
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.reads import Narrow, Page, answer_history
from consumers.api.views import HistoryAnswer
from projections.history_statements import Versions
from schemas.identifiers import Niss
from schemas.model import Instant, Model

DISPENSES: Final = "MedicationDispense"
ACCESSES: Final = "AuditEvent"
CONSENTS: Final = "Consent"


class DispensePage(Model):
    """What a next link of dispenses seals.

    Number and motivation stand there as well protected as the pseudonyms everywhere else: by a root
    key.
    """

    patient: Niss
    start: Instant | None = None
    end: Instant | None = None
    dguid: str | None = None
    oldest_first: bool = False
    versions: Versions = "current"
    limit: Annotated[int, Field(ge=1)]
    cursor: str | None = None
    emergency: Emergency | None = None

    @property
    def narrow(self) -> Narrow:
        """The part that was asked for."""
        return Narrow(self.start, self.end, self.dguid, self.oldest_first, self.versions)


class AccessPage(Model):
    """What a next link of accesses seals."""

    limit: Annotated[int, Field(ge=1)]
    cursor: str


async def dispenses(deps: Dependencies, caller: Caller, form: Pairs) -> Bundle:
    """The first page of a search for dispenses.

    Raises:
        Problem: 400 malformed, 403 refused, 503 stale or not recorded.
    """
    asked = dispense_search(form)
    narrow = asked.narrow
    patient = asked.patient or _oneself(caller)
    page = DispensePage(
        patient=patient,
        start=narrow.start,
        end=narrow.end,
        dguid=narrow.dguid,
        oldest_first=narrow.oldest_first,
        versions=narrow.versions,
        limit=_limit(deps, asked.count),
        emergency=asked.emergency,
    )
    return await _dispenses(deps, caller, page, f"{PREFIX}/{DISPENSES}/_search")


async def next_dispenses(deps: Dependencies, caller: Caller, sealed: str) -> Bundle:
    """A further page.

    Raises:
        Problem: 400 no link of this reader, 403 refused, 503 stale or not recorded.
    """
    page = (await _book(deps, caller, DISPENSES)).open_as(DispensePage, sealed)
    return await _dispenses(deps, caller, page, _address(DISPENSES, sealed))


async def _dispenses(
    deps: Dependencies, caller: Caller, page: DispensePage, address: str
) -> Bundle:
    read = await _read(deps, caller, page)
    links = [BundleLink(relation="self", url=address)]
    if read.next is not None:
        book = await _book(deps, caller, DISPENSES)
        following = book.seal(page.model_copy(update={"cursor": read.next}))
        links.append(BundleLink(relation="next", url=_address(DISPENSES, following)))
    return bundles.bundle(
        (dispense(line, page.patient) for line in read.lines),
        links=links,
        as_of=read.as_of,
        policy_version=read.policy_version,
        positions=read.positions,
        behind=read.behind,
        unreadable=read.unreadable,
    )


async def _read(deps: Dependencies, caller: Caller, page: DispensePage) -> HistoryAnswer:
    """What `/v1` answers to the same question; each page of an emergency declares it anew."""
    wanted = Page(f"{PREFIX}/{DISPENSES}/_search", page.limit, page.cursor, page.narrow)
    if page.emergency is None:
        subject = await patient_of(deps, caller, page.patient)
        return await answer_history(deps, caller, subject, wanted)
    require(caller.principal, "caregiver")
    form = EmergencyForm(
        patient=page.patient,
        motivation_type=page.emergency.motivation_type,
        motivation=page.emergency.motivation,
    )
    return await emergencies.answer(deps, caller, form, wanted)


async def accesses(deps: Dependencies, caller: Caller, form: Pairs) -> Bundle:
    """The first page of one's own access log.

    Raises:
        Problem: 400 malformed, 503 stale or not recorded.
    """
    limit = _limit(deps, only_own(form))
    return await _accesses(deps, caller, limit, None, f"{PREFIX}/{ACCESSES}/_search")


async def next_accesses(deps: Dependencies, caller: Caller, sealed: str) -> Bundle:
    """A further page.

    Raises:
        Problem: 400 no link of this reader, 503 stale or not recorded.
    """
    page = (await _book(deps, caller, ACCESSES)).open_as(AccessPage, sealed)
    return await _accesses(deps, caller, page.limit, page.cursor, _address(ACCESSES, sealed))


async def _accesses(
    deps: Dependencies, caller: Caller, limit: int, cursor: str | None, address: str
) -> Bundle:
    endpoint = f"{PREFIX}/{ACCESSES}/_search"
    read = await accesslog.answer(deps, caller, Page(endpoint, limit, cursor))
    links = [BundleLink(relation="self", url=address)]
    if read.next is not None:
        book = await _book(deps, caller, ACCESSES)
        following = book.seal(AccessPage(limit=limit, cursor=read.next))
        links.append(BundleLink(relation="next", url=_address(ACCESSES, following)))
    patient = _oneself(caller)
    return bundles.bundle(
        (access(entry, patient) for entry in read.accesses),
        links=links,
        as_of=read.as_of,
        policy_version=read.policy_version,
        positions=read.positions,
        behind=read.behind,
    )


async def consents(deps: Dependencies, caller: Caller, form: Pairs) -> Bundle:
    """One's own consents, those that were withdrawn too.

    Raises:
        Problem: 400 malformed, 503 stale or not recorded.
    """
    only_own(form)
    endpoint = f"{PREFIX}/{CONSENTS}/_search"
    read = await overview.answer(deps, caller, endpoint)
    return bundles.bundle(
        to_consents(read.registrations, _oneself(caller)),
        links=[BundleLink(relation="self", url=endpoint)],
        as_of=read.as_of,
        policy_version=read.policy_version,
        positions=read.positions,
        behind=read.behind,
    )


def _oneself(caller: Caller) -> str:
    number = caller.principal.niss
    if number is None or caller.principal.role != "patient":
        raise Problem(400, "malformed-search", [FieldIssue(path="/patient", code="missing")])
    return number


def _limit(deps: Dependencies, count: int | None) -> int:
    return min(count or deps.settings.page_default, deps.settings.page_max)


async def _book(deps: Dependencies, caller: Caller, question: str) -> CursorBook:
    return CursorBook(await deps.vault.root_key("cursor"), caller.pseudonym, f"fhir:{question}")


def _address(resource: str, sealed: str) -> str:
    """Relative to the server, so that it holds behind every proxy."""
    return f"{PREFIX}/{resource}?{urlencode({PAGE: sealed})}"
