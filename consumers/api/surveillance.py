"""Use of the record that an operator should look at; looking is itself recorded."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from consumers.api import operators
from consumers.api.audit import positions_used
from consumers.api.forms import SurveillanceForm
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.reads import step
from projections.surveillance import Finding, Kind, findings, pharmacies_in
from schemas.audit import OperationsParameters, PositionUsed, Window
from schemas.sealing.pseudonym import party_pseudonym
from schemas.topics import ACCESS_AUDITED, DISPENSATION_RECORDED, SUBJECT_REGISTERED

PURPOSE: Final = "surveillance"
PERIOD: Final = timedelta(days=7)
"""Asked for when a form names no beginning."""
LONGEST: Final = timedelta(days=31)
_READ: Final = (
    ("access_log", ACCESS_AUDITED.name),
    ("access_state", SUBJECT_REGISTERED.name),
    ("history", DISPENSATION_RECORDED.name),
)


class FindingView(BaseModel):
    """One reader's use; reader and organisation are pseudonyms, patients are only counted."""

    kind: Kind
    """`volume` (a day with unusually many patients), `repeated` (one person on many days),
    `no_contact` (patients read and never met), `emergency` (reads on an emergency link)."""
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


class SurveillanceAnswer(BaseModel):
    """What should be looked at in a period, the most reads first."""

    findings: tuple[FindingView, ...]
    start: datetime
    end: datetime
    positions: tuple[PositionUsed, ...]


async def answer(
    deps: Dependencies, operator: Operator, form: SurveillanceForm
) -> SurveillanceAnswer:
    """Counts, decides what to show, records that it was asked for, answers.

    Raises:
        Problem: 400 the period is empty or too long; 503 it could not be recorded.
    """
    now = deps.clock()
    end = form.until or now
    start = form.since or end - PERIOD
    if not start < end <= start + LONGEST:
        raise Problem(400, "malformed-request", [FieldIssue(path="/since", code="period")])
    positions = tuple(one for name, topic in _READ for one in positions_used(deps, name, topic))
    with step("fetch"):
        uses = await deps.store.uses(start=start, end=end, now=now)
    key = await deps.vault.root_key("pseudonym")
    places = {
        number: party_pseudonym(key, "organisation", number) for number in pharmacies_in(uses.pairs)
    }
    found = findings(uses, places)
    reading = Reading(
        operator=operator,
        purpose=PURPOSE,
        parameters=OperationsParameters(
            endpoint="/v1/surveillance", window=Window(start=start, end=end)
        ),
        read_at=now,
        positions=positions,
        cells=tuple((one.kind, one.party.reader, one.first.isoformat()) for one in found),
    )
    with step("audit"):
        await operators.record(deps, reading)
    return SurveillanceAnswer(
        findings=tuple(_view(one) for one in found), start=start, end=end, positions=positions
    )


def _view(finding: Finding) -> FindingView:
    members = asdict(finding)
    return FindingView.model_validate({**members, **members.pop("party")})
