"""`dpp run PART`: one part of the backbone in this process, as production runs it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

import typer

from consumers.cli import parts
from consumers.cli.output import one_sentence
from infra.observability import logs
from infra.settings import Settings, load_settings


class Part(StrEnum):
    """What `dpp run` can run."""

    QUALITY = "quality"
    SUBJECT = "subject"
    PROJECTIONS = "projections"
    API = "api"


Runner = Callable[[Settings, asyncio.Event], Awaitable[None]]
_RUNNERS: dict[Part, Runner] = {
    Part.QUALITY: parts.run_quality,
    Part.SUBJECT: parts.run_subject,
    Part.PROJECTIONS: parts.run_projections,
    Part.API: parts.run_api,
}


def run(part: Annotated[Part, typer.Argument(help="Which part to run.")]) -> None:
    """Runs one part until it is told to stop (SIGTERM or Ctrl-C)."""
    with one_sentence():
        settings = load_settings()
        logs.configure(settings.log_format, part=part.value)
        asyncio.run(_until_stopped(_RUNNERS[part], settings))


async def _until_stopped(runner: Runner, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await runner(settings, stop)
