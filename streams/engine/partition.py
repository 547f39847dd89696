"""One partition of a stage: once it is open, decides batch after batch, each one transaction.

While a batch is being committed the next one is gathered and decided, never two; what has queued up
meanwhile is one batch. State that was changed before a failed transaction never survives: any
failure drops state and writer, and the next attempt restores from what is in the log.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic

from infra.errors import InfrastructureError
from infra.kafka import Fenced, Partition, Record, reader
from infra.settings import Settings
from streams.engine import metrics
from streams.engine.answering import Answered, answer
from streams.engine.failure import FatalStageError, StoreDistrusted, pause_seconds, place_of
from streams.engine.health import Health
from streams.engine.inbox import Inbox
from streams.engine.opening import Live, open_partition
from streams.engine.order import (
    MAX_TRANSACTION_BYTES,
    check_advance,
    chunks,
    to_submission,
)
from streams.engine.restore import digest_of, keep_store
from streams.engine.stage import Gathered, Output, Stage, State, Submission
from streams.engine.tables import Distrust, Mark

log = logging.getLogger(__name__)

YIELD_SECONDS: Final = 0.002
"""Of deciding, before the answers of the broker to other partitions get a turn."""


@dataclass(slots=True)
class _Transaction:
    """What one transaction holds: outputs, their bytes, and the submissions that they answer."""

    outputs: list[Output]
    size: int = 0
    decided: int = 0
    undecidable: int = 0


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
        self._inbox = Inbox()
        self._live: Live[State] | None = None
        self._work: asyncio.Task[None] | None = None
        self._failures = 0
        self._closed = False
        self._leaving = False
        self._name = f"{stage.name}/{partition}"
        self._folded = {*stage.outputs, stage.receipts}

    @property
    def expected(self) -> int | None:
        """The next offset to answer; None until the partition is restored."""
        return None if self._live is None else self._live.expected

    @property
    def busy(self) -> bool:
        """Whether a batch or an initialisation is under way."""
        return self._work is not None and not self._work.done()

    async def run_batch(self, batch: Sequence[Record]) -> bool:
        """Answers a batch; an empty one initialises. False if the partition went away meanwhile.

        Raises:
            FatalStageError: the process has to end.
        """
        if self._closed or self._leaving:
            return False
        answered = self._inbox.put(batch)
        if not self.busy:
            self._work = asyncio.create_task(self._until_done(), name=f"stage {self._name}")
        return await answered

    async def leave(self) -> None:
        """Takes no more, and ends what was begun; whatever else waits is given up."""
        self._leaving = True
        self._inbox.leave_rest()
        if self._work is not None:
            if self._live is None:
                self._work.cancel()
            await asyncio.wait([self._work])

    async def close(self) -> None:
        """Ends all work and lets go of state and writer."""
        self._closed = True
        if self._work is not None:
            # Once is enough: a second time would cut short how the first lets go of connections.
            if not self._work.cancelling():
                self._work.cancel()
            await asyncio.wait([self._work])
        await self._drop()
        self._inbox.give_up()

    async def _until_done(self) -> None:
        while self._inbox or (self._live and self._live.writing):
            try:
                await self._step(self._live or await self._open())
            except asyncio.CancelledError:
                await self._drop()
                raise
            except FatalStageError as error:
                await self._drop()
                self._inbox.give_up(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the partition waits
                await self._failed(error)
        self._failures = 0

    async def _step(self, live: Live[State]) -> None:
        """Decides what waits; if nothing does, waits for what is being committed, or for more."""
        self._inbox.answer(live.expected)
        records, passed = self._inbox.take(live.decided)
        metrics.SKIPPED.labels(self._stage.name).inc(passed)
        if not records:
            await self._commit_or_arrival(live)
            return
        if records[0].offset > live.decided:
            await self._reread(live, records[0].offset)
        await self._answer(live, records)

    async def _commit_or_arrival(self, live: Live[State]) -> None:
        if live.writing is None:
            return
        arrival = asyncio.ensure_future(self._inbox.arrival())
        try:
            await asyncio.wait({live.writing, arrival}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrival.cancel()
        if live.writing.done():
            await self._committed(live)

    async def _committed(self, live: Live[State]) -> None:
        """Waits until everything decided is committed, or raises why it is not."""
        if live.writing is not None:
            await asyncio.wait([live.writing])
            written, live.writing = live.writing, None
            written.result()
        self._inbox.answer(live.expected)

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        await self._drop(error.reason if isinstance(error, StoreDistrusted) else None)
        if isinstance(error, Fenced):
            metrics.FENCES.labels(self._stage.name).inc()
            if self._settled.is_set() and not self._closed:
                self._inbox.give_up(self._fenced(error))
                return
        if self._leaving:
            self._inbox.give_up()
            return
        reason = type(error).__name__
        metrics.FAILURES.labels(self._stage.name, reason).inc()
        self._health.report(self.partition, "failing", reason)
        said = str(error) if isinstance(error, InfrastructureError) else place_of(error)
        pause = pause_seconds(self._failures)
        log.warning("partition %s fails, again in %.1f s: %s", self._name, pause, said)
        await asyncio.sleep(pause)
        # Opening a writer earlier could fence the process that has just been given the partition.
        await self._settled.wait()

    def _fenced(self, error: Fenced) -> FatalStageError:
        fatal = FatalStageError(
            f"Partition {self._name} is written by another process: this one is out of "
            "date and stops; nothing is lost. Start it again."
        )
        fatal.__cause__ = error
        return fatal

    async def _open(self) -> Live[State]:
        if not self._health.failing(self.partition):
            self._health.report(self.partition, "initialising")
        live = await open_partition(self._settings, self._stage, self.partition)
        self._live = live
        if not self._inbox.covers(live.expected):
            await self._seek(self.partition, live.expected)
        self._health.report(self.partition, "running")
        return live

    async def _reread(self, live: Live[State], until: int) -> None:
        """Answers what lies between what is decided and what was fetched: the fetcher was ahead.

        Offsets need not be dense (transactions, retention), so the range is read to know.
        """
        one = Partition(self._stage.submitted, self.partition)
        async with reader(self._settings) as reading:
            begin = (await reading.beginning_offsets([one]))[one]
            await reading.assign({one: max(begin, live.decided)})
            while await reading.position(one) < until:
                found = (await reading.poll()).get(one, [])
                missed = [r for r in found if live.decided <= r.offset < until]
                metrics.REREAD.labels(self._stage.name).inc(len(missed))
                for chunk in chunks(missed):
                    await self._answer(live, chunk)
        await self._committed(live)
        live.expected = live.decided = until

    async def _answer(self, live: Live[State], chunk: Sequence[Record]) -> None:
        """Decides a chunk, and begins to commit its outputs once those before are committed."""
        try:
            submissions = [to_submission(record) for record in chunk]
            with metrics.PHASE_SECONDS.labels(self._stage.name, "gather").time():
                gathered = await self._stage.gather(live.state, submissions)
            await self._decide(live, submissions, gathered)
        except Exception:
            # If what was decided before is not committed either, that says more: it may be fenced.
            await self._committed(live)
            raise

    async def _decide(
        self, live: Live[State], submissions: Sequence[Submission], gathered: Gathered
    ) -> None:
        made = _Transaction([])
        begun = yielded = time.perf_counter()
        last = submissions[-1]
        for submission in submissions:
            check_advance(live.position, submission)
            answered = answer(self._stage, live.state, submission, gathered)
            self._take_in(live, submission, answered, made)
            now = time.perf_counter()
            if made.size > MAX_TRANSACTION_BYTES or submission is last:
                metrics.PHASE_SECONDS.labels(self._stage.name, "decide").observe(now - begun)
                await self._write(live, made)
                made = _Transaction([])
                begun = yielded = time.perf_counter()
            elif now - yielded > YIELD_SECONDS:
                await asyncio.sleep(0)
                yielded = time.perf_counter()

    def _take_in(
        self,
        live: Live[State],
        submission: Submission,
        answered: Answered,
        made: _Transaction,
    ) -> None:
        """Folds the outputs of one submission, as a restore would."""
        evolve, state = self._stage.evolve, live.state
        for output in answered.outputs:
            evolve(state, output.topic, output.key, output.headers, output.value)
        made.outputs += answered.outputs
        made.size += answered.size
        live.position = submission.offset
        live.decided = submission.offset + 1
        if answered.error is None:
            made.decided += 1
            return
        made.undecidable += 1
        # Type and place only: the text of the error may hold content.
        log.error(
            "offset %d of partition %s cannot be decided: %s",
            submission.offset,
            self._name,
            place_of(answered.error),
        )

    async def _write(self, live: Live[State], made: _Transaction) -> None:
        """Begins to commit, once everything before is committed."""
        with metrics.PHASE_SECONDS.labels(self._stage.name, "wait").time():
            await self._committed(live)
        live.store.tables.seal()
        live.writing = asyncio.create_task(
            self._commit(live, made, live.position), name=f"commit {self._name}"
        )

    async def _commit(self, live: Live[State], made: _Transaction, position: int) -> None:
        name = self._stage.name
        outputs = made.outputs
        with metrics.TRANSACTION_SECONDS.labels(name).time():
            written = await live.writer.write(self.partition, outputs)
        live.expected = position + 1
        self._failures = 0
        last = {output.topic: output for output in outputs}
        marks = {
            topic: Mark(offset, digest_of(last[topic].key, last[topic].headers, last[topic].value))
            for topic, offset in written.items()
            if topic in self._folded
        }
        with metrics.PHASE_SECONDS.labels(name, "keep").time():
            await keep_store(live.store, position, marks)
        self._count(live, made)

    def _count(self, live: Live[State], made: _Transaction) -> None:
        name = self._stage.name
        metrics.BATCH_RECORDS.labels(name).observe(made.decided + made.undecidable)
        metrics.SUBMISSIONS.labels(name, "decided").inc(made.decided)
        metrics.SUBMISSIONS.labels(name, "undecidable").inc(made.undecidable)
        for topic, count in Counter(output.topic for output in made.outputs).items():
            metrics.OUTPUTS.labels(name, topic).inc(count)
        hits, misses = live.store.tables.lookups
        metrics.STATE_LOOKUPS.labels(name, "memory").inc(hits - live.lookups[0])
        metrics.STATE_LOOKUPS.labels(name, "disk").inc(misses - live.lookups[1])
        live.lookups = (hits, misses)

    async def _drop(self, distrust: Distrust | None = None) -> None:
        """Lets go of everything, even if this task is cancelled meanwhile: a store stays locked."""
        live, self._live = self._live, None
        self._inbox.rewind()
        if live is None:
            return
        ending = asyncio.ensure_future(self._end(live, distrust))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _end(self, live: Live[State], distrust: Distrust | None) -> None:
        if live.writing is not None:
            live.writing.cancel()
            await asyncio.gather(live.writing, return_exceptions=True)
        await self._let_go(live.writer.close())
        await self._let_go(live.store.set_aside(distrust) if distrust else live.store.close())

    async def _let_go(self, closing: Awaitable[None]) -> None:
        """What goes wrong with what is given up is told, and changes nothing."""
        try:
            await closing
        except Exception as error:  # noqa: BLE001 - nothing hangs on it
            log.info("partition %s was not let go in order: %s", self._name, place_of(error))
