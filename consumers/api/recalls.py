"""Recalls as an authority opens, follows and closes them; it sees counts and no pharmacy.

Whether it may is decided by mandates in policy data, and each reading and each refusal is recorded
before it is answered. What an authority does is an event of `dpp.recall.notices`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import operators
from consumers.api.audit import positions_used, recording
from consumers.api.forms import OpenRecallForm, RecallForm
from consumers.api.freshness import behind
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.settling import access_policy, caught_up, step
from projections.access import Permit
from projections.authorities import may
from projections.folds.product_recall import batch_index, product_index
from projections.notice_queries import Concern, ConcernedPharmacy, Notice
from schemas.audit import OperationsParameters, PositionUsed
from schemas.envelope import Envelope
from schemas.identifiers import cnk
from schemas.recall import (
    RECALL_CLOSED,
    RECALL_OPENED,
    RecallClosed,
    RecallEvent,
    RecallOpened,
)
from schemas.topics import DISPENSATION_RECORDED, RECALL_NOTICES

PROJECTION: Final = "recall"
LINES: Final = "product_recall"
MOST_RECALLS: Final = 100
PURPOSE: Final = "recall"
_AUTHORITIES: Final = "/v1/authorities/recalls"


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
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


class RecallsAnswer(BaseModel):
    """An authority's recalls, or the open ones that concern a pharmacy; the newest first."""

    recalls: tuple[RecallView, ...]
    as_of: datetime
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


@dataclass(frozen=True, slots=True)
class _Mandated:
    """An authority that may, as of when and by which policy."""

    authority: Operator
    number: str
    parameters: OperationsParameters
    policy_version: str
    at: datetime
    positions: tuple[PositionUsed, ...]


async def open_recall(deps: Dependencies, authority: Operator, form: OpenRecallForm) -> RecallView:
    """Opens a recall; it is durable when this returns.

    Raises:
        Problem: 400 malformed, 403 no mandate, 503 not recorded.
    """
    mandated = await _mandated(deps, authority, "open", form.cnk)
    if not cnk.is_valid(form.cnk):
        raise Problem(400, "malformed-identifier", [FieldIssue(path="/cnk", code="cnk")])
    first, after = form.delivered_from, form.delivered_until
    if first is not None and after is not None and first >= after:
        raise Problem(400, "malformed-request", [FieldIssue(path="/delivered_from", code="period")])
    opened = RecallOpened(
        recall=deps.new_id(),
        at=mandated.at,
        token_issuer=authority.principal.issuer,
        token_id=authority.principal.token_id,
        authority=mandated.number,
        cnk=form.cnk,
        batch=form.batch,
        delivered_from=form.delivered_from,
        delivered_until=form.delivered_until,
        reference=form.reference,
        reason=form.reason,
    )
    await append(deps, RECALL_OPENED, opened)
    return RecallView(
        recall=opened.recall,
        cnk=opened.cnk,
        batch=opened.batch,
        delivered_from=opened.delivered_from,
        delivered_until=opened.delivered_until,
        reference=opened.reference,
        reason=opened.reason,
        opened_at=mandated.at,
    )


async def close(deps: Dependencies, authority: Operator, form: RecallForm) -> RecallView:
    """Closes a recall of one's own.

    Raises:
        Problem: 403 no mandate, 404 no open recall of one's own, 503 not recorded.
    """
    mandated = await _mandated(deps, authority, "close")
    notice = await find(deps, form.recall, authority=mandated.number)
    if notice is None:
        raise Problem(404, "not-found")
    closed = RecallClosed(
        recall=notice.recall,
        at=deps.clock(),
        token_issuer=authority.principal.issuer,
        token_id=authority.principal.token_id,
        authority=mandated.number,
    )
    await append(deps, RECALL_CLOSED, closed)
    return view(notice).model_copy(update={"closed_at": closed.at})


async def progress(deps: Dependencies, authority: Operator, form: RecallForm) -> ProgressAnswer:
    """How far a recall is.

    Raises:
        Problem: 403 no mandate, 404 no recall of one's own, 503 stale or not recorded.
    """
    mandated = await _mandated(deps, authority, "progress")
    notice = await find(deps, form.recall, authority=mandated.number, open_only=False)
    if notice is None:
        await _record(deps, mandated, PURPOSE, ())
        raise Problem(404, "not-found")
    with step("fetch"):
        found = await deps.store.recall_pharmacies(
            await concern_of(deps, notice), recall=notice.recall, pharmacy=None
        )
    answer = _counted(notice, found, mandated, await behind(deps, mandated.positions))
    cell = (notice.recall, str(answer.pharmacies), str(answer.lines))
    await _record(deps, mandated, PURPOSE, (cell,))
    return answer


