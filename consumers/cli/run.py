"""`dpp run PART`: one part of the backbone in this process, as production runs it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer

from consumers.cli.output import one_sentence
from infra.observability import logs
from infra.settings import Settings, load_settings


class Part(StrEnum):
    """What `dpp run` can run."""

    QUALITY = "quality"
    SUBJECT = "subject"
    PROJECTIONS = "projections"
    NOTARY = "notary"
    NOTICES = "notices"
    API = "api"
    KEEPER = "keeper"


Runner = Callable[[Settings, asyncio.Event], Awaitable[None]]


def _runner(part: Part) -> Runner:
    """The part's composition root; a process imports only what its own part needs."""
    module, name = {
        Part.QUALITY: ("consumers.cli.parts", "run_quality"),
        Part.SUBJECT: ("consumers.cli.parts", "run_subject"),
        Part.PROJECTIONS: ("consumers.cli.parts", "run_projections"),
        Part.NOTARY: ("consumers.cli.parts", "run_notary"),
        Part.NOTICES: ("consumers.cli.parts", "run_notices"),
        Part.API: ("consumers.api.run", "run_api"),
        Part.KEEPER: ("consumers.cli.parts", "run_keeper"),
    }[part]
    runner: Runner = getattr(import_module(module), name)
    return runner


def run(part: Annotated[Part, typer.Argument(help="Which part to run.")]) -> None:
    """Runs one part until it is told to stop (SIGTERM or Ctrl-C)."""
    with one_sentence():
        settings = load_settings()
        logs.configure(settings.log_format, part=part.value)
        asyncio.run(until_stopped(_runner(part), settings))


async def until_stopped(runner: Runner, settings: Settings) -> None:
    """Runs until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await runner(settings, stop)
