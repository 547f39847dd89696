"""Topics, load and comparison for tests of the engine on the real broker."""

import asyncio
import os
import random
import signal
import struct
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from infra.kafka import (
    PartitionReader,
    Record,
    connection_options,
    producer,
    reader,
)
from infra.settings import Settings
from infra.topics import apply
from schemas.topics import FOREVER, Topic
from streams.engine.health import Health
from streams.engine.partition import PartitionWorker
from streams.engine.stage import Output
from tests.support.engine_stage import CountingStage, Counts, answers, good
from tests.support.signals import send

WAIT_SECONDS = 120.0
"""Of one wait, far above what it takes: a busy machine must not fail a test."""
LARGEST = 6 * 1024 * 1024
ROOT = Path(__file__).parents[2]
_CRC: Final = 17


async def new_stage(settings: Settings, partitions: int = 1) -> CountingStage:
    """A stage of the test's own, whose topics exist and are empty."""
    stage = CountingStage(f"t{uuid.uuid4().hex[:12]}")
    large = (("max.message.bytes", str(LARGEST)),)
    topics = [Topic(name, "key", "test", FOREVER, large) for name in stage.topics]
    await apply(settings, partitions=partitions, topics=topics)
    return stage


async def submit(
    settings: Settings,
    stage: CountingStage,
    numbers: range,
    *,
    keys: int = 20,
    partition: int | None = None,
) -> None:
    """Submits one good value for each number; every seventeenth is undecidable."""
    async with producer(settings) as sending:
        for number in numbers:
            key = f"key-{number % keys}".encode()
            value = good(number) if number % 17 else b"{"
            await sending.enqueue(stage.submitted, value, key=key, partition=partition)
        await sending.flush()


async def read_to_end(settings: Settings, topic: str) -> dict[int, list[Record]]:
    """Every committed record of a topic by partition, up to its end as of now."""
    async with reader(settings) as reading:
        partitions = await reading.assign_all(topic)
        ends = await reading.end_offsets(partitions)
        found: dict[int, list[Record]] = {one.partition: [] for one in partitions}
        async with asyncio.timeout(WAIT_SECONDS):
            while any(at < ends[one] for one, at in (await reading.positions()).items()):
                for one, records in (await reading.poll()).items():
                    found[one.partition] += [r for r in records if r.offset < ends[one]]
    return found


class Watch:
    """Counts the receipts that readers can see, as they come."""

    def __init__(self, reading: PartitionReader) -> None:
        self._reading = reading
        self.seen = 0

    async def until(self, count: int) -> None:
        """Returns when `count` receipts are visible.

        Raises:
            TimeoutError: they are not, after `WAIT_SECONDS`.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while self.seen < count:
                found = await self._reading.poll()
                self.seen += sum(len(records) for records in found.values())


@asynccontextmanager
async def watching(settings: Settings, stage: CountingStage) -> AsyncIterator[Watch]:
    """A watch on the receipts of a stage, from their beginning."""
    async with reader(settings) as reading:
        await reading.assign_all(stage.receipts)
        yield Watch(reading)


def _by_topic(stage: CountingStage, outputs: Sequence[Output]) -> dict[str, list[Output]]:
    topics = (stage.facts, stage.letters, stage.receipts)
    return {topic: [one for one in outputs if one.topic == topic] for topic in topics}


async def require_exact(settings: Settings, stage: CountingStage) -> int:
    """The count of submissions; each has the outputs of a plain fold, to the byte, in order.

    So nothing was lost, doubled or put in another order, in no partition and for no key.
    """
    submitted = await read_to_end(settings, stage.submitted)
    wanted = {number: _by_topic(stage, answers(stage, r)) for number, r in submitted.items()}
    written = await _written(settings, stage)
    async with asyncio.timeout(WAIT_SECONDS):
        # A commit is answered before all of its partitions show it.
        while _count(written) < _count(wanted):
            written = await _written(settings, stage)
    for number, outputs in wanted.items():
        assert written[number] == outputs, f"partition {number} of {stage.name}"
    return sum(len(records) for records in submitted.values())


async def _written(settings: Settings, stage: CountingStage) -> dict[int, dict[str, list[Output]]]:
    written: dict[int, dict[str, list[Output]]] = {}
    for topic in (stage.facts, stage.letters, stage.receipts):
        for number, records in (await read_to_end(settings, topic)).items():
            outputs = [Output(topic, r.key, r.headers, r.value) for r in records]
            written.setdefault(number, {})[topic] = outputs
    return written


def _count(outputs: Mapping[int, Mapping[str, Sequence[Output]]]) -> int:
    return sum(len(found) for topics in outputs.values() for found in topics.values())


class Child:
    """A stage in a process of its own: `tests.support.engine_worker`."""

    def __init__(self, settings: Settings, stage: CountingStage, mode: str, folder: Path) -> None:
        self._arguments = (sys.executable, "-m", "tests.support.engine_worker", mode, stage.name)
        self._environment = {**os.environ, **settings.environment()}
        self._log = folder / f"{mode}-{uuid.uuid4().hex[:6]}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, env=self._environment, cwd=ROOT, stdout=log, stderr=log
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.signal(signal.SIGKILL)
        self.signal(signal.SIGCONT)
        await self.running.wait()
        if kind is not None:
            sys.stderr.write(self.log)

    @property
    def running(self) -> asyncio.subprocess.Process:
        """The process, once started."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text("utf-8", "replace")

    async def holding(self) -> None:
        """Returns when it has restored at least one partition.

        Raises:
            TimeoutError: it has not, after `WAIT_SECONDS`.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while " restored from " not in self.log:  # noqa: ASYNC110 - it tells by its log only
                await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it lives."""
        send(self.running, number)

    async def kill(self) -> None:
        """SIGKILL, and gone."""
        self.signal(signal.SIGKILL)
        await self.running.wait()

    async def ended(self) -> int:
        """The exit code, once it ends by itself.

        Raises:
            TimeoutError: it goes on.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.running.wait()


def incompressible(size: int) -> bytes:
    """Bytes that stay as many on the wire."""
    return random.Random(size).randbytes(size)  # noqa: S311 - no secret, the same each time


async def submit_odd_header(settings: Settings, stage: CountingStage, name: bytes) -> None:
    """Submits a good value with a header whose name are these four bytes, as librdkafka can."""
    client = AIOKafkaProducer(**connection_options(settings), enable_idempotence=False)
    await client.start()
    try:
        batch: Any = client.create_batch()
        batch.append(timestamp=None, key=b"k", value=good(1), headers=[("QZXJ", b"x")])
        built = bytearray(bytes(batch._build()).replace(b"QZXJ", name))
        built[_CRC : _CRC + 4] = struct.pack(">I", calc_crc32c(bytes(built[_CRC + 4 :])))
        batch._buffer = bytes(built)
        await (await client.send_batch(batch, stage.submitted, partition=0))
    finally:
        await client.stop()


@asynccontextmanager
async def lone_worker(
    settings: Settings, stage: CountingStage
) -> AsyncIterator[PartitionWorker[Counts, None]]:
    """The worker of partition 0, without a group and without a fetcher."""

    async def seek(number: int, offset: int) -> None:
        """There is no fetcher to move."""

    settled = asyncio.Event()
    settled.set()
    worker: PartitionWorker[Counts, None] = PartitionWorker(
        settings, stage, 0, health=Health(stage.name), seek=seek, settled=settled
    )
    try:
        yield worker
    finally:
        await worker.close()
