"""Processes of a stage on a broker in memory, in virtual time, by a schedule of faults.

Each process runs the engine's own `Workers`. In the place of Faust stand a group of one partition,
which hands it over, and a fetcher that runs ahead and obeys seeks. Every answer of the broker takes
virtual time, so that whatever is due meanwhile comes in between.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, Literal

import pytest

from infra.errors import InfrastructureError
from infra.kafka import BrokerUnavailable, Partition, Record
from infra.settings import Settings
from schemas.keyvault import VaultUnavailable
from streams.engine import opening, partition
from streams.engine.app import Workers
from streams.engine.health import Health
from streams.engine.producer import PartitionWriter
from streams.engine.restore import Restored
from streams.engine.stage import Gathered, Output, Stage, State, Submission
from streams.engine.tables import MemoryStore, Store
from tests.support.chaos import counting
from tests.support.chaos.checker import Acknowledged, History, Place, Violation, check
from tests.support.engine_fakes import FakeBroker, FakeReader, FakeWriter, settings
from tests.support.engine_stage import CountingStage, Counts, good

PROCESSES: Final = 2
PUBLISHERS: Final = 3
SESSION_SECONDS: Final = 3.0
"""Of virtual time, until the group gives a dead or frozen process's partition to another."""
LOAD_SECONDS: Final = 0.15
HEARTBEAT_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 900.0
"""Of virtual time, after the last fault, until everything has to be answered."""

Act = Literal[
    "publish",  # `value` more submissions
    "give",  # the group gives the partition to process `value`, or leaves it there
    "kill",  # process `value` ends without a word, and is started again
    "freeze",  # the process that has the partition does nothing for `value` half seconds
    "hint",  # the group offset becomes `value`, whatever was answered
    "lost",  # the next write fails before it is committed
    "committed",  # the next write is committed, and nobody learns of it
    "vault",  # the next gathering fails
    "restore",  # the next restoring fails
    "disk",  # the store of process `value` is gone, or an older copy of it is in its place
]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens `after` seconds of virtual time."""

    after: float
    act: Act
    value: int = 0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to what is due next, so that waiting takes no time."""

    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        loop: Any = self
        if not loop._ready and loop._scheduled:
            self._now = max(self._now, loop._scheduled[0].when())
        super()._run_once()  # type: ignore[misc] # the one place where a loop waits


_CURRENT: ContextVar["_Process"] = ContextVar("process")


class _TimedBroker(FakeBroker):
    """Answers each process after a delay, if it still lives, and when it is not frozen."""

    def __init__(self, delays: Iterator[float]) -> None:
        super().__init__()
        self._delays = delays
        self._disks: dict[int, MemoryStore] = {}
        self._copies: dict[int, MemoryStore] = {}
        self.vault_faults = 0

    async def travel(self) -> None:
        """A request or an answer on its way."""
        await asyncio.sleep(next(self._delays))
        await _CURRENT.get().lives()

    def disk(self) -> MemoryStore:
        """Each process has one of its own, which outlives it."""
        return self._disks.setdefault(_CURRENT.get().number, MemoryStore())

    def lose_disk(self, number: int, *, back_up: bool) -> None:
        """Whoever opens the store next finds nothing, or the copy made when this was last called.

        Whoever has it open goes on with what nobody else will see.
        """
        lost = self._disks.pop(number, None)
        if back_up and number in self._copies:
            self._disks[number] = self._copies[number].copied()
        if lost is not None:
            self._copies[number] = lost.copied()

    async def restore(
        self, given: Settings, stage: Stage[State, Gathered], number: int, store: Store
    ) -> Restored[State]:
        await self.travel()
        restored = await super().restore(given, stage, number, store)
        await self.travel()
        return restored

    @asynccontextmanager
    async def reader(self, _settings: Settings) -> AsyncIterator[FakeReader]:
        await self.travel()
        yield _TimedReader(self)

    async def open(self, given: Settings, transactional_id: str) -> FakeWriter:
        await self.travel()
        await super().open(given, transactional_id)
        writer = _TimedWriter(self, self.epoch)
        await self.travel()
        return writer

    async def gather(self, batch: Sequence[Submission]) -> None:
        assert batch
        await self.travel()
        if self.vault_faults:
            self.vault_faults -= 1
            raise VaultUnavailable("away")


class _TimedWriter(FakeWriter):
    def __init__(self, broker: _TimedBroker, epoch: int) -> None:
        super().__init__(broker, epoch)
        self._timed = broker

    async def write(self, number: int, outputs: Sequence[Output]) -> dict[str, int]:
        await self._timed.travel()
        try:
            return await super().write(number, outputs)
        finally:
            await self._timed.travel()


