"""Expected against observed: every receipt one by one, and all the counts.

A difference names the place of a submission and why it was planted, never a person or a product.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from consumers.simulation.plan import Counts, ExpectedReceipt, Plan, expected_counts
from consumers.simulation.publish import Published
from infra.errors import InfrastructureError
from infra.kafka import Partition, PartitionReader, Record, reader
from infra.settings import Settings
from schemas.deadletter import REASON
from schemas.dispensation import RECORD_FACTS
from schemas.receipts import GAP_CLOSED, GAP_NOTICED, RECEIPT, Issue, Receipt
from schemas.topics import (
    DISPENSATION_DEADLETTER,
    DISPENSATION_RECEIPTS,
    DISPENSATION_RECORDED,
)

OUTPUTS: Final = (
    DISPENSATION_RECEIPTS.name,
    DISPENSATION_RECORDED.name,
    DISPENSATION_DEADLETTER.name,
)
Place = tuple[int, int]
"""Partition and offset of a submission."""


class NotDecided(InfrastructureError):
    """Submissions were still without a receipt when the time was up; the text says how many."""


@dataclass(slots=True)
class Observed:
    """What was read from the output topics."""

    receipts: dict[Place, list[Receipt]] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    gaps_noticed: int = 0
    gaps_closed: int = 0

    def apply(self, record: Record) -> None:
        """Take in one record of an output topic."""
        headers = dict(record.headers)
        type_ = headers.get("ce_type", b"").decode()
        if record.topic == DISPENSATION_DEADLETTER.name:
            self.dead_letters[headers[REASON].decode()] += 1
        elif type_ in RECORD_FACTS and record.value is not None:
            self.facts[RECORD_FACTS[type_].read(record.value).status] += 1
        elif type_ == RECEIPT and record.value is not None:
            receipt = Receipt.read(record.value)
            place = (receipt.submission.partition, receipt.submission.offset)
            self.receipts.setdefault(place, []).append(receipt)
        self.gaps_noticed += type_ == GAP_NOTICED
        self.gaps_closed += type_ == GAP_CLOSED

    def counts(self) -> Counts:
        """How many of everything."""
        receipts = [one for found in self.receipts.values() for one in found]
        issues = [issue for receipt in receipts for issue in _issues(receipt)]
        return Counts(
            submissions=len(receipts),
            outcomes=_counted(receipt.outcome for receipt in receipts),
            rejects=_counted(one.code for one in issues if one.severity == "reject"),
            warnings=_counted(one.code for one in issues if one.severity == "warn"),
            lines=_counted(line.outcome for receipt in receipts for line in receipt.lines),
            facts=dict(sorted(self.facts.items())),
            dead_letters=dict(sorted(self.dead_letters.items())),
            gaps_noticed=self.gaps_noticed,
            gaps_closed=self.gaps_closed,
        )


async def mark(settings: Settings, *topics: str) -> dict[Partition, int]:
    """Where these topics (all outputs, if none is named) end, to observe only what comes after."""
    async with reader(settings) as log:
        wanted = [one for topic in topics or OUTPUTS for one in await log.partitions(topic)]
        return await log.end_offsets(wanted)


async def observe(settings: Settings, start: Mapping[Partition, int] | None = None) -> Observed:
    """Reads the output topics from `start`, or from their beginnings, to their ends as of now."""
    observed = Observed()
    async with reader(settings) as log:
        await log.assign_all(*OUTPUTS, start=start)
        await _read_to_ends(log, observed)
    return observed


async def await_decided(
    settings: Settings,
    places: Iterable[Place],
    *,
    start: Mapping[Partition, int] | None = None,
    limit_seconds: float = 120.0,
    progress: Callable[[int, int], None] | None = None,
) -> Observed:
    """Reads until the submissions at these places have receipts, then to the ends of all outputs.

    Raises:
        NotDecided: some have none after `limit_seconds`.
    """
    observed = Observed()
    waiting = set(places)
    total = len(waiting)
    clock = asyncio.get_running_loop().time
    until = clock() + limit_seconds
    async with reader(settings) as log:
        await log.assign_all(*OUTPUTS, start=start)
        while waiting:
            if clock() > until:
                raise NotDecided(
                    f"{len(waiting)} of {total} submissions have no receipt after "
                    f"{limit_seconds:g} s: look at the quality stage's log and /readyz."
                )
            before = len(waiting)
            await _read(log, observed)
            waiting -= observed.receipts.keys()
            if progress is not None and len(waiting) != before:
                progress(total - len(waiting), total)
        await _read_to_ends(log, observed)
    return observed


async def _read(log: PartitionReader, observed: Observed) -> None:
    for records in (await log.poll(max_records=5000, timeout=0.5)).values():
        for record in records:
            observed.apply(record)


async def _read_to_ends(log: PartitionReader, observed: Observed) -> None:
    ends = await log.end_offsets(log.assigned)
    while any(place < ends[one] for one, place in (await log.positions()).items()):
        await _read(log, observed)


def differences(plan: Plan, published: Iterable[Published], observed: Observed) -> list[str]:
    """Everything that is not as planned, one sentence each; empty if all of it is.

    `observed` covers just what `published` caused.
    """
    places = {(one.partition, one.offset): one for one in published}
    found = [text for place, one in places.items() for text in _compare(place, one, observed)]
    found += [
        f"{_at(place)} has a receipt and was not published"
        for place in sorted(observed.receipts.keys() - places.keys())
    ]
    return found + count_differences(expected_counts(plan), observed.counts())


def count_differences(expected: Counts, observed: Counts) -> list[str]:
    """Counts that differ, by name."""
    found: list[str] = []
    for one in fields(Counts):
        wanted, seen = getattr(expected, one.name), getattr(observed, one.name)
        if isinstance(wanted, Mapping):
            found += mapping_differences(one.name, wanted, seen)
        elif wanted != seen:
            found.append(f"{one.name}: expected {wanted}, observed {seen}")
    return found


def mapping_differences(
    group: str, expected: Mapping[str, int], observed: Mapping[str, int]
) -> list[str]:
    """Counts of one group that differ, by name."""
    return [
        f"{group} {name}: expected {expected.get(name, 0)}, observed {observed.get(name, 0)}"
        for name in sorted(expected.keys() | observed.keys())
        if expected.get(name, 0) != observed.get(name, 0)
    ]


def _compare(place: Place, published: Published, observed: Observed) -> list[str]:
    receipts = observed.receipts.get(place, [])
    where = f"{_at(place)} ({published.planned.kind})"
    if len(receipts) != 1:
        return [f"{where} has {len(receipts)} receipts"]
    expected, receipt = published.planned.expected, receipts[0]
    return [
        f"{where}, {what}: expected {wanted}, observed {seen}"
        for what, wanted, seen in _aspects(expected, receipt)
        if wanted != seen
    ]


def _aspects(expected: ExpectedReceipt, receipt: Receipt) -> tuple[tuple[str, object, object], ...]:
    return (
        ("outcome", expected.outcome, receipt.outcome),
        ("codes", expected.codes, _codes(receipt.issues)),
        ("dead letter", expected.dead_letter is not None, receipt.dead_letter),
        (
            "lines",
            [(one.dguid, one.outcome, one.codes) for one in expected.lines],
            [(one.dguid, one.outcome, _codes(one.issues)) for one in receipt.lines],
        ),
    )


def _codes(issues: Iterable[Issue]) -> tuple[str, ...]:
    return tuple(sorted(issue.code for issue in issues))


def _issues(receipt: Receipt) -> tuple[Issue, ...]:
    return (*receipt.issues, *(issue for line in receipt.lines for issue in line.issues))


def _at(place: Place) -> str:
    return f"submission {place[0]}/{place[1]}"


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
