"""Use of the record that an operator should look at; looking is itself recorded."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from consumers.api import operators
from consumers.api.audit import positions_used
from consumers.api.forms import SurveillanceForm
from consumers.api.freshness import behind
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.settling import step
from projections.surveillance import EARLIEST_DAYS, Finding, Kind, judged, whole_days
from schemas.audit import OperationsParameters, PositionUsed, Window
from schemas.brussels import day_of
from schemas.topics import ACCESS_AUDITED, DISPENSATION_RECORDED, SUBJECT_REGISTERED

PURPOSE: Final = "surveillance"
PERIOD: Final = timedelta(days=28)
"""Asked for when none is named: long enough that what never became a contact can show."""
LONGEST: Final = timedelta(days=31)
ENDPOINT: Final = "/v1/surveillance"
READ: Final = (
    ("surveillance", ACCESS_AUDITED.name),
    ("access_state", SUBJECT_REGISTERED.name),
    ("history", DISPENSATION_RECORDED.name),
)
"""Projections that a look is taken at, and the topics that they follow."""


class FindingView(BaseModel):
    """One reader's use; reader and organisation are pseudonyms, patients are only counted."""

    kind: Kind
    """`volume` (a day with unusually many patients), `repeated` (one person on many days),
    `no_contact` (patients read and never met), `emergency` (declared, or on an emergency link)."""
    reader: str
    role: str
    organisation: str | None = None
    reads: int
    subjects: int
    first: datetime
    last: datetime
    usual: float | None = None
    """Different patients of a usual day, of the reader or their role, whichever is more."""
    days: int | None = None
    refused: int | None = None
    """Declared emergencies among `reads` that were refused."""


class SurveillanceAnswer(BaseModel):
    """What should be looked at on the whole Belgian days of a period, the most reads first."""

    findings: tuple[FindingView, ...]
    start: datetime
    end: datetime
    as_of: datetime
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


async def answer(
    deps: Dependencies, operator: Operator, form: SurveillanceForm
) -> SurveillanceAnswer:
    """Counts, decides what to show, records that it was asked for, answers.

    Raises:
        Problem: 400 the period is empty, too long, or too long ago; 503 it could not be recorded.
    """
    now = deps.clock()
    end = form.until or now
    start = form.since or end - PERIOD
    if not start < end <= start + LONGEST:
        raise Problem(400, "malformed-request", [FieldIssue(path="/since", code="period")])
    if day_of(now) - day_of(start) > timedelta(days=EARLIEST_DAYS):
        raise Problem(400, "malformed-request", [FieldIssue(path="/since", code="too_early")])
    start, end = whole_days(start, end)
    positions = tuple(one for name, topic in READ for one in positions_used(deps, name, topic))
    with step("fetch"):
        uses = await deps.store.uses(start=start, end=end, now=now, contacts=form.contacts)
    found = judged(uses, await deps.vault.root_key("pseudonym"))
    parameters = OperationsParameters(endpoint=ENDPOINT, window=Window(start=start, end=end))
    missing = await behind(deps, positions)
    with step("audit"):
        await operators.record(deps, reading(operator, parameters, found, positions, now))
    return SurveillanceAnswer(
        findings=tuple(view(one) for one in found),
        start=start,
        end=end,
        as_of=now,
        positions=positions,
        behind=missing,
    )


def reading(
    operator: Operator,
    parameters: OperationsParameters,
    found: Sequence[Finding],
    positions: tuple[PositionUsed, ...],
    now: datetime,
) -> Reading:
    """What is recorded of a look, whoever took it and from where."""
    return Reading(
        operator=operator,
        purpose=PURPOSE,
        parameters=parameters,
        read_at=now,
        positions=positions,
        cells=tuple((one.kind, one.party.reader, one.first.isoformat()) for one in found),
    )


def view(finding: Finding) -> FindingView:
    """A finding as it is answered."""
    members = asdict(finding)
    return FindingView.model_validate({**members, **members.pop("party")})
