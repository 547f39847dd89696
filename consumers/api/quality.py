"""How pharmacies do in quality control: for operators of one or of all, for each pharmacy its own.

It concerns no patient. What an operator reads is recorded before it is answered.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from consumers.api import operators
from consumers.api.forms import OwnQualityForm, QualityForm
from consumers.api.freshness import behind_if_told
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.receipts import pharmacy_of, receipt_positions
from consumers.api.refusals import pharmacy_number
from consumers.api.settling import step
from consumers.api.tokens import Principal
from projections.quality_overview import Quality
from schemas.audit import OperationsParameters, PositionUsed, Window

PERIOD: Final = timedelta(days=7)
"""Asked for when a form names no beginning."""
ENDPOINT: Final = "/v1/quality/overview"
PURPOSE: Final = "quality_overview"


class QualityAnswer(BaseModel):
    """Submissions and lines of a period, findings by code, missing numbers and last heard."""

    pharmacy: str | None = None
    """Absent when everybody is meant."""
    start: datetime
    end: datetime
    submissions: Mapping[str, int]
    """By outcome."""
    lines_recorded: int
    lines_rejected: int
    lines_duplicate: int
    dead_letters: int
    refused: Mapping[str, int]
    """Findings that refused something, by code."""
    warned: Mapping[str, int]
    scores: Mapping[int, int]
    """Lowest score of a step of ten, and lines that entered the record with such a score."""
    missing_ranges: int
    missing_numbers: int
    last_heard: datetime | None = None
    """Of one pharmacy: its latest submission that its seal shows to be its own."""
    as_of: datetime
    positions: tuple[PositionUsed, ...]
    behind: int | None = None
    """Receipts that the log had and the projection had not applied, of everybody; absent if the
    log does not say."""


async def overview(deps: Dependencies, operator: Operator, form: QualityForm) -> QualityAnswer:
    """One pharmacy or everybody, recorded under the operator before it is answered.

    Raises:
        Problem: 400 wrong number or period, 503 the record of it could not be written.
    """
    number = pharmacy_number(form.pharmacy)
    answer = await _answer(deps, form, number)
    reading = Reading(
        operator=operator,
        purpose=PURPOSE,
        parameters=OperationsParameters(
            endpoint=ENDPOINT,
            window=Window(start=answer.start, end=answer.end),
            pharmacy=number,
        ),
        read_at=deps.clock(),
        positions=answer.positions,
        cells=tuple((code, str(count)) for code, count in sorted(answer.refused.items())),
    )
    with step("audit"):
        await operators.record(deps, reading)
    return answer


async def own_overview(
    deps: Dependencies, principal: Principal, form: OwnQualityForm
) -> QualityAnswer:
    """The pharmacy's own.

    Raises:
        Problem: 400 wrong period, 403 not a pharmacy.
    """
    return await _answer(deps, form, pharmacy_of(principal))


async def _answer(deps: Dependencies, form: OwnQualityForm, number: str | None) -> QualityAnswer:
    now, positions = deps.clock(), receipt_positions(deps)
    end = form.until or now
    start = form.since or end - PERIOD
    if start >= end:
        raise Problem(400, "malformed-request", [FieldIssue(path="/since", code="period")])
    with step("fetch"):
        found: Quality = await deps.store.quality(pharmacy=number, start=start, end=end)
    counted = found.overview
    return QualityAnswer(
        pharmacy=number,
        start=start,
        end=end,
        submissions=counted.outcomes,
        lines_recorded=counted.lines_recorded,
        lines_rejected=counted.lines_rejected,
        lines_duplicate=counted.lines_duplicate,
        dead_letters=counted.dead_letters,
        refused=counted.refused,
        warned=counted.warned,
        scores=counted.scores,
        missing_ranges=found.gaps.ranges,
        missing_numbers=found.gaps.numbers,
        last_heard=found.heard.seen if found.heard else None,
        as_of=now,
        positions=positions,
        behind=await behind_if_told(deps, positions),
    )
