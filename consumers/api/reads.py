"""The order of a read, the same for everybody (DESIGN section 8).

Authenticate (done by the route), derive the pseudonym, learn the last stable offset of the
subject's partition and wait until `access_state` has applied it, decide, fetch, write the audit
event, answer. A refusal takes the same steps on a subject that nobody is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, assert_never

from consumers.api import audit
from consumers.api.audit import Decision
from consumers.api.callers import Caller
from consumers.api.cursors import CursorBook, PageMark, SortKey
from consumers.api.cuts import HISTORY, AsOf, Fresh, cut_of
from consumers.api.ports import Dependencies
from consumers.api.problems import Problem
from consumers.api.returned import returned_of
from consumers.api.settling import access_policy, known, settle, step
from consumers.api.views import HistoryAnswer, Opened, WindowView, open_rows, show
from projections.access import (
    AccessFacts,
    AccessPurpose,
    AccessRequest,
    Deny,
    Permit,
    decide,
    decide_own_lines,
)
from projections.explaining import is_barred
from projections.history_statements import Versions
from projections.netting import LineId
from projections.queries import HistoryRow
from schemas.audit import PositionUsed, RequestParameters, Window
from schemas.policy import AccessPolicy
from schemas.sealing.pseudonym import party_pseudonym
from schemas.topics import DISPENSATION_RECORDED

_NOBODY: Final = "the subject that refusals are fetched for"


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a reader asks for of all that they may see; it never widens what is permitted."""

    start: datetime | None = None
    end: datetime | None = None
    dguid: str | None = None
    oldest_first: bool = False
    versions: Versions = "current"
    as_of: AsOf | None = None

    @property
    def question(self) -> str:
        """The same text for the same question, to which a cursor is bound."""
        versions = None if self.versions == "current" else self.versions
        as_of = self.as_of.question if self.as_of else None
        parts = (self.start, self.end, self.dguid, self.oldest_first or None, versions, as_of)
        return ":".join("" if one is None else str(one) for one in parts).rstrip(":")

    def within(self, start: datetime, end: datetime) -> Window:
        """The part of [start, end) that is asked for; it may be empty."""
        latest = min(end, self.end or end)
        return Window(start=min(max(start, self.start or start), latest), end=latest)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of an answer is wanted."""

    endpoint: str
    limit: int
    cursor: str | None = None
    narrow: Narrow = field(default_factory=Narrow)
    fresh: Fresh | None = None


Judge = Callable[[AccessRequest, AccessFacts, AccessPolicy, datetime], Permit | Deny]
"""How a read about one subject is decided."""


@dataclass(frozen=True, slots=True)
class SubjectRead:
    """A decided and fetched read about one subject, not recorded and not answered yet."""

    decision: Decision
    answer: HistoryAnswer | None
    """None if it was refused."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where a page begins, and as of which positions it is read."""

    positions: dict[int, int]
    after: SortKey | None
    now: datetime


async def read_history(
    deps: Dependencies,
    caller: Caller,
    subject: str,
    page: Page,
    settled: Sequence[PositionUsed],
    *,
    judge: Judge = decide,
    declared: AccessPurpose | None = None,
) -> SubjectRead:
    """Decides and fetches one page of a subject's history.

    `declared` is the purpose if the caller named one; None: one's own history or another's.

    Raises:
        Problem: 400, the cursor is not one of this reader and subject, or the cut is none; 503,
            `history` has not reached the cut.
    """
    question = f"{declared or 'history'}:{subject}:{page.narrow.question}".rstrip(":")
    book = CursorBook(await deps.vault.root_key("cursor"), caller.pseudonym, question)
    mark = book.open(page.cursor) if page.cursor else None
    positions = await _positions(deps, page, mark)
    now = deps.clock()
    settled, facts = await known(deps, subject, settled, now)
    person = facts.person or (subject,)
    with step("decide"):
        version, policy = access_policy(deps, now)
        own: AccessPurpose = "own_history" if caller.reader.person in person else "history"
        purpose = declared or own
        outcome = judge(AccessRequest(caller.reader, person[0], purpose), facts, policy, now)
    cut = _Cut(positions, mark.after if mark else None, now)
    rows, opened = await _fetch(deps, person, outcome, page, cut)
    behind = await _behind(deps, positions)
    used = (*settled, *_history_used(positions))
    decision = Decision(
        caller=caller,
        purpose=purpose,
        outcome=outcome,
        parameters=_parameters(page, outcome),
        policy_version=version.version,
        decided_at=now,
        positions=used,
        subject=person[0],
        generation=facts.generation,
        lines=opened.identities,
        rows=len(opened.lines),
    )
    if isinstance(outcome, Deny):
        return SubjectRead(decision, None)
    returned = await _returned(deps, opened, positions, person)
    following = _next(book, rows, page, positions, now)
    answer = _answer(deps, decision, outcome, opened, following, behind=behind, returned=returned)
    return SubjectRead(decision, answer)


