"""Reads a log and Kafka side by side and compares them (`crosscheck` says how).

The log leads: some thousand leaves are read, then of each partition the records up to the last of
them. So memory does not grow with the log, however its partitions are mixed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter, Gauge

from consumers.audit.crosscheck import Discrepancy, Kept, Logged, differences
from infra.kafka import BrokerUnavailable, Partition, PartitionReader, RecordDamaged, reader
from infra.settings import Settings
from streams.notary import leaf, reading
from streams.notary.directory import Read
from streams.notary.leaf import LOGGED
from streams.notary.notes import Checkpoint, Verifier
from streams.notary.opening import Demand, open_log
from streams.notary.tiles import WIDTH

STRETCH: Final = 64
"""Bundles that are compared at a time: 16,384 leaves."""
MOST_TOLD: Final = 1_000
"""Discrepancies that are told one by one; the rest is counted."""
COMPARED: Final = Gauge("dpp_audit_compared_leaves", "Leaves compared with Kafka")
DISCREPANCIES: Final = Counter(
    "dpp_audit_discrepancies", "Where log and Kafka disagree, by kind", ("kind",)
)
BEHIND: Final = Gauge("dpp_audit_log_behind", "Offsets that Kafka has and the log has not reached")
STEP: Final = "leaves compared"
_QUIET_POLLS: Final = 30
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Compared:
    """How far a comparison has come: leaves, and the next offset of each partition."""

    size: int = 0
    positions: dict[Partition, int] = field(default_factory=dict)


@dataclass(slots=True)
class Comparison:
    """What was found; `gone`: leaves whose records Kafka no longer has, by retention."""

    checkpoint: Checkpoint
    compared: int = 0
    gone: int = 0
    behind: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    told: list[Discrepancy] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether log and Kafka agree."""
        return not self.counts

    def add(self, one: Discrepancy) -> None:
        """Counts a discrepancy, and tells it if there are not too many."""
        self.counts[one.kind] = self.counts.get(one.kind, 0) + 1
        DISCREPANCIES.labels(one.kind).inc()
        if len(self.told) < MOST_TOLD:
            self.told.append(one)


