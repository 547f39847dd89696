"""What a partition remembers: a fold of the facts and receipts that the stage wrote.

Gap notices need no folding: they follow from the numbers in the receipts. Of a line's content only
the sealed bytes are kept; `ledger` opens them with the keys of the day when a rule needs it. Every
access goes through the functions here. A line is remembered for `HORIZON` from its latest fact: by
then the keys of its day are gone, and whoever registers it anew hears that delivery is too old.
"""

import json
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from schemas.dispensation import RECORD_FACTS
from schemas.envelope import Headers
from schemas.receipts import RECEIPT
from streams.engine.tables import Layout, StateTables
from streams.quality import lifecycle, numbering
from streams.quality.lifecycle import LineFact, LineState
from streams.quality.numbering import Answered, Numbers

LineKey = tuple[str, str]
"""Pharmacy number and DGUID."""
PatientKey = tuple[str, str]
"""Pharmacy number and subject pseudonym."""
PHARMACY_SOURCE: Final = "/pharmacies/"
HORIZON: Final = timedelta(days=366)
FOLD: Final = "1"
"""Changes whenever the same outputs would be remembered otherwise: stores are then rebuilt."""
HELD_MONTHS: Final = 14
"""For how many months after its fact a line is listed with its patient: by then the keys of its day
are gone, so it can no longer be compared with anything."""


class Held(NamedTuple):
    """A line that stands, in the list of its patient; `month` counts those of its fact's time."""

    dguid: str
    period: str
    month: int


def _key(parts: tuple[str, str]) -> bytes:
    return "\0".join(parts).encode()


_LINES: Final = Layout[LineKey, LineState](
    name="line",
    key=_key,
    write=lambda line: json.dumps(line).encode(),
    read=lambda data: LineState(*json.loads(data)),
    horizon=HORIZON,
    cached=2048,
)
_HELD: Final = Layout[PatientKey, tuple[Held, ...]](
    name="held",
    key=_key,
    write=lambda held: json.dumps(held).encode(),
    read=lambda data: tuple(Held(*one) for one in json.loads(data)),
    horizon=timedelta(days=31 * HELD_MONTHS),
    cached=2048,
)


class QualityState:
    """Lines by (pharmacy, DGUID), those that stand of a patient, and the publishers' numbers."""

    def __init__(self, tables: StateTables) -> None:
        self._tables = tables
        self.lines = tables.table(_LINES)
        self.held = tables.table(_HELD)
        self.numbers = Numbers(tables, HORIZON)

    def at(self, moment: datetime) -> None:
        """What follows is decided or folded as of this append time."""
        self._tables.at(moment)


def line_of(state: QualityState, pharmacy: str, dguid: str) -> LineState | None:
    """Where a line stands; None if the pharmacy has none of this DGUID."""
    return state.lines.get((pharmacy, dguid))


def held_by(state: QualityState, pharmacy: str, subject: str) -> tuple[Held, ...]:
    """The lines of a patient that stand in one pharmacy, in the order of their latest facts."""
    return state.held.get((pharmacy, subject)) or ()


def evolve(state: QualityState, headers: Headers, value: bytes | None) -> None:
    """Fold one output into the state; the same live and at restore.

    Raises:
        pydantic.ValidationError: the output is none of this stage's.
    """
    named = dict(headers)
    type_ = named.get("ce_type", b"").decode()
    if value is None or (type_ != RECEIPT and type_ not in RECORD_FACTS):
        return
    time = named["ce_time"].decode()
    state.at(datetime.fromisoformat(time))
    if type_ != RECEIPT:
        fact = LineFact.read(value)
        key = (fact.pharmacy, fact.dguid)
        before = state.lines.get(key)
        after = lifecycle.evolve(before, fact, named["ce_id"].decode())
        state.lines.put(key, after)
        _list(state, key, before, after, _month(time))
    else:
        ref = Answered.read(value).submission
        source = ref.source
        if source is not None and source.startswith(PHARMACY_SOURCE):
            publisher = source.removeprefix(PHARMACY_SOURCE)
            numbering.evolve(state.numbers, publisher, ref, value)


def _list(
    state: QualityState, key: LineKey, before: LineState | None, after: LineState, month: int
) -> None:
    """List the line with its patient, and no longer where it stood before."""
    pharmacy, dguid = key
    if before is not None and before.subject != after.subject:
        _put_held(state, pharmacy, before.subject, _others(state, pharmacy, before.subject, dguid))
    standing = _others(state, pharmacy, after.subject, dguid, after_month=month - HELD_MONTHS)
    if after.status != "revoked":
        standing += (Held(dguid, after.period, month),)
    _put_held(state, pharmacy, after.subject, standing)


def _others(
    state: QualityState, pharmacy: str, subject: str, dguid: str, *, after_month: int = 0
) -> tuple[Held, ...]:
    held = held_by(state, pharmacy, subject)
    return tuple([one for one in held if one.dguid != dguid and one.month > after_month])


def _put_held(state: QualityState, pharmacy: str, subject: str, held: tuple[Held, ...]) -> None:
    if held:
        state.held.put((pharmacy, subject), held)
    else:
        state.held.delete((pharmacy, subject))


def _month(time: str) -> int:
    """Months since the year 0 of an RFC 3339 time."""
    return int(time[:4]) * 12 + int(time[5:7])