async def _positions(deps: Dependencies, page: Page, mark: PageMark | None) -> dict[int, int]:
    """The first page waits for its cut; the pages behind it keep it."""
    if mark is not None:
        return mark.positions
    with step("cut"):
        return await cut_of(deps, page.narrow.as_of, page.fresh, deps.clock())


async def _returned(
    deps: Dependencies, opened: Opened, positions: Mapping[int, int], person: Sequence[str] = ()
) -> dict[LineId, int]:
    with step("returns"):
        return await returned_of(deps, opened, positions, person)


async def _behind(deps: Dependencies, positions: Mapping[int, int]) -> int:
    ends = await deps.log.recent_ends(DISPENSATION_RECORDED.name)
    return sum(max(0, end - positions.get(one, 0)) for one, end in ends.items())


async def _fetch(
    deps: Dependencies,
    person: Sequence[str],
    outcome: Permit | Deny,
    page: Page,
    cut: _Cut,
) -> tuple[Sequence[HistoryRow], Opened]:
    """The rows of a permit; a refusal asks the same of a subject that nobody is."""
    with step("fetch"):
        permit = outcome if isinstance(outcome, Permit) else None
        bounds = (permit.window_start, permit.window_end) if permit else (cut.now, cut.now)
        asked = page.narrow.within(*bounds)
        rows = await deps.store.history(
            subject=person[0] if permit else await _nobody(deps),
            also=person[1:] if permit else (),
            start=asked.start,
            end=asked.end,
            limit=page.limit + 1,
            after=cut.after,
            as_of=cut.positions,
            dguid=page.narrow.dguid,
            oldest_first=page.narrow.oldest_first,
            versions=page.narrow.versions,
        )
    with step("open"):
        return rows, await open_rows(deps.vault, rows[: page.limit])


async def _nobody(deps: Dependencies) -> str:
    return party_pseudonym(await deps.vault.root_key("pseudonym"), "organisation", _NOBODY)


async def read_own_lines(
    deps: Dependencies, caller: Caller, number: str, page: Page
) -> HistoryAnswer:
    """The lines that a pharmacy registered; recorded under the pharmacy and each subject in it.

    Raises:
        Problem: 403 refused, 400 wrong cursor, 503 the record of it could not be written.
    """
    question = f"own_lines:{page.narrow.question}".rstrip(":")
    book = CursorBook(await deps.vault.root_key("cursor"), caller.pseudonym, question)
    mark = book.open(page.cursor) if page.cursor else None
    positions = await _positions(deps, page, mark)
    now = deps.clock()
    version, policy = access_policy(deps, now)
    organisation = caller.reader.organisation or caller.pseudonym
    outcome = decide_own_lines(caller.reader, organisation, policy, now)
    rows: Sequence[HistoryRow] = ()
    if isinstance(outcome, Permit):
        asked = page.narrow.within(outcome.window_start, outcome.window_end)
        with step("fetch"):
            rows = await deps.store.own_lines(
                pharmacy=number,
                start=asked.start,
                end=asked.end,
                limit=page.limit + 1,
                after=mark.after if mark else None,
                as_of=positions,
                versions=page.narrow.versions,
            )
    opened = await open_rows(deps.vault, rows[: page.limit])
    returned = await _returned(deps, opened, positions)
    behind = await _behind(deps, positions)
    decision = Decision(
        caller=caller,
        purpose="own_lines",
        outcome=outcome,
        parameters=_parameters(page, outcome),
        policy_version=version.version,
        decided_at=now,
        positions=_history_used(positions),
        lines=opened.identities,
        rows=len(opened.lines),
    )
    with step("audit"):
        await audit.record(deps, [decision, *_per_subject(decision, opened)])
    if isinstance(outcome, Deny):
        raise Problem(403, "access-refused")
    following = _next(book, rows, page, positions, now)
    return _answer(deps, decision, outcome, opened, following, behind=behind, returned=returned)


