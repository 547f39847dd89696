"""The outputs are the changelog: a partition's state is the fold of what it wrote.

A store on disk holds the fold up to a position; the rest is read from the log, or all of it. The
last output that the store reflects is read too, and has to be the same bytes. Outputs are merged
across topics by (`sourceoffset`, `sourceordinal`). Records that a reader has passed already are
dropped, counted and compared. Outputs of a submission without a receipt at the very end are left
out: that submission is decided again, to the same bytes. Source: DESIGN section 5.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Generic, Self

from infra.kafka import BrokerUnavailable, Partition, PartitionReader, reader
from infra.settings import Settings
from streams.engine.failure import StoreDistrusted, StoreStalled, StoreUnavailable
from streams.engine.outputs import SourcePosition, source_position
from streams.engine.stage import Gathered, Headers, Recorded, Stage, State
from streams.engine.tables import Mark, Position, Store

POLL_RECORDS: Final = 2000
QUIET_POLLS: Final = 30
KEEP_EVERY: Final = 20_000
"""Outputs folded between two writes to the store: bounds what is held in memory."""
COMPARED: Final = 4096
"""Outputs of each topic that a later copy is compared with; copies come seconds later."""
STALL_SECONDS: Final = 0.05
STALLS: Final = 200


_Queue = deque[tuple[SourcePosition, Recorded]]


class Merge:
    """Merges the output topics of one partition in the order in which they were decided."""

    def __init__(self, topics: Sequence[str], receipts: str, passed: int = -1) -> None:
        """`passed`: everything up to this source offset was seen before."""
        self._receipts = receipts
        self._waiting: dict[str, _Queue] = {topic: deque() for topic in topics}
        nothing_of_the_next = SourcePosition(passed + 1, -1)
        self._passed: dict[str, SourcePosition] = dict.fromkeys(topics, nothing_of_the_next)
        self._seen: dict[str, dict[SourcePosition, Recorded]] = {topic: {} for topic in topics}
        self._finished: set[str] = set()
        self._group: list[Recorded] = []
        self._group_offset = -1
        self._group_is_whole = False
        self.position = passed
        """Source offset of the last receipt that `ready` has gone past; -1 before the first."""
        self.doubled = 0
        self.differing = 0
        """Of those doubled, how many have other bytes than what came first."""
        self.foreign = 0
        self.torn = 0

    def add(self, record: Recorded) -> None:
        """The next record of its topic."""
        place = source_position(record.headers)
        topic = record.topic
        if place is None:
            self.foreign += 1
        elif place <= self._passed[topic]:
            self.doubled += 1
            first = self._seen[topic].get(place)
            self.differing += first is not None and _bytes_of(first) != _bytes_of(record)
        else:
            self._passed[topic] = place
            self._waiting[topic].append((place, record))
            self._see(topic, place, record)

    def finish(self, topic: str) -> None:
        """There are no more records of this topic."""
        self._finished.add(topic)

    def missing(self) -> list[str]:
        """The topics whose next record, or end, has to be known to go on."""
        return [
            topic
            for topic, queue in self._waiting.items()
            if not queue and topic not in self._finished
        ]

    def ready(self) -> Iterator[Recorded]:
        """Everything that can be ordered by now."""
        while (queue := self._next()) is not None:
            place, record = queue.popleft()
            if place.offset != self._group_offset:
                yield from self._flush()
                self._group_offset = place.offset
            self._group.append(record)
            self._group_is_whole |= record.topic == self._receipts
        if len(self._finished) == len(self._waiting):
            if not self._group_is_whole:
                self.torn += len(self._group)
                self._group.clear()
            yield from self._flush()

    def _see(self, topic: str, place: SourcePosition, record: Recorded) -> None:
        seen = self._seen[topic]
        seen[place] = record
        if len(seen) >= 2 * COMPARED:
            for old in list(islice(seen, COMPARED)):
                del seen[old]

    def _next(self) -> "_Queue | None":
        """Where the next record stands; None while some topic's next one is not known."""
        found: _Queue | None = None
        for topic, queue in self._waiting.items():
            if queue:
                if found is None or queue[0][0] < found[0][0]:
                    found = queue
            elif topic not in self._finished:
                return None
        return found

    def _flush(self) -> Iterator[Recorded]:
        if self._group_is_whole:
            self.position = self._group_offset
        yield from self._group
        self._group.clear()
        self._group_is_whole = False


@dataclass(frozen=True, slots=True)
class Restored(Generic[State]):
    """A partition's state after everything that it has written."""

    state: State
    position: int
    """Source offset of the last receipt; -1 before the first."""
    outputs: int
    """How many were folded, besides those that the store had."""
    doubled: int
    foreign: int
    torn: int
    differing: int = 0


