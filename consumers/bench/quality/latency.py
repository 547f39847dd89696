"""How long one submission takes, from its publication until a reader sees its receipt.

The stage runs as production runs it (`dpp run quality`, vault and tables included). Submissions are
sent at moments that were fixed beforehand, whatever became of the ones before, and each is timed
from its moment: a stage that falls behind cannot hide it.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from consumers.bench.benches import Run
from consumers.bench.quality.counting import NotAnswered, is_receipt, until_answered
from consumers.bench.quality.world import World
from consumers.bench.result import Findings
from consumers.simulation.records import Outgoing
from consumers.stack.parts import Part
from infra.embedded.processes import free_ports
from infra.kafka import PartitionReader, Producer, producer, reader
from schemas.partitioning import partition_for
from schemas.topics import DISPENSATION_RECEIPTS, DISPENSATION_SUBMITTED

GOAL_MS: Final = 100.0
GOAL_RATE: Final = 1_000
_PERCENTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
_WAIT_SECONDS: Final = 30.0
_LEAD_SECONDS: Final = 0.1

Place = tuple[int, int]
"""Partition and offset of a submission."""


async def measure_latency(
    world: World, rates: Sequence[tuple[int, float]], run: Run, findings: Findings
) -> None:
    """Percentiles at each rate; the seconds of a rate are cut into `run.rounds` slices.

    Raises:
        NotAnswered: the stage ended or a receipt is missing.
    """
    waiting = iter(world.spare)
    async with _stage(world, run) as reading, producer(world.settings, linger_ms=0) as sender:
        for rate, seconds in rates:
            step = f"latency at {rate}/s"
            run.progress(step, 0, 0)
            records = [next(waiting) for _ in range(round(rate * seconds))]
            times = await _Open(reading, sender, rate, world.partitions).times(records)
            for part in _slices(times, run.rounds):
                _sample(findings, rate, part)
            if rate == GOAL_RATE:
                whole = _percentile(sorted(times), 0.99)
                findings.at_most(f"latency_{rate}_p99", GOAL_MS, whole)
            run.progress(step, 1, 1)


@asynccontextmanager
async def _stage(world: World, run: Run) -> Any:
    """Runs the stage and reads its receipts, once it has answered all that the input holds."""
    run.progress("the stage answers the input", 0, 0)
    environment = {**world.settings.environment(), "DPP_METRICS_PORT": str(free_ports(1)[0])}
    part = Part("quality", 0, environment, world.folder)

    def alive() -> None:
        if not part.running:
            raise NotAnswered(f"dpp run quality ended: {part.last_words}")

    async with reader(world.settings) as reading:
        await reading.assign_all(DISPENSATION_RECEIPTS.name)
        part.start()
        try:
            await until_answered(reading, world.count, alive)
            run.progress("the stage answers the input", 1, 1)
            yield reading
        finally:
            part.request_stop()
            await part.stopped()


@dataclass(slots=True)
class _Open:
    """An open-loop generator and the reader of what comes of it."""

    reading: PartitionReader
    sender: Producer
    rate: int
    partitions: int
    _seen: dict[Place, float] = field(default_factory=dict)

    async def times(self, records: Sequence[Outgoing]) -> list[float]:
        """Milliseconds of each submission, in the order of publication."""
        watching = asyncio.create_task(self._watch(len(records)))
        try:
            places = await publish(self.sender, records, self.rate, self.partitions)
            async with asyncio.timeout(_WAIT_SECONDS):
                await watching
        except TimeoutError:
            raise NotAnswered(
                f"{len(self._seen)} of {len(records)} receipts at {self.rate}/s."
            ) from None
        finally:
            watching.cancel()
        return [(self._seen[place] - due) * 1_000 for place, due in places]

    async def _watch(self, count: int) -> None:
        while len(self._seen) < count:
            found = await self.reading.poll(max_records=5_000)
            at = time.perf_counter()
            for one, records in found.items():
                for record in records:
                    if is_receipt(record):
                        self._seen[one.partition, _source_offset(record.headers)] = at


async def publish(
    sender: Producer, records: Sequence[Outgoing], rate: int, partitions: int
) -> list[tuple[Place, float]]:
    """Sends the records at so many a second, whatever becomes of them.

    Returns:
        Where each stands, and the moment (of `time.perf_counter`) at which it was due.
    """
    begin = time.perf_counter() + _LEAD_SECONDS
    sent: list[tuple[float, asyncio.Future[Any]]] = []
    for number, record in enumerate(records):
        due = begin + number / rate
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        future = await sender.enqueue(
            DISPENSATION_SUBMITTED.name,
            record.value,
            key=record.key,
            headers=record.headers,
            partition=partition_for(record.sender.encode(), partitions),
        )
        sent.append((due, future))
    acknowledged = [(due, await future) for due, future in sent]
    return [((ack.partition, ack.offset), due) for due, ack in acknowledged]


def _source_offset(headers: Sequence[tuple[str, bytes]]) -> int:
    return int(next(value for name, value in headers if name == "ce_sourceoffset"))


def _slices(times: Sequence[float], count: int) -> Iterator[list[float]]:
    for number in range(count):
        yield sorted(times[len(times) * number // count : len(times) * (number + 1) // count])


def _sample(findings: Findings, rate: int, ordered: Sequence[float]) -> None:
    for name, share in _PERCENTILES:
        findings.sample(f"latency_{rate}_{name}", "ms", _percentile(ordered, share))


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    return ordered[max(0, -(-round(len(ordered) * share * 1_000) // 1_000) - 1)]