async def compare(
    settings: Settings,
    read: Read,
    log: Verifier,
    done: Compared,
    progress: Progress = lambda _step, _done, _total: None,
) -> Comparison:
    """Compares the log that `read` gives from where `done` ends, and moves that on.

    Raises:
        NoteInvalid: the checkpoint is not the log's.
        LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged: verify it first.
        BrokerUnavailable, BrokerRefused: Kafka cannot be read.
    """
    opened = await asyncio.to_thread(open_log, read, Demand(log))
    found = Comparison(opened.checkpoint)
    size = found.checkpoint.size
    async with reader(settings) as kafka:
        side = await _Side.open(settings, kafka, done.positions)
        for first in range(done.size // WIDTH, -(-size // WIDTH), STRETCH):
            stretch = await asyncio.to_thread(_stretch, read, first, size, done)
            await _compare_stretch(side, stretch, found)
            progress(STEP, min((first + STRETCH) * WIDTH, size), size)
        found.behind = side.behind()
    done.size, done.positions = size, side.next
    COMPARED.set(done.size)
    BEHIND.set(found.behind)
    return found


def _stretch(read: Read, first: int, size: int, done: Compared) -> dict[Partition, list[Logged]]:
    """The leaves of some bundles by partition, without those compared before."""
    found: dict[Partition, list[Logged]] = {}
    for number, entry in reading.leaves(read, size, range(first, first + STRETCH)):
        if number >= done.size:
            topic, partition, offset = leaf.place(entry)
            logged = Logged(offset, number, entry)
            found.setdefault(Partition(topic, partition), []).append(logged)
    return found


async def _compare_stretch(
    side: "_Side", stretch: Mapping[Partition, list[Logged]], found: Comparison
) -> None:
    wanted = {place: leaves[-1].offset + 1 for place, leaves in stretch.items()}
    damaged = await side.fill(wanted)
    for place, leaves in stretch.items():
        there = [one for one in leaves if one.offset >= side.begin.get(place, 0)]
        found.gone += len(leaves) - len(there)
        if place in damaged:
            found.add(Discrepancy("unreadable", *place, damaged[place]))
            continue
        found.compared += len(there)
        for one in differences(place, there, side.take(place, wanted[place])):
            found.add(one)


class _Side:
    """Kafka's side: records of each partition, fetched as far as they are asked for."""

    def __init__(self, settings: Settings, kafka: PartitionReader) -> None:
        self._settings = settings
        self._kafka = kafka
        self._waiting: dict[Partition, deque[Kept]] = {}
        self._fetched: dict[Partition, int] = {}
        self._damaged: dict[Partition, int] = {}
        self.begin: dict[Partition, int] = {}
        self.next: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}

    @classmethod
    async def open(
        cls, settings: Settings, kafka: PartitionReader, start: Mapping[Partition, int]
    ) -> "_Side":
        """All partitions from `start`, or from where Kafka begins; ends are those of now."""
        made = cls(settings, kafka)
        places = [one for topic in LOGGED for one in await kafka.partitions(topic)]
        made.begin = await kafka.beginning_offsets(places)
        made._ends = await kafka.end_offsets(places)
        made.next = {one: max(start.get(one, 0), made.begin[one]) for one in places}
        made._fetched = dict(made.next)
        await kafka.assign(made.next)
        return made

    async def fill(self, wanted: Mapping[Partition, int]) -> dict[Partition, int]:
        """Fetches up to these offsets; answers where Kafka's files cannot be read."""
        goals = {one: min(upto, self._ends.get(one, 0)) for one, upto in wanted.items()}
        quiet = 0
        while open_ := await self._open(goals):
            self._kafka.only(open_)
            before = await self._kafka.positions()
            try:
                await self._fetch()
            except RecordDamaged:
                # What came of other partitions in the same call is lost with it.
                for place, offset in self._fetched.items():
                    self._kafka.seek(place, offset)
                await self._find_damaged({one: goals[one] for one in open_})
            quiet = 0 if await self._kafka.positions() != before else quiet + 1
            if quiet > _QUIET_POLLS:
                raise BrokerUnavailable("The broker sends nothing more of what is to be compared.")
        return self._damaged

    async def _open(self, goals: Mapping[Partition, int]) -> list[Partition]:
        return [
            one
            for one, goal in goals.items()
            if one not in self._damaged
            and one in self.next
            and await self._kafka.position(one) < goal
        ]

    async def _fetch(self) -> None:
        for place, records in (await self._kafka.poll(max_records=8_192)).items():
            waiting = self._waiting.setdefault(place, deque())
            waiting.extend(Kept(one.offset, leaf.encode(one)) for one in records)
            self._fetched[place] = records[-1].offset + 1

    async def _find_damaged(self, goals: Mapping[Partition, int]) -> None:
        """Reads each alone, since the client does not tell which one could not be read."""
        for place, goal in goals.items():
            start = await self._kafka.position(place)
            async with reader(self._settings) as alone:
                await alone.assign({place: start})
                try:
                    while await alone.position(place) < goal:
                        await alone.poll(max_records=8_192)
                except RecordDamaged:
                    self._damaged[place] = await alone.position(place)

    def take(self, place: Partition, upto: int) -> list[Kept]:
        """The records before an offset, which are not needed again."""
        waiting = self._waiting.get(place, deque())
        taken: list[Kept] = []
        while waiting and waiting[0].offset < upto:
            taken.append(waiting.popleft())
        self.next[place] = max(self.next.get(place, 0), upto)
        return taken

    def behind(self) -> int:
        """Offsets between where the log has come and Kafka's ends."""
        return sum(max(0, end - self.next.get(one, 0)) for one, end in self._ends.items())
