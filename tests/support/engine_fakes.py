"""A broker in memory for unit tests of a partition: a log, writers that fence, planned failures."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Literal, Self

import pytest

from infra.kafka import BrokerUnavailable, Fenced, Partition, Record
from infra.settings import Settings, load_settings
from streams.engine import opening, partition
from streams.engine.failure import StoreDistrusted
from streams.engine.health import Health, PartitionState
from streams.engine.partition import PartitionWorker
from streams.engine.producer import PartitionWriter
from streams.engine.restore import Folding, Restored, mark_of
from streams.engine.stage import Gathered, Output, Recorded, Stage, State
from streams.engine.tables import MemoryStore, Store
from tests.support.engine_stage import CountingStage, Counts

Fault = Literal["fine", "lost", "committed", "fenced"]
"""Of one write: nothing; it fails before, or after, it is committed; a newer writer appears."""


def settings() -> Settings:
    """Settings that reach nothing."""
    return load_settings(kafka_bootstrap="127.0.0.1:1")


def submitted(values: Iterable[bytes | None], *, first: int = 0, key: bytes = b"k") -> list[Record]:
    """Records of partition 0 in order, from offset `first`."""
    return [
        Record("s.submitted", 0, offset, 1_700_000_000_000 + offset, key, (), value)
        for offset, value in enumerate(values, first)
    ]


class FakeBroker:
    """One partition of the stage `s`: its submissions, and its committed outputs in order."""

    def __init__(self, records: Sequence[Record] = (), *, begin: int = 0) -> None:
        self.records = list(records)
        self.begin = begin
        self.outputs: list[Output] = []
        self.transactions: list[int] = []
        self.faults: deque[Fault] = deque()
        self.restore_faults: deque[Exception] = deque()
        self.store_faults: deque[Exception] = deque()
        self._disk = MemoryStore()
        self.opened: list[str] = []
        self.closed = 0
        self.writing = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self.epoch = 0

    @property
    def end(self) -> int:
        """One after the last submission."""
        return self.records[-1].offset + 1 if self.records else self.begin

    async def restore(
        self, _settings: Settings, stage: Stage[State, Gathered], number: int, store: Store
    ) -> Restored[State]:
        """What `streams.engine.restore` does, from memory."""
        if self.restore_faults:
            raise self.restore_faults.popleft()
        state = stage.initial(store.tables)
        before = {topic: store.position.mark(topic) for topic in stage.outputs}
        folding = Folding(stage, state, store, stage.outputs)
        for place, one in enumerate(self.outputs):
            record = Recorded(one.topic, number, place, one.key, one.headers, one.value)
            mark = before.get(one.topic)
            if mark is not None and place == mark.offset and mark_of(record) != mark:
                raise StoreDistrusted("foreign")
            if one.topic in stage.outputs and (mark is None or place > mark.offset):
                folding.merge.add(record)
        if any(mark.offset >= len(self.outputs) for mark in before.values() if mark):
            raise StoreDistrusted("ahead")
        for topic in stage.outputs:
            folding.merge.finish(topic)
        await folding.go_on()
        await folding.keep()
        merge = folding.merge
        return Restored(
            state, merge.position, folding.count, merge.doubled, merge.foreign, merge.torn
        )

    async def open_store(
        self, _settings: Settings, _stage: str, _number: int, _fold: str
    ) -> MemoryStore:
        """The store that is left from before."""
        if self.store_faults:
            raise self.store_faults.popleft()
        return self.disk().reopened()

    def disk(self) -> MemoryStore:
        """Where the state is kept of whoever asks."""
        return self._disk

    @asynccontextmanager
    async def reader(self, _settings: Settings) -> AsyncIterator["FakeReader"]:
        """A reader of the submissions."""
        yield FakeReader(self)

    async def open(self, _settings: Settings, transactional_id: str) -> "FakeWriter":
        """A writer that fences the ones before."""
        self.opened.append(transactional_id)
        self.epoch += 1
        return FakeWriter(self, self.epoch)


class FakeWriter:
    """Writes as planned by `faults`; refused once a newer writer is there."""

    def __init__(self, broker: FakeBroker, epoch: int) -> None:
        self._broker = broker
        self._epoch = epoch

    async def write(self, number: int, outputs: Sequence[Output]) -> dict[str, int]:
        assert number == 0
        broker = self._broker
        broker.writing.set()
        if broker.hold is not None:
            await broker.hold.wait()
        fault = broker.faults.popleft() if broker.faults else "fine"
        if fault == "fenced":
            broker.epoch += 1
        if self._epoch != broker.epoch:
            raise Fenced("fenced")
        if fault == "lost":
            raise BrokerUnavailable("gone before")
        places = {one.topic: place for place, one in enumerate(outputs, len(broker.outputs))}
        broker.outputs += outputs
        broker.transactions.append(len(outputs))
        if fault == "committed":
            raise BrokerUnavailable("gone after")
        return places

    async def close(self) -> None:
        self._broker.closed += 1


class FakeReader:
    """Reads the submissions from an offset."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._at = 0

    async def beginning_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, self._broker.begin)

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, self._broker.end)

    async def assign(self, positions: dict[Partition, int]) -> None:
        (self._at,) = positions.values()

    async def position(self, _one: Partition) -> int:
        return self._at

    async def poll(self) -> dict[Partition, list[Record]]:
        found = [one for one in self._broker.records if one.offset >= self._at][:3]
        self._at = found[-1].offset + 1 if found else self._broker.end
        return {Partition("s.submitted", 0): found} if found else {}


class NotedHealth(Health):
    """Health that remembers why partitions failed."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.reasons: list[str | None] = []
        self.failed = asyncio.Event()

    def report(self, partition: int, state: PartitionState, reason: str | None = None) -> None:
        super().report(partition, state, reason)
        if state == "failing":
            self.reasons.append(reason)
            self.failed.set()


class Running:
    """A worker of partition 0 on a broker in memory."""

    def __init__(self, broker: FakeBroker, stage: CountingStage) -> None:
        self.stage = stage
        self.health = NotedHealth(stage.name)
        self.health.assigned()
        self.sought: list[int] = []
        self.settled = asyncio.Event()
        self.settled.set()
        self.worker: PartitionWorker[Counts, None] = PartitionWorker(
            settings(),
            stage,
            0,
            health=self.health,
            seek=self._seek,
            settled=self.settled,
        )
        self.broker = broker

    async def _seek(self, _number: int, offset: int) -> None:
        self.sought.append(offset)


class Workbench:
    """Puts a broker in memory in the place of the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def on(self, broker: FakeBroker, stage: CountingStage | None = None) -> Running:
        """A worker on `broker`; the last call decides which broker all workers see."""
        self._patch.setattr(opening, "restore", broker.restore)
        for module in (opening, partition):
            self._patch.setattr(module, "reader", broker.reader)
        self._patch.setattr(opening, "open_store", broker.open_store)
        self._patch.setattr(PartitionWriter, "open", broker.open)
        self._patch.setattr(partition, "pause_seconds", lambda _failures: 0.0)
        return Running(broker, stage or CountingStage("s"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
