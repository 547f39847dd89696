"""Which pharmacies have fallen silent: under contract, and nothing of theirs for so many days.

Silence is counted from the latest submission that its seal shows to be the pharmacy's, or from the
beginning of its contract if that is later. Source: domain reference, section 2 (7 and 21 days).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from projections.folds.publishers import PublisherEntry, may_submit
from schemas.dispensation import REGISTER

DAYS = (7, 21)
"""Thresholds at which the office wants to know."""


@dataclass(frozen=True, slots=True)
class Heard:
    """When a pharmacy was last heard; None if never.

    `seen` counts only what its seal shows to be the pharmacy's; `heard` counts whatever names it.
    """

    seen: datetime | None = None
    heard: datetime | None = None


@dataclass(frozen=True, slots=True)
class Silent:
    """One pharmacy that has been silent for `days` whole days."""

    pharmacy: str
    days: int
    expected_since: datetime
    """Since when a contract has covered registrations without interruption."""
    last_seen: datetime | None
    """None: never heard of since it was enrolled."""
    last_unproven: datetime | None
    """The latest submission since then that only claims to be the pharmacy's."""


def expected(publishers: Mapping[str, PublisherEntry], at: datetime) -> dict[str, datetime]:
    """Pharmacies whose contract covers registrations at that time, and since when it does."""
    return {
        number: _covered_since(entry, at)
        for number, entry in publishers.items()
        if entry.kind == "pharmacy" and may_submit(entry, REGISTER, at)
    }


def silent(
    since: Mapping[str, datetime], heard: Mapping[str, Heard], *, days: int, at: datetime
) -> tuple[Silent, ...]:
    """Pharmacies that have been silent for `days` whole days or longer, the longest first."""
    found = [_silence(one, start, heard.get(one, Heard()), at) for one, start in since.items()]
    long = [one for one in found if one.days >= days]
    return tuple(sorted(long, key=lambda one: (-one.days, one.pharmacy)))


def per_threshold(found: Iterable[Silent], thresholds: Sequence[int]) -> dict[int, int]:
    """How many have reached each threshold; who reached a long one is among the shorter ones."""
    silences = [one.days for one in found]
    return {limit: sum(days >= limit for days in silences) for limit in sorted(set(thresholds))}


def _silence(number: str, start: datetime, heard: Heard, at: datetime) -> Silent:
    began = start if heard.seen is None else max(start, heard.seen)
    unproven = heard.heard if heard.heard != heard.seen else None
    return Silent(
        pharmacy=number,
        days=max(0, (at - began).days),
        expected_since=start,
        last_seen=heard.seen,
        last_unproven=unproven,
    )


def _covered_since(entry: PublisherEntry, at: datetime) -> datetime:
    """Where the contracts that follow one another without a gap, up to `at`, begin."""
    ends = [known for known, effective in entry.ended if known <= at and effective <= at]
    last_end = max(ends, default=None)
    began = at
    spans = (
        (max(known, contract.valid_from), contract.valid_until)
        for known, contract in entry.contracts
        if REGISTER in contract.event_types and (last_end is None or known > last_end)
    )
    for start, end in sorted(spans, key=lambda span: span[0], reverse=True):
        if start <= began and (end is None or end >= began):
            began = start
    return began
