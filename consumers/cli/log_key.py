"""`dpp log rotate-key|retire-key`: another key signs the log, and nobody has to stop for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import console, one_sentence, print_json
from consumers.cli.parts import following
from consumers.keys.log_rotation import retire_log_key, rotate_log_key
from infra.settings import Settings, load_settings
from projections.broadcast import BroadcastTables
from streams.notary.handover import Handover

_T = TypeVar("_T")


def rotate_key(as_json: Json = False) -> None:
    """Makes the log's next key; from now on both sign, so readers who know one of them go on.

    It takes the office's private key, which states the new one. Running it again goes on with the
    same key. Once witnesses and auditors have the new key: dpp log retire-key.
    """
    with one_sentence():
        begun = asyncio.run(_with_tables(load_settings(), rotate_log_key))
    if as_json:
        print_json(
            {
                "ruling": str(begun.ruling),
                "successor": str(begun.successor),
                "stated": begun.stated,
            }
        )
        return
    for sentence in begun.stated:
        console().print(sentence)
    console().print("Both keys sign. Witnesses and auditors take the new one from you:")
    typer.echo(str(begun.successor))


def retire_key(
    seconds: Annotated[
        float, typer.Option("--wait", min=0.0, help="Seconds to wait for the notary.")
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Lets the log's former key hand over to its successor, and destroys its private half.

    The notary signs the handover; what the former key signs beyond it counts for nothing. It may
    be interrupted and run again.
    """

    async def retire(settings: Settings, tables: BroadcastTables) -> Handover:
        return await retire_log_key(settings, tables, seconds)

    with one_sentence():
        done = asyncio.run(_with_tables(load_settings(), retire))
    if as_json:
        told = {"size": done.last.size, "former": str(done.former), "vkey": str(done.successor)}
        print_json(told)
    else:
        console().print(f"Handed over at {done.last.size} leaves. The log's key is now:")
        typer.echo(str(done.successor))


async def _with_tables(
    settings: Settings, work: Callable[[Settings, BroadcastTables], Awaitable[_T]]
) -> _T:
    async with following(settings) as tables:
        await tables.catch_up()
        return await work(settings, tables)
