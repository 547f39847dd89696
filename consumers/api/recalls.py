"""Recalls: opened by an authority, handed to each pharmacy with its own lines, counted.

An authority sees counts and no pharmacy; a pharmacy sees its own lines and no other. Showing a
pharmacy its lines is recorded for each patient in them, as every reading of its own lines is.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import audit, operators
from consumers.api.audit import Decision, positions_used
from consumers.api.callers import Caller
from consumers.api.forms import OpenRecallForm, RecallForm, RecallLinesForm
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem, unavailable
from consumers.api.reads import access_policy, caught_up, step
from consumers.api.tokens import Principal
from projections.access import Deny, Permit, decide_own_lines
from projections.authorities import may
from projections.folds.product_recall import batch_index, product_index
from projections.notice_queries import Concern, ConcernedLine, ConcernedPharmacy, Notice
from schemas.audit import OperationsParameters, PositionUsed, RequestParameters, Window
from schemas.envelope import Envelope
from schemas.identifiers import cnk
from schemas.recall import (
    RECALL_ACKNOWLEDGED,
    RECALL_CLOSED,
    RECALL_OPENED,
    RecallAcknowledged,
    RecallClosed,
    RecallEvent,
    RecallOpened,
)
from schemas.topics import DISPENSATION_RECORDED, RECALL_NOTICES

PROJECTION: Final = "recall"
LINES: Final = "product_recall"
MOST_RECALLS: Final = 100


class RecallView(BaseModel):
    """A recall as everybody concerned sees it."""

    recall: str
    cnk: str
    batch: str | None = None
    delivered_from: datetime | None = None
    delivered_until: datetime | None = None
    reference: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None = None


class ProgressAnswer(BaseModel):
    """How far a recall is, in counts; a pharmacy has acknowledged once all its lines are."""

    recall: RecallView
    pharmacies: int
    pharmacies_acknowledged: int
    lines: int
    lines_acknowledged: int
    lines_of_unknown_batch: int
    """Lines of the product whose batch was not told: they may be concerned."""
    as_of: datetime
    positions: tuple[PositionUsed, ...]


class RecallsAnswer(BaseModel):
    """An authority's recalls, or the open ones that concern a pharmacy; the newest first."""

    recalls: tuple[RecallView, ...]
    as_of: datetime


class ConcernedLineView(BaseModel):
    """One of the pharmacy's own lines; not `certain` if its batch was not told."""

    dguid: str
    version: int
    delivered_at: datetime
    certain: bool


class RecallLinesAnswer(BaseModel):
    """The pharmacy's own lines, by DGUID; `next` continues behind the last."""

    recall: RecallView
    lines: tuple[ConcernedLineView, ...]
    next: str | None = None
    acknowledged: bool
    as_of: datetime
    policy_version: str
    positions: tuple[PositionUsed, ...]


async def open_recall(deps: Dependencies, authority: Operator, form: OpenRecallForm) -> RecallView:
    """Opens a recall; it is durable when this returns.

    Raises:
        Problem: 400 malformed, 403 no mandate, 503 not recorded.
    """
    number = _mandated(deps, authority)
    if not cnk.is_valid(form.cnk):
        raise Problem(400, "malformed-identifier", [FieldIssue(path="/cnk", code="cnk")])
    first, after = form.delivered_from, form.delivered_until
    if first is not None and after is not None and first >= after:
        raise Problem(400, "malformed-request", [FieldIssue(path="/delivered_from", code="period")])
    now = deps.clock()
    opened = RecallOpened(
        recall=deps.new_id(),
        at=now,
        token_issuer=authority.principal.issuer,
        token_id=authority.principal.token_id,
        authority=number,
        cnk=form.cnk,
        batch=form.batch,
        delivered_from=form.delivered_from,
        delivered_until=form.delivered_until,
        reference=form.reference,
        reason=form.reason,
    )
    await _append(deps, RECALL_OPENED, opened)
    return RecallView(
        recall=opened.recall,
        cnk=opened.cnk,
        batch=opened.batch,
        delivered_from=opened.delivered_from,
        delivered_until=opened.delivered_until,
        reference=opened.reference,
        reason=opened.reason,
        opened_at=now,
    )


async def close(deps: Dependencies, authority: Operator, form: RecallForm) -> RecallView:
    """Closes a recall of one's own.

    Raises:
        Problem: 403 no mandate, 404 no open recall of one's own, 503 not recorded.
    """
    number = _mandated(deps, authority)
    notice = await _notice(deps, form.recall, authority=number)
    closed = RecallClosed(
        recall=notice.recall,
        at=deps.clock(),
        token_issuer=authority.principal.issuer,
        token_id=authority.principal.token_id,
        authority=number,
    )
    await _append(deps, RECALL_CLOSED, closed)
    return _view(notice).model_copy(update={"closed_at": closed.at})


