"""A stage of `tests.support.engine_stage` in a process of its own, for tests that kill it.

`python -m tests.support.engine_worker MODE NAME` with the settings in the environment. Mode `app`
is the stage as it runs in production. Mode `direct` is its partitions without the consumer group,
which after a kill would wait for the dead member: so a kill costs a second instead of ten.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from infra.kafka import Partition, PartitionReader, reader
from infra.settings import Settings, load_settings
from streams.engine import transport
from streams.engine.app import run_stage
from streams.engine.failure import FatalStageError
from streams.engine.health import Health
from streams.engine.partition import PartitionWorker
from streams.engine.stage import Submission
from tests.support.engine_stage import CountingStage, Counts

GATHER_SECONDS = 0.005
"""A vault's round trip, so that there is work under way whenever the process is hit."""


async def _gather(batch: Sequence[Submission]) -> None:
    del batch
    await asyncio.sleep(GATHER_SECONDS)


def _quick_group() -> None:
    """As quick as the broker lets a dead member go."""
    transport.SESSION_TIMEOUT_MS = 6_000
    transport.HEARTBEAT_MS = 1_000
    transport.MAX_POLL_RECORDS = 50


async def _direct(settings: Settings, stage: CountingStage) -> None:
    async with reader(settings) as reading:
        partitions = await reading.assign_all(stage.submitted)
        workers = {one: _worker(settings, stage, one, reading) for one in partitions}
        await asyncio.gather(*(worker.run_batch([]) for worker in workers.values()))
        while True:
            found = await reading.poll(max_records=50)
            await asyncio.gather(*(workers[one].run_batch(found[one]) for one in found))


def _worker(
    settings: Settings, stage: CountingStage, one: Partition, reading: PartitionReader
) -> PartitionWorker[Counts, None]:
    async def seek(_number: int, offset: int) -> None:
        reading.seek(one, offset)

    settled = asyncio.Event()
    settled.set()
    return PartitionWorker(
        settings, stage, one.partition, health=Health(stage.name), seek=seek, settled=settled
    )


async def _run(mode: str, name: str) -> None:
    settings, stage = load_settings(), CountingStage(name, _gather)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if mode == "direct":
        await _direct(settings, stage)
    else:
        _quick_group()
        await run_stage(settings, stage, stop=stop)


def main() -> int:
    """Runs until told to stop; the exit code tells a fatal error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    mode, name = sys.argv[1:]
    try:
        asyncio.run(_run(mode, name))
    except FatalStageError as error:
        logging.getLogger(__name__).warning("ended: %s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