def _per_subject(whole: Decision, opened: Opened) -> list[Decision]:
    """The same decision once for each patient whose lines are shown, so that each can see it."""
    by_subject: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for row, _ in opened.lines:
        by_subject.setdefault((row.subject, row.generation), []).append((row.dguid, row.version))
    return audit.per_subject(whole, by_subject)


async def answer_history(
    deps: Dependencies, caller: Caller, subject: str, page: Page
) -> HistoryAnswer:
    """One subject's history, from the position wait to the durable audit event.

    Raises:
        Problem: 403 refused, 400 wrong cursor, 503 stale or not recorded.
    """
    settled = await settle(deps, [subject])
    read = await read_history(deps, caller, subject, page, settled)
    with step("audit"):
        await audit.record(deps, [read.decision])
    if read.answer is None:
        raise refused(deps, caller)
    return read.answer


def refused(deps: Dependencies, caller: Caller) -> Problem:
    """The refusal of a read about a patient; it says no more than would be so of every patient."""
    _, policy = access_policy(deps, deps.clock())
    barred = is_barred(caller.reader, policy)
    return Problem(403, "profession-not-allowed" if barred else "access-refused")


def _parameters(page: Page, outcome: Permit | Deny) -> RequestParameters:
    permit = outcome if isinstance(outcome, Permit) else None
    window = Window(start=permit.window_start, end=permit.window_end) if permit else None
    narrow = page.narrow
    asked = narrow.within(window.start, window.end) if window else None
    return RequestParameters(
        endpoint=page.endpoint,
        window=window,
        limit=page.limit,
        cursor=page.cursor is not None,
        asked=asked if asked != window else None,
        dguid=narrow.dguid,
        versions=_named(narrow.versions),
        revoked_only=narrow.versions == "revoked" or None,
        as_of=narrow.as_of.time if narrow.as_of else None,
    )


def _named(versions: Versions) -> Literal["latest", "all"] | None:
    """As the record names what was asked for; `revoked` are some of the latest."""
    match versions:
        case "current":
            return None
        case "latest" | "revoked":
            return "latest"
        case "all":
            return "all"
        case _:
            assert_never(versions)


def _history_used(positions: dict[int, int]) -> tuple[PositionUsed, ...]:
    topic = DISPENSATION_RECORDED.name
    return tuple(
        PositionUsed(projection=HISTORY, topic=topic, partition=one, position=position)
        for one, position in sorted(positions.items())
    )


def _next(
    book: CursorBook,
    rows: Sequence[HistoryRow],
    page: Page,
    positions: dict[int, int],
    now: datetime,
) -> str | None:
    if len(rows) <= page.limit:
        return None
    last = rows[page.limit - 1]
    after = SortKey(at=last.delivered_at, parts=(last.pharmacy, last.dguid), number=last.version)
    return book.seal(PageMark(after=after, positions=positions, as_of=now))


def _answer(
    deps: Dependencies,
    decision: Decision,
    permit: Permit,
    opened: Opened,
    following: str | None,
    *,
    behind: int,
    returned: Mapping[LineId, int],
) -> HistoryAnswer:
    return HistoryAnswer(
        lines=show(opened.lines, permit.fields, deps.products, returned),
        unreadable=opened.unreadable,
        next=following,
        window=WindowView(start=permit.window_start, end=permit.window_end),
        as_of=decision.decided_at,
        policy_version=decision.policy_version,
        positions=decision.positions,
        behind=behind,
    )
