"""`dpp up`: everything together for development, until Ctrl-C."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import console, one_sentence, print_json
from consumers.stack.stack import Stack
from infra.observability import logs
from infra.settings import Settings, load_settings

Data = Annotated[
    Path, typer.Option("--data", help="Folder that holds everything; it may be started on again.")
]


def up(
    data: Data = Path(".dpp"),
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.")] = 8080,
    dev_issuer: Annotated[
        bool,
        typer.Option("--dev-issuer", help="Issue tokens at POST /dev/token. Development only."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Runs broker, database, stages, projections and API in one folder."""
    with one_sentence():
        settings = load_settings(data=data, api_port=port, dev_issuer=dev_issuer)
        logs.configure("console", part="up")
        asyncio.run(_run(settings, as_json=as_json))


async def _run(settings: Settings, *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    screen = console()
    stack = Stack(settings, progress=None if as_json else lambda step: screen.print(f"{step} ..."))
    async with stack:
        if as_json:
            print_json({"api": stack.api_url, "endpoints": str(settings.data / "endpoints.json")})
        else:
            screen.print(f"The API answers at {stack.api_url}; Ctrl-C stops everything.")
            screen.print(f"All addresses are in {settings.data / 'endpoints.json'}.")
        await stop.wait()
