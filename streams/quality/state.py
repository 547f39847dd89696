"""What a partition remembers: a fold of the facts and receipts that the stage wrote.

Gap notices need no folding: they follow from the numbers in the receipts. Of a line's content only
the sealed bytes are kept; `ledger` opens them with the keys of the day when a rule needs it. Every
access goes through the functions here.
"""

from dataclasses import dataclass, field
from typing import Final

from schemas.dispensation import RECORD_FACTS
from schemas.envelope import Headers
from schemas.receipts import RECEIPT
from streams.quality import lifecycle, numbering
from streams.quality.lifecycle import LineFact, LineState
from streams.quality.numbering import Answered, Numbers

LineKey = tuple[str, str]
"""Pharmacy number and DGUID."""
PatientKey = tuple[str, str]
"""Pharmacy number and subject pseudonym."""
PHARMACY_SOURCE: Final = "/pharmacies/"
HELD_MONTHS: Final = 14
"""For how many months after its fact a line is listed with its patient: by then the keys of its day
are gone, so it can no longer be compared with anything."""


@dataclass(frozen=True, slots=True)
class Held:
    """A line that stands, in the list of its patient; `month` counts those of its fact's time."""

    dguid: str
    period: str
    month: int


@dataclass(slots=True)
class QualityState:
    """Lines by (pharmacy, DGUID), those that stand of a patient, and each publisher's numbers."""

    lines: dict[LineKey, LineState] = field(default_factory=dict)
    held: dict[PatientKey, tuple[Held, ...]] = field(default_factory=dict)
    numbers: dict[str, Numbers] = field(default_factory=dict)


def line_of(state: QualityState, pharmacy: str, dguid: str) -> LineState | None:
    """Where a line stands; None if the pharmacy has none of this DGUID."""
    return state.lines.get((pharmacy, dguid))


def held_by(state: QualityState, pharmacy: str, subject: str) -> tuple[Held, ...]:
    """The lines of a patient that stand in one pharmacy, in the order of their latest facts."""
    return state.held.get((pharmacy, subject), ())


def numbers_of(state: QualityState, publisher: str) -> Numbers | None:
    """What is remembered of a publisher's numbers; None before its first."""
    return state.numbers.get(publisher)


def evolve(state: QualityState, headers: Headers, value: bytes | None) -> None:
    """Fold one output into the state; the same live and at restore.

    Raises:
        pydantic.ValidationError: the output is none of this stage's.
    """
    named = {name: content.decode() for name, content in headers}
    type_ = named.get("ce_type", "")
    if value is None:
        return
    if type_ in RECORD_FACTS:
        fact = LineFact.read(value)
        before = line_of(state, fact.pharmacy, fact.dguid)
        after = lifecycle.evolve(before, fact, named["ce_id"])
        state.lines[(fact.pharmacy, fact.dguid)] = after
        _list(state, (fact.pharmacy, fact.dguid), before, after, _month(named["ce_time"]))
    elif type_ == RECEIPT:
        ref = Answered.read(value).submission
        source = ref.source
        if source is not None and source.startswith(PHARMACY_SOURCE):
            numbers = state.numbers.setdefault(source.removeprefix(PHARMACY_SOURCE), Numbers())
            numbering.evolve(numbers, ref, value)


def _list(
    state: QualityState, key: LineKey, before: LineState | None, after: LineState, month: int
) -> None:
    """List the line with its patient, and no longer where it stood before."""
    pharmacy, dguid = key
    if before is not None and before.subject != after.subject:
        _put_held(state, pharmacy, before.subject, _others(state, pharmacy, before.subject, dguid))
    others = tuple(
        one
        for one in _others(state, pharmacy, after.subject, dguid)
        if one.month > month - HELD_MONTHS
    )
    if after.status != "revoked":
        others += (Held(dguid, after.period, month),)
    _put_held(state, pharmacy, after.subject, others)


def _others(state: QualityState, pharmacy: str, subject: str, dguid: str) -> tuple[Held, ...]:
    return tuple(one for one in held_by(state, pharmacy, subject) if one.dguid != dguid)


def _put_held(state: QualityState, pharmacy: str, subject: str, held: tuple[Held, ...]) -> None:
    if held:
        state.held[(pharmacy, subject)] = held
    else:
        state.held.pop((pharmacy, subject), None)


def _month(time: str) -> int:
    """Months since the year 0 of an RFC 3339 time."""
    return int(time[:4]) * 12 + int(time[5:7])
