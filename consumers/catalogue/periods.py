"""Periods of validity, both days included: cut where a thing changes, joined where none does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Generic, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

ENDLESS: Final = date.max
"""Last day of a period that has no end."""
_DAY: Final = timedelta(days=1)
_DATE_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Period(Generic[T_co]):
    """What holds from `first` to `last`, both included."""

    first: date
    last: date
    value: T_co

    def holds_on(self, day: date) -> bool:
        """Whether the day lies in it."""
        return self.first <= day <= self.last


def day_of(text: str) -> date:
    """The day that an XML date or time names; its time zone is passed over.

    Raises:
        ValueError: it names none.
    """
    return date.fromisoformat(text.strip()[:_DATE_LENGTH])


def cuts(spans: Iterable[Period[T]], within: Iterable[Period[object]]) -> list[tuple[date, date]]:
    """The stretches of `spans`, cut at every first and after every last day of anything.

    In a stretch nothing changes; stretches that no span covers are left out.
    """
    spans = list(spans)
    starts: set[date] = set()
    everything: list[Period[object]] = [*spans, *within]
    for one in everything:
        starts.add(one.first)
        if one.last < ENDLESS:
            starts.add(one.last + _DAY)
    ordered = sorted(starts)
    ends = [start - _DAY for start in ordered[1:]]
    return [
        (first, last)
        for first, last in zip(ordered, [*ends, ENDLESS], strict=False)
        if any(span.holds_on(first) for span in spans)
    ]


def in_force(periods: Sequence[Period[T]], day: date) -> T | None:
    """What holds on the day; failing that, what held last before it, or else what comes first.

    A source that leaves gaps between its periods still tells what a thing is called.
    """
    best: Period[T] | None = None
    for one in periods:
        if best is None or _nearness(one, day) > _nearness(best, day):
            best = one
    return None if best is None else best.value


def _nearness(period: Period[T], day: date) -> tuple[int, int]:
    if period.holds_on(day):
        return (2, period.first.toordinal())
    if period.last < day:
        return (1, period.last.toordinal())
    return (0, -period.first.toordinal())


def joined(entries: Iterable[Period[T]]) -> list[Period[T]]:
    """The same periods, in order, neighbours with equal values made one."""
    made: list[Period[T]] = []
    for one in entries:
        if made and made[-1].value == one.value and _adjoin(made[-1], one):
            made[-1] = Period(made[-1].first, one.last, one.value)
        else:
            made.append(one)
    return made


def _adjoin(earlier: Period[T], later: Period[T]) -> bool:
    return earlier.last < ENDLESS and earlier.last + _DAY == later.first