async def progress(deps: Dependencies, authority: Operator, form: RecallForm) -> ProgressAnswer:
    """How far a recall is, recorded under the authority before it is answered.

    Raises:
        Problem: 403 no mandate, 404 no recall of one's own, 503 stale or not recorded.
    """
    number = _mandated(deps, authority)
    notice = await _notice(deps, form.recall, authority=number, open_only=False)
    now, positions = deps.clock(), _positions(deps)
    with step("fetch"):
        found = await deps.store.recall_pharmacies(
            await _concern(deps, notice), recall=notice.recall, pharmacy=None
        )
    answer = _counted(notice, found, now, positions)
    await operators.record(
        deps,
        Reading(
            operator=authority,
            purpose="recall",
            parameters=OperationsParameters(
                endpoint="/v1/authorities/recalls/progress", code=notice.cnk
            ),
            read_at=now,
            positions=positions,
            cells=((notice.recall, str(answer.pharmacies), str(answer.lines)),),
        ),
    )
    return answer


def _counted(
    notice: Notice,
    found: Sequence[ConcernedPharmacy],
    now: datetime,
    positions: tuple[PositionUsed, ...],
) -> ProgressAnswer:
    done = [one for one in found if _has_acknowledged(one)]
    return ProgressAnswer(
        recall=_view(notice),
        pharmacies=len(found),
        pharmacies_acknowledged=len(done),
        lines=sum(one.lines for one in found),
        lines_acknowledged=sum(min(one.lines, one.acknowledged or 0) for one in found),
        lines_of_unknown_batch=sum(one.uncertain for one in found),
        as_of=now,
        positions=positions,
    )


def _has_acknowledged(one: ConcernedPharmacy) -> bool:
    return one.acknowledged is not None and one.acknowledged >= one.lines


async def of_authority(deps: Dependencies, authority: Operator) -> RecallsAnswer:
    """The recalls that an authority opened.

    Raises:
        Problem: 403 no mandate, 503 stale.
    """
    number = _mandated(deps, authority)
    await _settle(deps)
    found = await deps.store.recalls(limit=MOST_RECALLS, authority=number)
    return RecallsAnswer(recalls=tuple(_view(one) for one in found), as_of=deps.clock())


async def of_pharmacy(deps: Dependencies, principal: Principal) -> RecallsAnswer:
    """The open recalls for which a pharmacy has lines.

    Raises:
        Problem: 503 stale.
    """
    await _settle(deps)
    found = await deps.store.recalls(limit=MOST_RECALLS, open_only=True)
    concerned = [_view(one) for one in found if await _own(deps, one, principal)]
    return RecallsAnswer(recalls=tuple(concerned), as_of=deps.clock())


async def own_lines(deps: Dependencies, caller: Caller, form: RecallLinesForm) -> RecallLinesAnswer:
    """The pharmacy's own lines that a recall concerns, recorded for each patient in them.

    Raises:
        Problem: 403 refused, 404 no open recall concerns the pharmacy, 503 stale or not recorded.
    """
    now = deps.clock()
    version, policy = access_policy(deps, now)
    organisation = caller.reader.organisation or caller.pseudonym
    outcome = decide_own_lines(caller.reader, organisation, policy, now)
    notice = await _notice(deps, form.recall)
    pharmacy = await _own(deps, notice, caller.principal)
    if isinstance(outcome, Deny) or pharmacy is None:
        raise Problem(404, "not-found") if pharmacy is None else Problem(403, "access-refused")
    limit = min(form.limit or deps.settings.page_default, deps.settings.page_max)
    with step("fetch"):
        rows = await deps.store.recall_lines(
            await _concern(deps, notice, outcome),
            pharmacy=pharmacy.pharmacy,
            limit=limit + 1,
            after=form.after or "",
        )
    shown, positions = rows[:limit], _positions(deps)
    parameters = RequestParameters(
        endpoint="/v1/pharmacy/recalls/lines",
        window=Window(start=outcome.window_start, end=outcome.window_end),
        limit=limit,
        cursor=form.after is not None,
    )
    whole = Decision(
        caller=caller,
        purpose="own_lines",
        outcome=outcome,
        parameters=parameters,
        policy_version=version.version,
        decided_at=now,
        positions=positions,
        lines=tuple((row.dguid, row.version) for row in shown),
        rows=len(shown),
    )
    with step("audit"):
        await audit.record(deps, [whole, *_each_patient(whole, shown)])
    return RecallLinesAnswer(
        recall=_view(notice),
        lines=tuple(
            ConcernedLineView(
                dguid=row.dguid,
                version=row.version,
                delivered_at=row.delivered_at,
                certain=row.certain,
            )
            for row in shown
        ),
        next=shown[-1].dguid if len(rows) > limit else None,
        acknowledged=_has_acknowledged(pharmacy),
        as_of=now,
        policy_version=version.version,
        positions=positions,
    )


