"""One partition of a stage: fence, restore, then decide batch after batch, each one transaction.

State that was changed before a failed transaction never survives: any failure drops state and
writer, and the next attempt restores from what is in the log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final, Generic

from infra.errors import InfrastructureError
from infra.kafka import Fenced, Partition, PartitionReader, Record, reader
from infra.settings import Settings
from streams.engine import metrics
from streams.engine.answering import answer
from streams.engine.failure import FatalStageError, StoreDistrusted, pause_seconds, place_of
from streams.engine.health import Health
from streams.engine.order import (
    MAX_TRANSACTION_BYTES,
    check_advance,
    chunks,
    to_submission,
)
from streams.engine.outputs import encoded_size
from streams.engine.producer import PartitionWriter
from streams.engine.restore import Restored, digest_of, keep_store, restore
from streams.engine.stage import Gathered, Output, Stage, State, Submission
from streams.engine.store import open_store
from streams.engine.tables import Distrust, Mark, Store

log = logging.getLogger(__name__)

YIELD_EVERY: Final = 32
"""Submissions decided before other partitions get a turn."""


@dataclass(slots=True)
class _Live(Generic[State]):
    """What exists only while a partition runs; `expected` is the next offset to look at."""

    writer: PartitionWriter
    store: Store
    state: State
    position: int
    expected: int
    lookups: tuple[int, int] = (0, 0)


class PartitionWorker(Generic[State, Gathered]):
    """Answers the submissions of one partition, for as long as the partition is ours.

    `seek` moves the fetcher to an offset of this partition; `settled` is set unless the group is
    handing partitions over, in which case being fenced is no alarm and nothing is tried anew.
    """

    def __init__(
        self,
        settings: Settings,
        stage: Stage[State, Gathered],
        partition: int,
        *,
        health: Health,
        seek: Callable[[int, int], Awaitable[None]],
        settled: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._stage = stage
        self.partition = partition
        self._health = health
        self._seek = seek
        self._settled = settled
        self._lock = asyncio.Lock()
        self._live: _Live[State] | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._closed = False
        self._name = f"{stage.name}/{partition}"
        self._folded = {*stage.outputs, stage.receipts}

    @property
    def expected(self) -> int | None:
        """The next offset to answer; None until the partition is restored."""
        return None if self._live is None else self._live.expected

    @property
    def busy(self) -> bool:
        """Whether a batch or an initialisation is under way."""
        return bool(self._work)

    async def run_batch(self, batch: Sequence[Record]) -> bool:
        """Answers a batch; an empty one initialises. False if the partition went away meanwhile.

        Raises:
            FatalStageError: the process has to end.
        """
        if self._closed:
            return False
        work = asyncio.create_task(self._until_done(batch), name=f"stage {self._name}")
        self._work.add(work)
        try:
            await asyncio.wait([work])
        finally:
            work.cancel()
            self._work.discard(work)
        if work.cancelled():
            return False
        work.result()
        return not self._closed

    async def close(self) -> None:
        """Ends all work and lets go of state and writer."""
        self._closed = True
        work = list(self._work)
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work)
        await self._drop()

    async def _until_done(self, batch: Sequence[Record]) -> None:
        async with self._lock:
            failures = 0
            while not self._closed:
                try:
                    await self._attempt(batch)
                except asyncio.CancelledError:
                    await self._drop()
                    raise
                except FatalStageError:
                    await self._drop()
                    raise
                except Exception as error:  # noqa: BLE001 - whatever it is, the partition waits
                    failures += 1
                    await self._failed(error, failures)
                else:
                    return

    async def _attempt(self, batch: Sequence[Record]) -> None:
        live = self._live or await self._open()
        self._live = live
        fresh = [record for record in batch if record.offset >= live.expected]
        metrics.SKIPPED.labels(self._stage.name).inc(len(batch) - len(fresh))
        if not fresh:
            return
        if fresh[0].offset > live.expected:
            await self._reread(live, fresh[0].offset)
        for chunk in chunks(fresh):
            await self._answer(live, chunk)

    async def _failed(self, error: Exception, failures: int) -> None:
        await self._drop(error.reason if isinstance(error, StoreDistrusted) else None)
        if isinstance(error, Fenced):
            metrics.FENCES.labels(self._stage.name).inc()
            if self._settled.is_set() and not self._closed:
                raise FatalStageError(
                    f"Partition {self._name} is written by another process: this one is out of "
                    "date and stops; nothing is lost. Start it again."
                ) from error
        reason = type(error).__name__
        metrics.FAILURES.labels(self._stage.name, reason).inc()
        self._health.report(self.partition, "failing", reason)
        said = str(error) if isinstance(error, InfrastructureError) else place_of(error)
        pause = pause_seconds(failures)
        log.warning("partition %s fails, again in %.1f s: %s", self._name, pause, said)
        await asyncio.sleep(pause)
        # Opening a writer earlier could fence the process that has just been given the partition.
        await self._settled.wait()

    async def _open(self) -> _Live[State]:
        """Fence, then read the end of the outputs, then restore up to there. In this order."""
        started = time.monotonic()
        if not self._health.failing(self.partition):
            self._health.report(self.partition, "initialising")
        stage = self._stage
        async with AsyncExitStack() as opened:
            writer = await PartitionWriter.open(
                self._settings, f"dpp-{stage.name}-{self.partition}"
            )
            opened.push_async_callback(writer.close)
            store = await open_store(self._settings, stage.name, self.partition, stage.fold)
            opened.push_async_callback(store.close)
            try:
                restored = await restore(self._settings, stage, self.partition, store)
            except StoreDistrusted as found:
                opened.pop_all()
                await writer.close()
                await store.set_aside(found.reason)
                raise
            async with reader(self._settings) as reading:
                expected = await self._first(reading, restored.position)
            opened.pop_all()
        live = _Live(writer, store, restored.state, restored.position, expected)
        self._live = live
        self._note(restored, time.monotonic() - started)
        await self._seek(self.partition, expected)
        self._health.report(self.partition, "running")
        return live

    async def _first(self, reading: PartitionReader, position: int) -> int:
        """The first offset to answer, after checking it against the submitted log."""
        one = Partition(self._stage.submitted, self.partition)
        begin = (await reading.beginning_offsets([one]))[one]
        end = (await reading.end_offsets([one]))[one]
        if position + 1 > end:
            raise FatalStageError(
                f"Outputs of {self._name} answer offset {position}, but {one.topic} ends at {end}:"
                " the topic was cut or made anew. Nothing is written until that is resolved."
            )
        if begin > position + 1:
            metrics.RETENTION_LOSSES.labels(self._stage.name).inc(begin - position - 1)
            log.critical(
                "partition %s: retention removed offsets %d to %d before they were answered; "
                "going on from there",
                self._name,
                position + 1,
                begin - 1,
            )
        return max(begin, position + 1)

    def _note(self, restored: Restored[State], seconds: float) -> None:
        name = self._stage.name
        metrics.RESTORES.labels(name).inc()
        metrics.RESTORED_OUTPUTS.labels(name).inc(restored.outputs)
        metrics.RESTORE_SECONDS.labels(name).observe(seconds)
        for reason in ("doubled", "differing", "foreign", "torn"):
            metrics.PASSED_OUTPUTS.labels(name, reason).inc(getattr(restored, reason))
        if restored.differing:
            log.critical(
                "partition %s: %d outputs were written twice with different bytes; readers go by "
                "the first. Deciding was not the same twice: keep the log and find out why",
                self._name,
                restored.differing,
            )
        log.info(
            "partition %s restored from %d outputs in %.2f s, position %d",
            self._name,
            restored.outputs,
            seconds,
            restored.position,
        )

    async def _reread(self, live: _Live[State], until: int) -> None:
        """Answers what lies between position and first fetched offset: the fetcher was ahead.

        Offsets need not be dense (transactions, retention), so the range is read to know.
        """
        one = Partition(self._stage.submitted, self.partition)
        async with reader(self._settings) as reading:
            begin = (await reading.beginning_offsets([one]))[one]
            await reading.assign({one: max(begin, live.expected)})
            while await reading.position(one) < until:
                found = (await reading.poll()).get(one, [])
                missed = [r for r in found if live.expected <= r.offset < until]
                metrics.REREAD.labels(self._stage.name).inc(len(missed))
                for chunk in chunks(missed):
                    await self._answer(live, chunk)
        live.expected = until

    async def _answer(self, live: _Live[State], chunk: Sequence[Record]) -> None:
        """Decides a chunk and commits its outputs; the position moves with each commit."""
        name = self._stage.name
        submissions = [to_submission(record) for record in chunk]
        with metrics.PHASE_SECONDS.labels(name, "gather").time():
            gathered = await self._stage.gather(live.state, submissions)
        pending: list[Output] = []
        size = answered = 0
        started = time.perf_counter()
        for number, submission in enumerate(submissions, 1):
            check_advance(live.position, submission)
            made = self._decide(live.state, submission, gathered)
            for output in made:
                self._stage.evolve(
                    live.state, output.topic, output.key, output.headers, output.value
                )
                size += encoded_size(output)
            pending += made
            answered += 1
            live.position = submission.offset
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if size > MAX_TRANSACTION_BYTES or number == len(submissions):
                metrics.PHASE_SECONDS.labels(name, "decide").observe(time.perf_counter() - started)
                await self._write(live, pending, answered)
                pending, size, answered = [], 0, 0
                started = time.perf_counter()

    async def _write(self, live: _Live[State], outputs: Sequence[Output], answered: int) -> None:
        name = self._stage.name
        with metrics.PHASE_SECONDS.labels(name, "write").time():
            written = await live.writer.write(self.partition, outputs)
        live.expected = live.position + 1
        last = {output.topic: output for output in outputs}
        marks = {
            topic: Mark(offset, digest_of(last[topic].key, last[topic].headers, last[topic].value))
            for topic, offset in written.items()
            if topic in self._folded
        }
        with metrics.PHASE_SECONDS.labels(name, "keep").time():
            await keep_store(live.store, live.position, marks)
        metrics.BATCH_RECORDS.labels(name).observe(answered)
        self._count_lookups(live)
        for topic in {output.topic for output in outputs}:
            count = sum(output.topic == topic for output in outputs)
            metrics.OUTPUTS.labels(name, topic).inc(count)

    def _count_lookups(self, live: _Live[State]) -> None:
        hits, misses = live.store.tables.lookups
        metrics.STATE_LOOKUPS.labels(self._stage.name, "memory").inc(hits - live.lookups[0])
        metrics.STATE_LOOKUPS.labels(self._stage.name, "disk").inc(misses - live.lookups[1])
        live.lookups = (hits, misses)

    def _decide(
        self, state: State, submission: Submission, gathered: Gathered
    ) -> tuple[Output, ...]:
        answered = answer(self._stage, state, submission, gathered)
        if answered.error is None:
            metrics.SUBMISSIONS.labels(self._stage.name, "decided").inc()
            return answered.outputs
        # Type and place only: the text of the error may hold content.
        log.error(
            "offset %d of partition %s cannot be decided: %s",
            submission.offset,
            self._name,
            place_of(answered.error),
        )
        metrics.SUBMISSIONS.labels(self._stage.name, "undecidable").inc()
        return answered.outputs

    async def _drop(self, distrust: Distrust | None = None) -> None:
        live, self._live = self._live, None
        if live is not None:
            with suppress(InfrastructureError):
                await live.writer.close()
            with suppress(InfrastructureError):
                await (live.store.set_aside(distrust) if distrust else live.store.close())