class _TimedReader(FakeReader):
    def __init__(self, broker: _TimedBroker) -> None:
        super().__init__(broker)
        self._timed = broker

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        found = await super().end_offsets(partitions)
        await self._timed.travel()
        return found

    async def poll(self) -> dict[Partition, list[Record]]:
        found = await super().poll()
        await self._timed.travel()
        return found


class _Process:
    """One process: the engine's workers, a fetcher that runs ahead, an agent that hands over."""

    def __init__(self, world: "World", number: int) -> None:
        self._world = world
        self.number = number
        self.dead = False
        self._awake = asyncio.Event()
        self._awake.set()
        self._at: int | None = None
        self._fetched: asyncio.Queue[list[Record]] = asyncio.Queue(2)
        self._token = _CURRENT.set(self)
        self.workers: Workers[Counts, None] = Workers(settings(), world.stage, Health("s"))
        consumer = SimpleNamespace(seek_known=self._seek)
        self.workers.app = SimpleNamespace(consumer=consumer)  # type: ignore[assignment] # all of it
        self._tasks = [asyncio.create_task(self._fetch()), asyncio.create_task(self._agent())]

    @property
    def frozen(self) -> bool:
        """Whether it hears and does nothing."""
        return not self._awake.is_set()

    async def lives(self) -> None:
        """Waits while it is frozen; a dead one gets no further."""
        await self._awake.wait()
        if self.dead:
            raise asyncio.CancelledError

    def revoke(self) -> None:
        """The group starts to hand over."""
        self.workers.hand_over()

    def assign(self, mine: bool) -> None:
        """The group has handed over."""
        _CURRENT.set(self)
        self.workers.keep_only({0} if mine else set())
        # The group's offset, unless a worker that stays knows better: see `perform_seek`.
        self._at = self.workers.expected().get(0, self._world.hint) if mine else None
        self.workers.take({0} if mine else set())

    def freeze(self) -> None:
        self._awake.clear()

    def thaw(self) -> None:
        self._awake.set()

    def kill(self) -> None:
        """Ends without a word: what it does while it unwinds reaches nobody."""
        self.dead = True
        self._awake.set()
        working = [worker._work for worker in self.workers._workers.values()]
        for task in [*self._tasks, *self.workers._tasks, *working]:
            if task is not None:
                task.cancel()
        self.workers.fatal.cancel()

    async def _seek(self, positions: dict[int, int]) -> None:
        await self._world.broker.travel()
        if self._at is not None:
            self._at = positions[0]

    async def _fetch(self) -> None:
        while True:
            await self._world.broker.travel()
            records = self._world.broker.records
            found = [one for one in records if self._at is not None and one.offset >= self._at]
            if found:
                self._at = found[:7][-1].offset + 1
                await self._fetched.put(found[:7])
            else:
                await asyncio.sleep(0.01)

    async def _agent(self) -> None:
        while not self.workers.fatal.done():
            batch = await self._fetched.get()
            await self.lives()
            await self.workers.accept(0, batch, partial(self._acknowledge, batch[-1]))

    def _acknowledge(self, last: Record) -> None:
        if not self.dead:
            self._world.hint = last.offset + 1


