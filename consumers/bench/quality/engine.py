"""The engine of this product, as `dpp run quality` runs it."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Final

from consumers.bench.quality.stage import BenchStage
from infra.settings import Settings
from streams.engine.app import run_stage
from streams.engine.health import Health
from streams.engine.memory import rarely_collected

HELD: Final = "held.json"
_TELL_SECONDS: Final = 0.1


def run(settings: Settings, stage: BenchStage, count: int) -> None:
    """Answers until SIGTERM."""
    del count
    asyncio.run(_run(settings, stage))


async def _run(settings: Settings, stage: BenchStage) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    health = Health(stage.name)
    telling = asyncio.create_task(_tell(health, settings.data / HELD)) if stage.gate else None
    with rarely_collected():
        await run_stage(settings, stage, stop=stop, health=health)
    if telling is not None:
        telling.cancel()


async def _tell(health: Health, file: Path) -> None:
    """Writes which partitions run here, for whoever opens the gate."""
    while True:
        partitions = health.snapshot()["partitions"]
        running = [int(one) for one, state in partitions.items() if state["state"] == "running"]
        file.write_text(json.dumps(running), "utf-8")  # noqa: ASYNC240 - a few bytes
        await asyncio.sleep(_TELL_SECONDS)
