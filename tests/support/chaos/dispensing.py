"""What pharmacies mean by their submissions, and the model of quality control's answers; pure.

The model knows the life of a line and nothing of the code under test: a line is registered, then
corrected or revoked by whoever names its current version, and a message that comes again is a
duplicate.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from infra.kafka import Record
from tests.support.chaos.checker import Answer, Place

LineOutcome = Literal["recorded", "duplicate", "rejected"]


@dataclass(frozen=True, slots=True)
class Line:
    """A dispensed line as the pharmacy writes it; equal ones have equal content."""

    dguid: str
    units: int
    visit: str


@dataclass(frozen=True, slots=True)
class Registering:
    """A visit."""

    pharmacy: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Correcting:
    """A line replaces its version `replaces`."""

    pharmacy: str
    line: Line
    replaces: int


@dataclass(frozen=True, slots=True)
class Revoking:
    """Version `replaces` of a line is withdrawn."""

    pharmacy: str
    dguid: str
    replaces: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """Sealed content that no rule can accept."""

    pharmacy: str


Intent = Registering | Correcting | Revoking | Unusable


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a line stands."""

    version: int
    status: Literal["registered", "corrected", "revoked"]
    line: Line


Lines = dict[tuple[str, str], Stand]


def fact(pharmacy: str, dguid: str, stand: Stand) -> Hashable:
    """What is compared of a fact; units are sealed in it, so a revocation shows none."""
    units = None if stand.status == "revoked" else stand.line.units
    return ("fact", pharmacy, dguid, stand.version, stand.status, units)


def receipt(outcome: str, lines: Sequence[str]) -> Hashable:
    """What is compared of a receipt."""
    return ("receipt", outcome, tuple(lines))


def model(
    intents: Mapping[str, Intent], log: Mapping[int, Sequence[Record]]
) -> dict[Place, Answer]:
    """The answer to every submission that was meant, folded in log order."""
    found: dict[Place, Answer] = {}
    for number, records in log.items():
        lines: Lines = {}
        seen: dict[str, Sequence[str]] = {}
        for record in records:
            id_ = dict(record.headers).get("ce_id", b"").decode("utf-8", "replace")
            if id_ not in intents:
                continue
            place = Place(number, record.offset)
            if id_ in seen:
                found[place] = (receipt("duplicate", ()),)
                continue
            facts, outcomes = decide(lines, intents[id_])
            seen[id_] = outcomes
            found[place] = (*facts, receipt(outcome_of(outcomes), outcomes))
    return found


def decide(lines: Lines, intent: Intent) -> tuple[list[Hashable], list[LineOutcome]]:
    """Facts and line outcomes of one submission; `lines` moves on."""
    match intent:
        case Registering():
            made = [_register(lines, intent.pharmacy, line) for line in intent.lines]
        case Correcting():
            made = [_correct(lines, intent)]
        case Revoking():
            made = [_revoke(lines, intent)]
        case Unusable():
            made = []
        case _:
            assert_never(intent)
    return [one for one, _ in made if one is not None], [outcome for _, outcome in made]


def outcome_of(lines: Sequence[str]) -> str:
    """The outcome of a message from those of its lines."""
    good = [one for one in lines if one != "rejected"]
    if not good:
        return "rejected"
    if len(good) < len(lines):
        return "partial"
    return "duplicate" if set(good) == {"duplicate"} else "accepted"


_Made = tuple[Hashable | None, LineOutcome]


def _register(lines: Lines, pharmacy: str, line: Line) -> _Made:
    known = lines.get((pharmacy, line.dguid))
    if known is None:
        return _enter(lines, pharmacy, line.dguid, Stand(1, "registered", line))
    same = known.status == "registered" and known.line == line
    return None, "duplicate" if same else "rejected"


def _correct(lines: Lines, intent: Correcting) -> _Made:
    known = lines.get((intent.pharmacy, intent.line.dguid))
    if known is None or known.status == "revoked":
        return None, "rejected"
    if known.version == intent.replaces:
        stand = Stand(known.version + 1, "corrected", intent.line)
        return _enter(lines, intent.pharmacy, intent.line.dguid, stand)
    repeats = known.version == intent.replaces + 1 and known.line == intent.line
    return None, "duplicate" if repeats else "rejected"


def _revoke(lines: Lines, intent: Revoking) -> _Made:
    known = lines.get((intent.pharmacy, intent.dguid))
    if known is None:
        return None, "rejected"
    if known.status == "revoked":
        return None, "duplicate" if known.version == intent.replaces + 1 else "rejected"
    if known.version != intent.replaces:
        return None, "rejected"
    stand = Stand(known.version + 1, "revoked", known.line)
    return _enter(lines, intent.pharmacy, intent.dguid, stand)


def _enter(lines: Lines, pharmacy: str, dguid: str, stand: Stand) -> _Made:
    lines[(pharmacy, dguid)] = stand
    return fact(pharmacy, dguid, stand), "recorded"