class World:
    """A topic of one partition, its publishers, and the processes of the group."""

    def __init__(self, delays: Iterator[float]) -> None:
        self.broker = _TimedBroker(delays)
        self.stage = CountingStage("s", self.broker.gather)
        self.hint = 0
        self._told: list[Acknowledged] = []
        self._processes = [_Process(self, number) for number in range(PROCESSES)]
        self._owner = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, steps: Iterable[Step]) -> tuple[Violation, ...]:
        """Every violation after the schedule, and time enough to answer everything."""
        working = [asyncio.create_task(self._watch()), asyncio.create_task(self._load())]
        self._give(0)
        for step in steps:
            await asyncio.sleep(step.after)
            self._do(step)
        working[1].cancel()
        self.broker.faults.clear()
        for process in self._processes:
            self._thaw(process)
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not self._is_answered() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.5)
        await asyncio.sleep(SESSION_SECONDS)
        for process in self._processes:
            process.kill()
        for task in (*working, *self._tasks):
            task.cancel()
        return self._verdict()

    def _do(self, step: Step) -> None:
        match step.act:
            case "publish":
                self._publish(step.value)
            case "give":
                self._give(step.value % PROCESSES)
            case "kill":
                self._restart(step.value % PROCESSES)
            case "freeze":
                self._freeze(self._processes[self._owner], step.value / 2)
            case "hint":
                self.hint = min(step.value, self.broker.end)
            case "lost" | "committed":
                self.broker.faults.append(step.act)
            case "vault":
                self.broker.vault_faults += 1
            case "disk":
                number = step.value % PROCESSES
                self.broker.lose_disk(number, back_up=step.value // PROCESSES % 2 == 1)
            case "restore":
                self.broker.restore_faults.append(BrokerUnavailable("away"))

    def _publish(self, count: int) -> None:
        for _ in range(count):
            offset = len(self.broker.records)
            publisher, number = f"publisher-{offset % PUBLISHERS}", offset // PUBLISHERS
            value = (good(number), good(number), None, b"{")[offset % 7 % 4]
            headers = counting.signed(publisher, number)
            at = 1_700_000_000_000 + offset
            key = publisher.encode()
            self.broker.records.append(Record("s.submitted", 0, offset, at, key, headers, value))
            self._told.append(Acknowledged(publisher, number, Place(0, offset)))

    def _give(self, to: int) -> None:
        """A rebalance: all that hear it hand over, and a moment later know what they have."""
        if self._processes[to].frozen:
            return
        self._owner = to
        for process in self._processes:
            if not process.frozen:
                process.revoke()
        self._later(0.02, self._handed_over, self._processes[to])

    def _handed_over(self, _to: "_Process") -> None:
        for process in self._processes:
            if not process.frozen and not process.dead:
                process.assign(process.number == self._owner)

    def _expire(self, process: "_Process") -> None:
        """The session of a process that is still frozen or dead has ended."""
        if process.number == self._owner and (process.frozen or process.dead):
            others = [one for one in self._processes if not one.frozen and one is not process]
            self._give(others[0].number if others else self._owner)

    def _freeze(self, process: "_Process", seconds: float) -> None:
        process.freeze()
        self._later(SESSION_SECONDS, self._expire, process)
        self._later(seconds, self._thaw, process)

    def _thaw(self, process: "_Process") -> None:
        if process.frozen:
            process.thaw()
            # It goes on with what it had, until a heartbeat tells it that it has to join anew.
            self._later(HEARTBEAT_SECONDS, self._rejoin, process)

    def _rejoin(self, process: "_Process") -> None:
        if not process.dead:
            self._give(self._owner)

    def _restart(self, number: int) -> None:
        dead = self._processes[number]
        dead.kill()
        self._processes[number] = _Process(self, number)
        if number == self._owner:
            self._later(SESSION_SECONDS, self._expire, dead)

    async def _load(self) -> None:
        """Somebody submits all the time, so that there is always something under way."""
        while True:
            await asyncio.sleep(LOAD_SECONDS)
            self._publish(1)

    async def _watch(self) -> None:
        """Starts a process again that has ended by itself, as an operator's supervisor does."""
        while True:
            await asyncio.sleep(0.1)
            for process in list(self._processes):
                fatal = process.workers.fatal
                if fatal.done() and not fatal.cancelled():
                    assert isinstance(fatal.exception(), InfrastructureError)
                    self._restart(process.number)

    def _later(self, seconds: float, act: Any, process: "_Process") -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            act(process)

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_answered(self) -> bool:
        receipts = sum(one.topic == self.stage.receipts for one in self.broker.outputs)
        return receipts >= len(self.broker.records)

    def _verdict(self) -> tuple[Violation, ...]:
        log = {0: self.broker.records}
        history: History = counting.history(self.stage, self._told, log, {0: self.broker.outputs})
        return check(history, counting.model(self.stage, log))


@contextmanager
def _in_memory(broker: _TimedBroker) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "restore", broker.restore)
        for module in (opening, partition):
            patch.setattr(module, "reader", broker.reader)
        patch.setattr(opening, "open_store", broker.open_store)
        patch.setattr(PartitionWriter, "open", broker.open)
        yield


def run_schedule(steps: Sequence[Step], delays: Sequence[float]) -> tuple[Violation, ...]:
    """The violations that a schedule leads to; `delays` are the seconds of each answer, in turn."""
    turns = deque(delays or (0.001,))

    def endless() -> Iterator[float]:
        while True:
            turns.rotate(-1)
            yield turns[-1]

    async def run() -> tuple[Violation, ...]:
        world = World(endless())
        with _in_memory(world.broker):
            return await world.run(steps)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())