def _each_patient(whole: Decision, rows: Sequence[ConcernedLine]) -> list[Decision]:
    by_subject: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for row in rows:
        by_subject.setdefault((row.subject, row.generation), []).append((row.dguid, row.version))
    return audit.per_subject(whole, by_subject)


async def acknowledge(deps: Dependencies, principal: Principal, form: RecallForm) -> RecallView:
    """Records that a pharmacy has seen its lines, as many as there are now.

    Raises:
        Problem: 404 no open recall concerns the pharmacy, 503 stale or not recorded.
    """
    notice = await _notice(deps, form.recall)
    pharmacy = await _own(deps, notice, principal)
    if pharmacy is None:
        raise Problem(404, "not-found")
    acknowledged = RecallAcknowledged(
        recall=notice.recall,
        at=deps.clock(),
        token_issuer=principal.issuer,
        token_id=principal.token_id,
        pharmacy=pharmacy.pharmacy,
        lines=pharmacy.lines,
    )
    await _append(deps, RECALL_ACKNOWLEDGED, acknowledged)
    return _view(notice)


def _mandated(deps: Dependencies, authority: Operator) -> str:
    now = deps.clock()
    _, policy = access_policy(deps, now)
    number = authority.principal.organisation
    if number is None or not may(number, "recall", policy, now):
        raise Problem(403, "access-refused")
    return number


async def _notice(
    deps: Dependencies, recall: str, *, authority: str | None = None, open_only: bool = True
) -> Notice:
    await _settle(deps)
    found = await deps.store.recalls(
        limit=1, recall=recall, authority=authority, open_only=open_only
    )
    if not found:
        raise Problem(404, "not-found")
    return found[0]


async def _own(
    deps: Dependencies, notice: Notice, principal: Principal
) -> ConcernedPharmacy | None:
    """What of a recall is the pharmacy's, if anything."""
    found = await deps.store.recall_pharmacies(
        await _concern(deps, notice), recall=notice.recall, pharmacy=principal.organisation or ""
    )
    return found[0] if found else None


async def _concern(deps: Dependencies, notice: Notice, within: Permit | None = None) -> Concern:
    """What the recall finds; a reader's window narrows it."""
    key = await deps.vault.root_key("index")
    starts = [one for one in (notice.delivered_from, within and within.window_start) if one]
    return Concern(
        product_index=product_index(key, notice.cnk),
        batch_index=batch_index(key, notice.cnk, notice.batch) if notice.batch else None,
        start=max(starts, default=None),
        end=notice.delivered_until,
    )


async def _append(deps: Dependencies, type_: str, event: RecallEvent) -> None:
    """Returns once it is durable.

    Raises:
        Problem: 503, it could not be recorded.
    """
    envelope = Envelope(id=deps.new_id(), source="/api", type=type_, time=event.at)
    topic, key = RECALL_NOTICES.name, event.recall.encode()
    failures: tuple[type[Exception], ...] = (TimeoutError, *deps.unavailable_errors)
    try:
        async with asyncio.timeout(deps.settings.audit_timeout):
            await deps.log.append(topic, key=key, headers=envelope.headers(), value=event.write())
    except failures:
        raise unavailable("audit-unavailable") from None


async def _settle(deps: Dependencies) -> None:
    """Waits until the projection holds every recall acknowledged before this call.

    Raises:
        Problem: 503, it did not get there in time.
    """
    topic = RECALL_NOTICES.name
    await caught_up(deps, PROJECTION, topic, deps.log.partitions(topic))


def _positions(deps: Dependencies) -> tuple[PositionUsed, ...]:
    """How far the projections were that the answer was counted from."""
    return (
        *positions_used(deps, LINES, DISPENSATION_RECORDED.name),
        *positions_used(deps, PROJECTION, RECALL_NOTICES.name),
    )


def _view(notice: Notice) -> RecallView:
    return RecallView(
        recall=notice.recall,
        cnk=notice.cnk,
        batch=notice.batch,
        delivered_from=notice.delivered_from,
        delivered_until=notice.delivered_until,
        reference=notice.reference,
        reason=notice.reason,
        opened_at=notice.opened_at,
        closed_at=notice.closed_at,
    )
