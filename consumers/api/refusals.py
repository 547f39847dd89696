"""Refused lines: a pharmacy's own in full, everybody's for operators with contents masked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api import operators
from consumers.api.cursors import CursorBook, PageMark, SortKey
from consumers.api.forms import OwnRefusalsForm, RefusalsForm
from consumers.api.freshness import behind_if_told
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.receipts import pharmacy_of, receipt_positions
from consumers.api.settling import step
from consumers.api.tokens import Principal
from consumers.quality.masking import mask
from projections.quality_refusals import Filter, Refusal, RefusalKey
from schemas.audit import OperationsParameters, PositionUsed, Window
from schemas.identifiers import pharmacy
from schemas.receipts import FaultClass, Issue
from schemas.sealing.pseudonym import party_pseudonym

PERIOD: Final = timedelta(days=7)
"""Asked for when a form names no beginning."""
PURPOSE: Final = "quality_refused"


class MaskedIssueView(BaseModel):
    """What refused it; `path` is an RFC 6901 pointer with everything but names masked."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    code: str
    fault_class: Annotated[FaultClass, Field(alias="class")]
    path: str


class MaskedRefusalView(BaseModel):
    """A refused line, or a submission refused as a whole (no `path`), for operators."""

    appended_at: datetime
    partition: int
    offset: int
    """With `partition`: the submission's place in `dpp.dispensation.submitted`."""
    pharmacy: str | None = None
    sequence: int | None = None
    path: str | None = None
    dguid: str | None = None
    """Its last four digits."""
    lines: int
    """How many lines the refusal concerns."""
    issues: tuple[MaskedIssueView, ...]


class MaskedRefusalsAnswer(BaseModel):
    """One page, newest first."""

    refused: tuple[MaskedRefusalView, ...]
    next: str | None = None
    start: datetime
    end: datetime
    as_of: datetime
    positions: tuple[PositionUsed, ...]
    behind: int | None = None
    """Receipts that the log had and the projection had not applied, of everybody; absent if the
    log does not say."""


class RefusalView(BaseModel):
    """A refused line of one's own, or a submission refused as a whole (no `path`)."""

    appended_at: datetime
    partition: int
    offset: int
    id: str | None = None
    epoch: str | None = None
    sequence: int | None = None
    path: str | None = None
    dguid: str | None = None
    version: int | None = None
    issues: tuple[Issue, ...]


class RefusalsAnswer(BaseModel):
    """One page, newest first."""

    refused: tuple[RefusalView, ...]
    next: str | None = None
    start: datetime
    end: datetime
    as_of: datetime
    positions: tuple[PositionUsed, ...]
    behind: int | None = None
    """Receipts that the log had and the projection had not applied, of everybody; absent if the
    log does not say."""


@dataclass(frozen=True, slots=True)
class _Page:
    refusals: Sequence[Refusal]
    next: str | None
    wanted: Filter
    limit: int


async def search(
    deps: Dependencies, operator: Operator, form: RefusalsForm
) -> MaskedRefusalsAnswer:
    """Everybody's refused lines, recorded under the operator before they are answered.

    Raises:
        Problem: 400 wrong cursor, number or period; 503 the record of it could not be written.
    """
    now = deps.clock()
    positions = receipt_positions(deps)
    page = await _page(deps, operator.pseudonym, form, pharmacy_number(form.pharmacy), now)
    wanted = page.wanted
    reading = Reading(
        operator=operator,
        purpose=PURPOSE,
        parameters=OperationsParameters(
            endpoint="/v1/quality/refused",
            window=Window(start=wanted.start, end=wanted.end),
            pharmacy=wanted.pharmacy,
            code=wanted.code,
            limit=page.limit,
            cursor=form.cursor is not None,
        ),
        read_at=now,
        positions=positions,
        places=tuple(one.key for one in page.refusals),
    )
    with step("audit"):
        await operators.record(deps, reading)
    return MaskedRefusalsAnswer(
        refused=tuple(MaskedRefusalView.model_validate(asdict(mask(r))) for r in page.refusals),
        next=page.next,
        start=wanted.start,
        end=wanted.end,
        as_of=now,
        positions=positions,
        behind=await behind_if_told(deps, positions),
    )


async def search_own(
    deps: Dependencies, principal: Principal, form: OwnRefusalsForm
) -> RefusalsAnswer:
    """The pharmacy's own refused lines.

    Raises:
        Problem: 400 wrong cursor or period, 403 not a pharmacy.
    """
    number = pharmacy_of(principal)
    reader = party_pseudonym(await deps.vault.root_key("pseudonym"), "organisation", number)
    now, positions = deps.clock(), receipt_positions(deps)
    page = await _page(deps, reader, form, number, now)
    return RefusalsAnswer(
        refused=tuple(_view(one) for one in page.refusals),
        next=page.next,
        start=page.wanted.start,
        end=page.wanted.end,
        as_of=now,
        positions=positions,
        behind=await behind_if_told(deps, positions),
    )


async def _page(
    deps: Dependencies, reader: str, form: OwnRefusalsForm, number: str | None, now: datetime
) -> _Page:
    asked = (number, form.code, form.since, form.until)
    question = "refused:" + ":".join("" if one is None else str(one) for one in asked)
    book = CursorBook(await deps.vault.root_key("cursor"), reader, question)
    mark = book.open(form.cursor) if form.cursor else None
    as_of = mark.as_of if mark else now
    end = form.until or as_of
    wanted = Filter(start=form.since or end - PERIOD, end=end, pharmacy=number, code=form.code)
    if wanted.start >= wanted.end:
        raise Problem(400, "malformed-request", [FieldIssue(path="/since", code="period")])
    limit = min(form.limit or deps.settings.page_default, deps.settings.page_max)
    with step("fetch"):
        rows = await deps.store.refusals(
            wanted, limit=limit + 1, after=_key(mark.after) if mark else None
        )
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        following = book.seal(PageMark(after=_sort_key(shown[-1].key), as_of=as_of))
    return _Page(shown, following, wanted, limit)


def _sort_key(key: RefusalKey) -> SortKey:
    return SortKey(
        at=key.appended_at, parts=(str(key.partition), str(key.source_offset)), number=key.line
    )


def _key(after: SortKey) -> RefusalKey:
    partition, offset = after.parts
    return RefusalKey(after.at, int(partition), int(offset), after.number)


def pharmacy_number(number: str | None) -> str | None:
    """The number of a pharmacy that is asked about, if one is.

    Raises:
        Problem: 400, it is none.
    """
    try:
        return None if number is None else pharmacy.validate(number)
    except InvalidNumber:
        fault = FieldIssue(path="/pharmacy", code="pharmacy")
        raise Problem(400, "malformed-identifier", [fault]) from None


def _view(refusal: Refusal) -> RefusalView:
    line, submission = refusal.outcome, refusal.receipt.submission
    return RefusalView(
        appended_at=refusal.key.appended_at,
        partition=refusal.key.partition,
        offset=refusal.key.source_offset,
        id=submission.id,
        epoch=submission.epoch,
        sequence=submission.sequence,
        path=line.path if line else None,
        dguid=line.dguid if line else None,
        version=line.version if line else None,
        issues=refusal.issues,
    )
