"""Rival: a Faust agent as its documentation teaches it. One message at a time, awaited sends."""

import asyncio
import signal
from typing import Any

import faust

from consumers.bench.quality.stage import BenchStage, Decider
from infra.kafka import Record
from infra.settings import Settings
from streams.engine.order import to_submission


def run(settings: Settings, stage: BenchStage, count: int) -> None:
    """Answers until SIGTERM."""
    del count
    asyncio.run(_run(settings, stage))


async def _run(settings: Settings, stage: BenchStage) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = faust.App(
        stage.name,
        broker=f"kafka://{settings.bootstrap}",
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        datadir=str(settings.data / "faust"),
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        producer_compression_type="zstd",
    )
    app.loop = asyncio.get_running_loop()
    _declare(app, stage)
    app.finalize()
    await app.start()
    await stop.wait()
    await app.stop()


def _declare(app: Any, stage: BenchStage) -> None:
    decider = Decider(stage)
    sinks = {name: app.topic(name, key_type=bytes, value_type=bytes) for name in stage.topics}
    submitted = app.topic(stage.submitted, key_type=bytes, value_type=bytes)

    async def answer(stream: Any) -> None:
        async for event in stream.events():
            record = _record(event.message)
            for one in decider.answer(record.partition, [to_submission(record)]):
                await sinks[one.topic].send(
                    key=one.key,
                    value=one.value,
                    headers=list(one.headers),
                    partition=record.partition,
                )

    app.agent(submitted)(answer)


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=round(message.timestamp * 1000),
        key=message.key,
        headers=tuple(message.headers),
        value=message.value,
    )
