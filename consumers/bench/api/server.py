"""The API as the benchmark runs it: as production does, or asking for the log's end at each read.

python -m consumers.bench.api.server shared|each
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from consumers.api.ports import Log
from consumers.api.run import bind, dependencies, serve
from infra.kafka import Partition, PartitionReader, reader
from infra.observability import logs
from infra.settings import Settings, load_settings
from streams.engine.memory import rarely_collected

SHARED = "shared"
EACH = "each"


class AskingEachTime:
    """The log, whose end every read asks for by itself; everything else is as it is."""

    def __init__(self, log: Log, broker: PartitionReader) -> None:
        self._log = log
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def stable_ends(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        """Last stable offsets, by a question of this read's own."""
        found = await self._broker.end_offsets([Partition(topic, one) for one in partitions])
        return {one.partition: offset for one, offset in found.items()}


async def run(settings: Settings, how: str) -> None:
    """Serves until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with contextlib.closing(bind(settings)) as listening:
        async with dependencies(settings) as deps, reader(settings) as broker:
            log: Any = deps.log if how == SHARED else AskingEachTime(deps.log, broker)
            with rarely_collected():
                await serve(settings, replace(deps, log=log), listening, stop)


if __name__ == "__main__":
    logs.configure("console", part="api")
    asyncio.run(run(load_settings(), sys.argv[1]))