def _counted(
    notice: Notice, found: Sequence[ConcernedPharmacy], mandated: _Mandated, missing: int
) -> ProgressAnswer:
    done = [one for one in found if has_acknowledged(one)]
    return ProgressAnswer(
        recall=view(notice),
        pharmacies=len(found),
        pharmacies_acknowledged=len(done),
        lines=sum(one.lines for one in found),
        lines_acknowledged=sum(min(one.lines, one.acknowledged or 0) for one in found),
        lines_of_unknown_batch=sum(one.uncertain for one in found),
        as_of=mandated.at,
        policy_version=mandated.policy_version,
        positions=mandated.positions,
        behind=missing,
    )


def has_acknowledged(one: ConcernedPharmacy) -> bool:
    """Whether a pharmacy has seen all its lines."""
    return one.acknowledged is not None and one.acknowledged >= one.lines


async def of_authority(deps: Dependencies, authority: Operator) -> RecallsAnswer:
    """The recalls that an authority opened.

    Raises:
        Problem: 403 no mandate, 503 stale or not recorded.
    """
    mandated = await _mandated(deps, authority, "search")
    await settle_recalls(deps)
    found = await deps.store.recalls(limit=MOST_RECALLS, authority=mandated.number)
    missing = await behind(deps, mandated.positions)
    await _record(deps, mandated, PURPOSE, tuple((one.recall,) for one in found))
    return RecallsAnswer(
        recalls=tuple(view(one) for one in found),
        as_of=mandated.at,
        policy_version=mandated.policy_version,
        positions=mandated.positions,
        behind=missing,
    )


async def _mandated(
    deps: Dependencies, authority: Operator, action: str, code: str | None = None
) -> _Mandated:
    """Decides whether an authority may; a refusal is recorded before it is answered.

    Raises:
        Problem: 403 no mandate, 503 the refusal could not be recorded.
    """
    now = deps.clock()
    version, policy = access_policy(deps, now)
    number = authority.principal.organisation
    mandated = _Mandated(
        authority=authority,
        number=number or "",
        parameters=OperationsParameters(endpoint=f"{_AUTHORITIES}/{action}", code=code),
        policy_version=version.version,
        at=now,
        positions=positions_of(deps),
    )
    if not may(number, "recall", policy, now):
        await _record(deps, mandated, f"{PURPOSE}_refused", ())
        raise Problem(403, "access-refused")
    return mandated


async def _record(
    deps: Dependencies, asked: _Mandated, purpose: str, cells: tuple[tuple[str, ...], ...]
) -> None:
    reading = Reading(
        operator=asked.authority,
        purpose=purpose,
        parameters=asked.parameters,
        read_at=asked.at,
        positions=asked.positions,
        cells=cells,
    )
    with step("audit"):
        await operators.record(deps, reading)


async def find(
    deps: Dependencies, recall: str, *, authority: str | None = None, open_only: bool = True
) -> Notice | None:
    """A recall, as of every event acknowledged before this call.

    Raises:
        Problem: 503 stale.
    """
    await settle_recalls(deps)
    found = await deps.store.recalls(
        limit=1, recall=recall, authority=authority, open_only=open_only
    )
    return found[0] if found else None


async def concern_of(deps: Dependencies, notice: Notice, within: Permit | None = None) -> Concern:
    """What the recall finds; a reader's window narrows it."""
    key = await deps.vault.root_key("index")
    starts = [one for one in (notice.delivered_from, within and within.window_start) if one]
    return Concern(
        product_index=product_index(key, notice.cnk),
        batch_index=batch_index(key, notice.cnk, notice.batch) if notice.batch else None,
        start=max(starts, default=None),
        end=notice.delivered_until,
    )


async def append(deps: Dependencies, type_: str, event: RecallEvent) -> None:
    """Returns once it is durable.

    Raises:
        Problem: 503, it could not be recorded.
    """
    envelope = Envelope(id=deps.new_id(), source="/api", type=type_, time=event.at)
    topic, key = RECALL_NOTICES.name, event.recall.encode()
    async with recording(deps):
        await deps.log.append(topic, key=key, headers=envelope.headers(), value=event.write())


async def settle_recalls(deps: Dependencies) -> None:
    """Waits until the projection holds every recall acknowledged before this call.

    Raises:
        Problem: 503, it did not get there in time.
    """
    topic = RECALL_NOTICES.name
    await caught_up(deps, PROJECTION, topic, deps.log.partitions(topic))


def positions_of(deps: Dependencies) -> tuple[PositionUsed, ...]:
    """How far the projections are that answers are counted from."""
    return (
        *positions_used(deps, LINES, DISPENSATION_RECORDED.name),
        *positions_used(deps, PROJECTION, RECALL_NOTICES.name),
    )


def view(notice: Notice) -> RecallView:
    """A recall as it is answered."""
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
