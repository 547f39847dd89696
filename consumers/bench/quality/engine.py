"""The engine of this product, as `dpp run quality` runs it."""

import asyncio
import signal

from consumers.bench.quality.stage import BenchStage
from infra.settings import Settings
from streams.engine.app import run_stage


def run(settings: Settings, stage: BenchStage, count: int) -> None:
    """Answers until SIGTERM."""
    del count
    asyncio.run(_run(settings, stage))


async def _run(settings: Settings, stage: BenchStage) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_stage(settings, stage, stop=stop)