async def restore(
    settings: Settings, stage: Stage[State, Gathered], partition: int, store: Store
) -> Restored[State]:
    """The state in `store`, brought up to the end of a partition's outputs as of now.

    Raises:
        StoreDistrusted: the store is no fold of these outputs; set it aside.
        InfrastructureError: broker or disk do not answer; try again.
    """
    state = stage.initial(store.tables)
    topics = tuple(dict.fromkeys((*stage.outputs, stage.receipts)))
    folding = Folding(stage, state, store, topics)
    async with AsyncExitStack() as stack:
        sources: dict[str, _Source] = {}
        for topic in topics:
            reading = await stack.enter_async_context(reader(settings))
            mark = store.position.mark(topic)
            sources[topic] = await _Source.after(reading, Partition(topic, partition), mark)
        while True:
            await folding.go_on()
            missing = folding.merge.missing()
            if not missing:
                break
            for topic in missing:
                await sources[topic].feed(folding.merge)
    await folding.keep()
    merge = folding.merge
    return Restored(
        state,
        merge.position,
        folding.count,
        merge.doubled,
        merge.foreign,
        merge.torn,
        merge.differing,
    )


class Folding(Generic[State, Gathered]):
    """Folds merged outputs into the state, and writes it to the store piece by piece."""

    def __init__(
        self,
        stage: Stage[State, Gathered],
        state: State,
        store: Store,
        topics: Sequence[str],
    ) -> None:
        self._stage = stage
        self._state = state
        self._store = store
        self.merge = Merge(topics, stage.receipts, store.position.source)
        self.count = 0
        self._unkept = 0
        self._last: dict[str, Recorded] = {}

    async def go_on(self) -> None:
        """Folds whatever can be ordered by now."""
        evolve, state, last = self._stage.evolve, self._state, self._last
        for record in self.merge.ready():
            evolve(state, record.topic, record.key, record.headers, record.value)
            last[record.topic] = record
            self.count += 1
            self._unkept += 1
            # Only at a receipt, which ends its submission: a position has whole submissions.
            if self._unkept >= KEEP_EVERY and record.topic == self._stage.receipts:
                await self.keep()

    async def keep(self) -> None:
        """Writes what was folded to the store."""
        if self._unkept:
            marks = {topic: mark_of(one) for topic, one in self._last.items()}
            # A restore writes much at once; what is old is looked for when the partition runs.
            await keep_store(self._store, self.merge.position, marks, sweep=False)
            self._unkept = 0
            self._last.clear()


async def keep_store(
    store: Store, source: int, marks: dict[str, Mark], *, sweep: bool = True
) -> None:
    """Writes state and position, waiting while the store is behind with its own writes.

    Raises:
        StoreUnavailable: the disk is full or broken, or does not catch up.
    """
    marks = {**dict(store.position.marks), **marks}
    position = Position(source, tuple(sorted(marks.items())))
    for _ in range(STALLS):
        try:
            store.keep(position, sweep=sweep)
        except StoreStalled:
            await asyncio.sleep(STALL_SECONDS)
        else:
            return
    raise StoreUnavailable(
        "The local state does not catch up with its own writes: is the disk full?"
    )


def mark_of(record: Recorded) -> Mark:
    """What a store remembers of the last output that it reflects."""
    return Mark(record.offset, digest_of(record.key, record.headers, record.value))


def digest_of(key: bytes | None, headers: Headers, value: bytes | None) -> str:
    """Tells an output's bytes from all others."""
    made = hashlib.sha256(repr((key, headers)).encode())
    made.update(value or b"")
    return made.hexdigest()


class _Source:
    """One output topic; each has its own reader, so that no topic runs ahead of the others."""

    def __init__(
        self, reading: PartitionReader, one: Partition, end: int, mark: Mark | None
    ) -> None:
        self._reading = reading
        self._one = one
        self._end = end
        self._mark = mark
        self._quiet = 0

    @classmethod
    async def after(cls, reading: PartitionReader, one: Partition, mark: Mark | None) -> Self:
        """Reads from the marked record, which is compared, or else from the beginning."""
        end = (await reading.end_offsets([one]))[one]
        if mark is None:
            await reading.assign({one: -1})
            return cls(reading, one, end, None)
        if mark.offset >= end:
            raise StoreDistrusted("ahead")
        if mark.offset < (await reading.beginning_offsets([one]))[one]:
            raise StoreDistrusted("foreign")
        await reading.assign({one: mark.offset})
        return cls(reading, one, end, mark)

    async def feed(self, merge: Merge) -> None:
        before = await self._reading.position(self._one)
        if before >= self._end:
            if self._mark is not None:
                raise StoreDistrusted("foreign")
            merge.finish(self._one.topic)
            return
        polled = await self._reading.poll(max_records=POLL_RECORDS)
        # A record as it is read has all that is asked of one.
        found: list[Any] = polled.get(self._one, [])
        for record in found:
            if record.offset < self._end:
                if self._mark is not None:
                    self._check(record, self._mark)
                else:
                    merge.add(record)
        moved = await self._reading.position(self._one) != before
        self._quiet = 0 if moved else self._quiet + 1
        if self._quiet > QUIET_POLLS:
            raise BrokerUnavailable(f"The broker sends nothing of {self._one.topic} to restore.")

    def _check(self, record: Recorded, mark: Mark) -> None:
        if mark != mark_of(record):
            raise StoreDistrusted("foreign")
        self._mark = None


def _bytes_of(record: Recorded) -> tuple[Any, ...]:
    return record.key, record.headers, record.value
