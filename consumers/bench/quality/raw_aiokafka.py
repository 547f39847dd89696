"""Rival: a plain aiokafka loop. Batches in, batches out, no transactions, no restore, no fencing.

It is what a careful programmer writes when speed is all that counts: whole partition batches, built
record batches (`create_batch`, `send_batch`), the next fetch overlapping the last send, and offsets
committed once a second after what they stand for was acknowledged.
"""

import asyncio
import signal
import time
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from consumers.bench.quality.stage import BenchStage, Decider
from infra.kafka import connection_options, consumer, to_record
from infra.settings import Settings
from streams.engine.order import to_submission
from streams.engine.producer import BATCH_BYTES, pack

POLL_RECORDS: Final = 2_000
COMMIT_SECONDS: Final = 1.0


def run(settings: Settings, stage: BenchStage, count: int) -> None:
    """Answers until SIGTERM."""
    del count
    asyncio.run(_run(settings, stage))


async def _run(settings: Settings, stage: BenchStage) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    reading = consumer(settings, (stage.submitted,), group=stage.name)
    writing = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=BATCH_BYTES,
    )
    await reading.start()
    await writing.start()
    try:
        await _loop(reading, writing, stage, stop)
    finally:
        await writing.stop()
        await reading.stop()


async def _loop(reading: Any, writing: Any, stage: BenchStage, stop: asyncio.Event) -> None:
    decider = Decider(stage)
    committed = time.monotonic()
    while not stop.is_set():
        found = await reading.getmany(timeout_ms=100, max_records=POLL_RECORDS)
        sent: list[asyncio.Future[Any]] = []
        for partition, raw in found.items():
            batch = [to_submission(to_record(one)) for one in raw]
            for topic, built in pack(writing, decider.answer(partition.partition, batch)):
                number = partition.partition
                sent.append(await writing.send_batch(built, topic, partition=number))
            await asyncio.sleep(0)
        await asyncio.gather(*sent)
        if time.monotonic() - committed > COMMIT_SECONDS:
            await reading.commit()
            committed = time.monotonic()
