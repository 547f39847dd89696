"""Runs one stage in this process: Faust hands over partition batches, workers answer them.

Faust is used for group membership, fetching and flow; state, positions and transactions are ours.
Callbacks of the group do no I/O: they only say which partitions are here and start tasks.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic

from infra.kafka import Record
from infra.settings import Settings
from streams.engine.failure import FatalStageError, place_of
from streams.engine.health import Health
from streams.engine.inbox import InFlight, size_of
from streams.engine.lag import Lag, Watchdog
from streams.engine.partition import PartitionWorker
from streams.engine.stage import Gathered, Stage, State
from streams.engine.transport import PassThrough, StageApp

log = logging.getLogger(__name__)
SWITCH_SECONDS = 0.001
"""How soon the fetcher's thread gets the interpreter while the loop decides: Python's own 5 ms are
waited several times on the way of one submission."""
_DRAIN_SECONDS = 20.0
_LAST_SECONDS = 5.0


class Workers(Generic[State, Gathered]):
    """The partitions that this process holds, and the first error that must end it."""

    def __init__(self, settings: Settings, stage: Stage[State, Gathered], health: Health) -> None:
        self._settings = settings
        self._stage = stage
        self._health = health
        self._workers: dict[int, PartitionWorker[State, Gathered]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._in_flight = InFlight(stage.name)
        self._closing = False
        self.app: StageApp | None = None
        self.fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def held(self) -> Mapping[int, int | None]:
        """The next offset of every partition; None while it is not restored."""
        return {number: worker.expected for number, worker in self._workers.items()}

    def expected(self) -> Mapping[int, int]:
        """The next offset of every partition that is restored."""
        return {number: offset for number, offset in self.held().items() if offset is not None}

    def hand_over(self) -> None:
        """Other processes may be given, and write, partitions that this one still works on."""
        self._settled.clear()

    def keep_only(self, partitions: set[int]) -> None:
        """All other partitions belong to other processes now."""
        for number in set(self._workers) - partitions:
            self._spawn(self._workers.pop(number).close())
            self._health.remove(number)

    def take(self, partitions: set[int]) -> None:
        """These are ours; those that are new are fenced and restored at once.

        None is while this process ends: it leaves the group in a moment, and others get them.
        """
        self._settled.set()
        if self._closing:
            return
        self._health.assigned()
        for number in partitions - set(self._workers):
            worker = PartitionWorker(
                self._settings,
                self._stage,
                number,
                health=self._health,
                seek=self._seek,
                settled=self._settled,
            )
            self._workers[number] = worker
            self._health.report(number, "initialising")
            self._spawn(self._initialise(worker))

    async def accept(
        self, partition: int, batch: Sequence[Record], acknowledge: Callable[[], object]
    ) -> None:
        """Takes a batch in once there is room; `acknowledge` is called when it is answered."""
        size = size_of(batch)
        await self._in_flight.enter(partition, size)

        async def until_answered() -> None:
            try:
                if await self.answer(partition, batch):
                    acknowledge()
            finally:
                self._in_flight.leave(partition, size)

        self._spawn(until_answered())

    async def answer(self, partition: int, batch: Sequence[Record]) -> bool:
        """Whether the batch is answered; not if its partition went away or the process ends."""
        worker = self._workers.get(partition)
        if worker is None or self.fatal.done():
            return False
        try:
            return await worker.run_batch(batch)
        except FatalStageError as error:
            self.fail(error)
            return False

    def fail(self, error: Exception) -> None:
        """Remembers the error that ends the process."""
        if not self.fatal.done():
            self.fatal.set_exception(error)

    def stalled(self, partition: int) -> None:
        """A partition stands still though its topic has more, and nothing says why."""
        self.fail(
            FatalStageError(
                f"Partition {self._stage.name}/{partition} stands still though there is more to "
                "answer: this process stops; nothing is lost. Start it again."
            )
        )

    async def close(self) -> None:
        """Lets what was begun end within a bound, then lets go of every partition."""
        self._closing = True
        leaving = [asyncio.create_task(worker.leave()) for worker in self._workers.values()]
        if leaving:
            ended = asyncio.gather(*leaving)
            ends: set[asyncio.Future[Any]] = {ended, self.fatal}
            await asyncio.wait(ends, timeout=_DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
        # The group may take partitions away meanwhile, and give others.
        for worker in list(self._workers.values()):
            await worker.close()
        if self._tasks:
            # All batches are answered or given up by now: whoever waits for them only has to hear.
            await asyncio.wait(self._tasks, timeout=_LAST_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _initialise(self, worker: PartitionWorker[State, Gathered]) -> None:
        try:
            await worker.run_batch([])
        except FatalStageError as error:
            self.fail(error)

    async def _seek(self, partition: int, offset: int) -> None:
        consumer: Any = None if self.app is None else self.app.consumer
        if consumer is not None:
            await consumer.seek_known({partition: offset})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def run_stage(
    settings: Settings,
    stage: Stage[State, Gathered],
    *,
    stop: asyncio.Event,
    health: Health | None = None,
) -> None:
    """Answers submissions until `stop` is set, then finishes what is under way and leaves.

    Raises:
        FatalStageError: the process must end and be started anew; nothing is lost.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    health = health or Health(stage.name)
    health.starting()
    workers = Workers(settings, stage, health)
    app = StageApp(settings, workers, id=f"dpp-{stage.name}")
    app.loop = asyncio.get_running_loop()
    workers.app = app
    _declare_agent(app, stage.submitted, workers)
    lag = Lag(
        stage.name,
        stage.submitted,
        workers.held,
        watchdog=Watchdog(settings.stage_stall_seconds),
        excused=health.failing,
        stalled=workers.stalled,
    )
    following = asyncio.create_task(lag.follow(settings))
    stopping = asyncio.create_task(stop.wait())
    crashed = asyncio.create_task(app.until_crashed())
    ends: set[asyncio.Future[Any]] = {stopping, crashed, workers.fatal}
    try:
        app.finalize()
        await app.start()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if crashed.done() and not stop.is_set():
            workers.fail(_broken(app))
        for task in (stopping, crashed, following):
            task.cancel()
        health.stopped("stopping")
        try:
            await workers.close()
        finally:
            # Faust starts its agents anew for ever if it is not stopped, so no process would end.
            with suppress(asyncio.CancelledError):
                await app.stop()
            await asyncio.gather(following, return_exceptions=True)
    if workers.fatal.done():
        workers.fatal.result()


def _broken(app: StageApp) -> FatalStageError:
    # Type and place only: the text of a client's error may hold content.
    reason = place_of(app.crash_reason) if app.crash_reason else "for no stated reason"
    return FatalStageError(
        f"{app.conf.id} lost its consumer ({reason}) and stops; nothing is lost. Start it again."
    )


def _declare_agent(app: StageApp, topic: str, workers: Workers[State, Gathered]) -> None:
    channel = app.topic(topic, schema=PassThrough(), key_type=bytes, value_type=bytes)

    async def answer(stream: Any) -> None:
        async for event in stream.noack().events():
            await workers.accept(event.message.partition, event.value, event.ack)

    app.agent(channel, name=f"{app.conf.id}.answer", isolated_partitions=True, concurrency=1)(
        answer
    )
