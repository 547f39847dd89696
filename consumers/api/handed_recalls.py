"""Recalls as a pharmacy is handed them: the open ones that concern it, and its own lines.

Decided as every reading of one's own lines is, and recorded as such before the answer, what is
refused and what concerns nobody too: under the pharmacy, and for each patient in the lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import audit, recalls
from consumers.api.audit import Decision
from consumers.api.callers import Caller
from consumers.api.forms import RecallForm, RecallLinesForm
from consumers.api.freshness import behind
from consumers.api.ports import Dependencies
from consumers.api.problems import Problem
from consumers.api.recalls import RecallsAnswer, RecallView
from consumers.api.settling import access_policy, step
from projections.access import Deny, Permit, decide_own_lines
from projections.notice_queries import ConcernedLine, ConcernedPharmacy, Notice
from schemas.audit import PositionUsed, RequestParameters, Window
from schemas.recall import RECALL_ACKNOWLEDGED, RecallAcknowledged

ENDPOINT: Final = "/v1/pharmacy/recalls"


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
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A decided reading of a pharmacy."""

    caller: Caller
    outcome: Permit | Deny
    policy_version: str
    at: datetime

    @property
    def number(self) -> str:
        """Of the pharmacy."""
        return self.caller.principal.organisation or ""


async def search(deps: Dependencies, caller: Caller) -> RecallsAnswer:
    """The open recalls for which a pharmacy has lines; however many there are, one statement.

    Raises:
        Problem: 403 refused, 503 stale or not recorded.
    """
    asked = _decided(deps, caller)
    await recalls.settle_recalls(deps)
    positions = recalls.positions_of(deps)
    concerned: list[Notice] = []
    if isinstance(asked.outcome, Permit):
        with step("fetch"):
            concerned = await _concerning(deps, asked.number)
    missing = await behind(deps, positions)
    parameters = RequestParameters(endpoint=ENDPOINT)
    await _record(deps, asked, parameters, positions, rows=len(concerned))
    _require(asked)
    return RecallsAnswer(
        recalls=tuple(recalls.view(one) for one in concerned),
        as_of=asked.at,
        policy_version=asked.policy_version,
        positions=positions,
        behind=missing,
    )


async def _concerning(deps: Dependencies, pharmacy: str) -> list[Notice]:
    found = await deps.store.recalls(limit=None, open_only=True)
    concerns = {one.recall: await recalls.concern_of(deps, one) for one in found}
    names = await deps.store.recalls_concerning(concerns, pharmacy=pharmacy) if found else set()
    return [one for one in found if one.recall in names]


async def lines(deps: Dependencies, caller: Caller, form: RecallLinesForm) -> RecallLinesAnswer:
    """The pharmacy's own lines that a recall concerns.

    Raises:
        Problem: 403 refused, 404 no open recall concerns the pharmacy, 503 stale or not recorded.
    """
    asked = _decided(deps, caller)
    notice, pharmacy = await _own(deps, asked, form.recall)
    positions = recalls.positions_of(deps)
    limit = min(form.limit or deps.settings.page_default, deps.settings.page_max)
    rows: Sequence[ConcernedLine] = ()
    if notice is not None and isinstance(asked.outcome, Permit):
        with step("fetch"):
            rows = await deps.store.recall_lines(
                await recalls.concern_of(deps, notice, asked.outcome),
                pharmacy=asked.number,
                limit=limit + 1,
                after=form.after or "",
            )
    shown = rows[:limit]
    missing = await behind(deps, positions)
    parameters = RequestParameters(
        endpoint=f"{ENDPOINT}/lines", limit=limit, cursor=form.after is not None
    )
    await _record(deps, asked, parameters, positions, rows=len(shown), shown=shown)
    _require(asked)
    if notice is None or pharmacy is None:
        raise Problem(404, "not-found")
    return RecallLinesAnswer(
        recall=recalls.view(notice),
        lines=tuple(_view(row) for row in shown),
        next=shown[-1].dguid if len(rows) > limit else None,
        acknowledged=recalls.has_acknowledged(pharmacy),
        as_of=asked.at,
        policy_version=asked.policy_version,
        positions=positions,
        behind=missing,
    )


async def acknowledge(deps: Dependencies, caller: Caller, form: RecallForm) -> RecallView:
    """Records that a pharmacy has seen its lines, as many as there are now.

    Raises:
        Problem: 403 refused, 404 no open recall concerns the pharmacy, 503 stale or not recorded.
    """
    asked = _decided(deps, caller)
    notice, pharmacy = await _own(deps, asked, form.recall)
    if notice is None or pharmacy is None:
        parameters = RequestParameters(endpoint=f"{ENDPOINT}/acknowledge")
        await _record(deps, asked, parameters, recalls.positions_of(deps), rows=0)
        _require(asked)
        raise Problem(404, "not-found")
    acknowledged = RecallAcknowledged(
        recall=notice.recall,
        at=asked.at,
        token_issuer=caller.principal.issuer,
        token_id=caller.principal.token_id,
        pharmacy=pharmacy.pharmacy,
        lines=pharmacy.lines,
    )
    await recalls.append(deps, RECALL_ACKNOWLEDGED, acknowledged)
    return recalls.view(notice)


def _decided(deps: Dependencies, caller: Caller) -> _Asked:
    now = deps.clock()
    version, policy = access_policy(deps, now)
    organisation = caller.reader.organisation or caller.pseudonym
    outcome = decide_own_lines(caller.reader, organisation, policy, now)
    return _Asked(caller, outcome, version.version, now)


def _require(asked: _Asked) -> None:
    if isinstance(asked.outcome, Deny):
        raise Problem(403, "access-refused")


async def _own(
    deps: Dependencies, asked: _Asked, recall: str
) -> tuple[Notice | None, ConcernedPharmacy | None]:
    """An open recall, and what of it is the pharmacy's; None: nothing that it may see."""
    if isinstance(asked.outcome, Deny):
        return None, None
    notice = await recalls.find(deps, recall)
    if notice is None:
        return None, None
    found = await deps.store.recall_pharmacies(
        await recalls.concern_of(deps, notice),
        recall=notice.recall,
        pharmacy=asked.number,
    )
    return (notice, found[0]) if found else (None, None)


async def _record(
    deps: Dependencies,
    asked: _Asked,
    parameters: RequestParameters,
    positions: tuple[PositionUsed, ...],
    *,
    rows: int,
    shown: Sequence[ConcernedLine] = (),
) -> None:
    """Under the pharmacy, and under each patient whose lines are shown."""
    permit = asked.outcome if isinstance(asked.outcome, Permit) else None
    window = Window(start=permit.window_start, end=permit.window_end) if permit else None
    whole = Decision(
        caller=asked.caller,
        purpose="own_lines",
        outcome=asked.outcome,
        parameters=parameters.model_copy(update={"window": window}),
        policy_version=asked.policy_version,
        decided_at=asked.at,
        positions=positions,
        lines=tuple((row.dguid, row.version) for row in shown),
        rows=rows,
    )
    with step("audit"):
        await audit.record(deps, [whole, *_each_patient(whole, shown)])


def _each_patient(whole: Decision, rows: Sequence[ConcernedLine]) -> list[Decision]:
    by_subject: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for row in rows:
        by_subject.setdefault((row.subject, row.generation), []).append((row.dguid, row.version))
    return audit.per_subject(whole, by_subject)


def _view(row: ConcernedLine) -> ConcernedLineView:
    return ConcernedLineView(
        dguid=row.dguid,
        version=row.version,
        delivered_at=row.delivered_at,
        certain=row.certain,
    )
