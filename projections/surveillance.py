"""Use of the record that somebody should look at: what is unusual, decided over plain counts.

Nothing here says that a use was wrong. Limits are deliberately low where a look costs little. Who
reads and who is read about are pseudonyms throughout.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from schemas.brussels import day_of, next_day, start_of_day
from schemas.sealing.pseudonym import party_pseudonym

Kind = Literal["volume", "repeated", "no_contact", "emergency"]
VOLUME_FLOOR: Final = 30
"""Fewer different patients in a day are never unusual."""
VOLUME_FACTOR: Final = 3.0
"""So many times the usual of the reader, and of the role, is unusual."""
REPEATED_DAYS: Final = 5
"""Looking at one person on so many different days of a period is repeated."""
CONTACT_DAYS: Final = 14
"""Within so many days of a read, a contact shows: a delivery there, or a link registered."""
NO_CONTACT_SUBJECTS: Final = 10
"""So many patients of one reader, all read and none met, are a finding."""
USUAL_DAYS: Final = 28
"""So many days before a period tell what is usual."""
KEPT_DAYS: Final = 90
"""So many days back reads are kept for this."""
EARLIEST_DAYS: Final = KEPT_DAYS - USUAL_DAYS
"""So many days back a period may begin."""


@dataclass(frozen=True, slots=True)
class Party:
    """A reader, in a role and at a place; pseudonyms."""

    reader: str
    role: str
    organisation: str | None


@dataclass(frozen=True, slots=True)
class Day:
    """What a reader did on one Belgian day, at one place."""

    party: Party
    reads: int
    refused: int
    subjects: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """A reader's permitted reads of one person; on how many days, and whom that person met."""

    party: Party
    reads: int
    days: int
    first: datetime
    last: datetime
    linked: bool
    """Whether a link with the reader or their place was registered about then."""
    pharmacies: tuple[str, ...]
    """Numbers of the pharmacies that delivered to the person about then; of pharmacists alone."""
    settled: bool
    """Whether the last read is so long ago that a contact would have shown."""


@dataclass(frozen=True, slots=True)
class Emergency:
    """A reader's reads in emergencies: declared ones, refused too, and those on emergency links."""

    party: Party
    reads: int
    refused: int
    subjects: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Usual:
    """Different patients on a usual day at one place before the period: by reader, and by role."""

    by_reader: Mapping[str, float]
    by_role: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Uses:
    """What was counted in a period, as far as it may be a finding."""

    days: Sequence[Day]
    pairs: Sequence[Pair]
    emergencies: Sequence[Emergency]
    usual: Usual


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at.

    `usual` stands with `volume`, `days` with `repeated`, `refused` with `emergency`.
    """

    kind: Kind
    party: Party
    reads: int
    subjects: int
    first: datetime
    last: datetime
    usual: float | None = None
    days: int | None = None
    refused: int | None = None


def whole_days(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The Belgian days that a period [start, end) touches, from midnight to midnight."""
    return start_of_day(day_of(start)), next_day(day_of(end - timedelta(microseconds=1)))


def median(days: Mapping[int, int]) -> float:
    """The median number of patients, of so many days by number of patients; at least one day."""
    middle, odd = divmod(sum(days.values()), 2)
    return (_nth(days, middle) + _nth(days, middle if odd else middle - 1)) / 2


def _nth(days: Mapping[int, int], place: int) -> int:
    """The number of patients on the day at this place, from 0, of the days in rising order."""
    for patients in sorted(days):
        place -= days[patients]
        if place < 0:
            return patients
    raise ValueError("there are fewer days")


def judged(uses: Uses, key: bytes) -> list[Finding]:
    """What should be looked at; `key` is the installation's for pseudonyms."""
    return findings(
        uses,
        {number: party_pseudonym(key, "organisation", number) for number in _delivered(uses.pairs)},
    )


def findings(uses: Uses, places: Mapping[str, str]) -> list[Finding]:
    """What should be looked at, the most reads first.

    `places` are pseudonyms of pharmacies by number: a delivery by the reader's own is a contact.
    """
    found = [
        *_unusual(uses.days, uses.usual),
        *_repeated(uses.pairs),
        *_without_contact(uses.pairs, places),
        *(_emergency(one) for one in uses.emergencies),
    ]
    return sorted(found, key=lambda one: (-one.reads, one.kind, one.party.reader, one.first))


def _emergency(one: Emergency) -> Finding:
    return Finding(
        "emergency", one.party, one.reads, one.subjects, one.first, one.last, refused=one.refused
    )


def _unusual(days: Iterable[Day], usual: Usual) -> Iterable[Finding]:
    for day in days:
        own = usual.by_reader.get(day.party.reader, 0.0)
        expected = max(own, usual.by_role.get(day.party.role, 0.0))
        if day.subjects >= max(VOLUME_FLOOR, VOLUME_FACTOR * expected):
            yield Finding(
                "volume", day.party, day.reads, day.subjects, day.first, day.last, usual=expected
            )


def _repeated(pairs: Iterable[Pair]) -> Iterable[Finding]:
    for pair in pairs:
        if pair.days >= REPEATED_DAYS:
            yield Finding(
                "repeated", pair.party, pair.reads, 1, pair.first, pair.last, days=pair.days
            )


def _without_contact(pairs: Iterable[Pair], places: Mapping[str, str]) -> Iterable[Finding]:
    alone: dict[Party, list[Pair]] = {}
    for pair in pairs:
        if pair.settled and not _met(pair, places):
            alone.setdefault(pair.party, []).append(pair)
    for party, seen in alone.items():
        if len(seen) >= NO_CONTACT_SUBJECTS:
            yield Finding(
                "no_contact",
                party,
                sum(pair.reads for pair in seen),
                len(seen),
                min(pair.first for pair in seen),
                max(pair.last for pair in seen),
            )


def _met(pair: Pair, places: Mapping[str, str]) -> bool:
    here = pair.party.organisation
    return pair.linked or any(places.get(number) == here for number in pair.pharmacies)


def _delivered(pairs: Iterable[Pair]) -> set[str]:
    """Numbers of all pharmacies whose pseudonyms are needed."""
    return {number for pair in pairs for number in pair.pharmacies}
