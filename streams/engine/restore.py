"""The outputs are the changelog: a partition's state is the fold of what it wrote.

Outputs are merged across topics by (`sourceoffset`, `sourceordinal`). Records that a reader has
passed already are dropped and counted. Outputs of a submission without a receipt at the very end
are left out: that submission is decided again, to the same bytes. Source: DESIGN section 5.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, Generic, Self

from infra.kafka import BrokerUnavailable, Partition, PartitionReader, Record, reader
from infra.settings import Settings
from streams.engine.outputs import SourcePosition, source_position
from streams.engine.stage import Gathered, Recorded, Stage, State

POLL_RECORDS: Final = 2000
QUIET_POLLS: Final = 30


class Merge:
    """Merges the output topics of one partition in the order in which they were decided."""

    def __init__(self, topics: Sequence[str], receipts: str) -> None:
        self._receipts = receipts
        self._waiting: dict[str, deque[tuple[SourcePosition, Recorded]]] = {
            topic: deque() for topic in topics
        }
        self._passed: dict[str, SourcePosition] = {}
        self._finished: set[str] = set()
        self._group: list[Recorded] = []
        self._group_offset = -1
        self.position = -1
        """Source offset of the last receipt that `ready` has gone past; -1 before the first."""
        self.doubled = 0
        self.foreign = 0
        self.torn = 0

    def add(self, record: Recorded) -> None:
        """The next record of its topic."""
        place = source_position(record.headers)
        if place is None:
            self.foreign += 1
        elif place <= self._passed.get(record.topic, (-1, -1)):
            self.doubled += 1
        else:
            self._passed[record.topic] = place
            self._waiting[record.topic].append((place, record))

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
        while (topic := self._next_topic()) is not None:
            place, record = self._waiting[topic].popleft()
            if place.offset != self._group_offset:
                yield from self._flush()
                self._group_offset = place.offset
            self._group.append(record)
        if len(self._finished) == len(self._waiting):
            if self._group and not self._has_receipt():
                self.torn += len(self._group)
                self._group.clear()
            yield from self._flush()

    def _next_topic(self) -> str | None:
        heads = {topic: queue[0][0] for topic, queue in self._waiting.items() if queue}
        return min(heads, key=lambda topic: heads[topic]) if heads and not self.missing() else None

    def _has_receipt(self) -> bool:
        return any(record.topic == self._receipts for record in self._group)

    def _flush(self) -> Iterator[Recorded]:
        if self._has_receipt():
            self.position = self._group_offset
        yield from self._group
        self._group.clear()


@dataclass(frozen=True, slots=True)
class Restored(Generic[State]):
    """A partition's state after everything that it has written."""

    state: State
    position: int
    """Source offset of the last receipt; -1 before the first."""
    outputs: int
    doubled: int
    foreign: int
    torn: int


async def restore(
    settings: Settings, stage: Stage[State, Gathered], partition: int
) -> Restored[State]:
    """The fold of a partition's outputs up to their end as of now.

    Raises:
        InfrastructureError: the broker does not answer; try again.
    """
    state = stage.initial()
    topics = tuple(dict.fromkeys((*stage.outputs, stage.receipts)))
    merge = Merge(topics, stage.receipts)
    count = 0
    async with AsyncExitStack() as stack:
        sources: dict[str, _Source] = {}
        for topic in topics:
            reading = await stack.enter_async_context(reader(settings))
            sources[topic] = await _Source.at_beginning(reading, Partition(topic, partition))
        while True:
            for record in merge.ready():
                stage.evolve(state, record.topic, record.key, record.headers, record.value)
                count += 1
            missing = merge.missing()
            if not missing:
                break
            for topic in missing:
                await sources[topic].feed(merge)
    return Restored(state, merge.position, count, merge.doubled, merge.foreign, merge.torn)


class _Source:
    """One output topic; each has its own reader, so that no topic runs ahead of the others."""

    def __init__(self, reading: PartitionReader, one: Partition, end: int) -> None:
        self._reading = reading
        self._one = one
        self._end = end
        self._quiet = 0

    @classmethod
    async def at_beginning(cls, reading: PartitionReader, one: Partition) -> Self:
        end = (await reading.end_offsets([one]))[one]
        await reading.assign({one: -1})
        return cls(reading, one, end)

    async def feed(self, merge: Merge) -> None:
        before = await self._reading.position(self._one)
        if before >= self._end:
            merge.finish(self._one.topic)
            return
        found = (await self._reading.poll(max_records=POLL_RECORDS)).get(self._one, [])
        for record in found:
            if record.offset < self._end:
                merge.add(_recorded(record))
        moved = await self._reading.position(self._one) != before
        self._quiet = 0 if moved else self._quiet + 1
        if self._quiet > QUIET_POLLS:
            raise BrokerUnavailable(f"The broker sends nothing of {self._one.topic} to restore.")


def _recorded(record: Record) -> Recorded:
    return Recorded(
        record.topic, record.partition, record.offset, record.key, record.headers, record.value
    )
