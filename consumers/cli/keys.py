"""`dpp keys`: what there is, how old it is, what goes when; new keys in the place of old ones."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import console, fail, one_sentence, print_json, table
from consumers.cli.parts import following
from consumers.keys.rotation import rotate_intake
from consumers.keys.schedule import destroyed_at
from infra.keys.ages import Ages, ages
from infra.keys.kek import create_kek_file, load_kek, load_other_keks
from infra.keys.opening import opened_vault
from infra.keys.rewrapping import rewrap
from infra.postgres import connect
from infra.settings import Settings, load_settings
from projections.broadcast import BroadcastTables
from projections.retention import leaves_before
from schemas.brussels import day_of
from schemas.publisher import KeyPurpose

app = typer.Typer(help="The backbone's keys over time.", no_args_is_help=True)
_PURPOSES: tuple[KeyPurpose, ...] = ("intake", "log", "witness")


@app.command()
def status(as_json: Json = False) -> None:
    """Shows every kind of key: how many, since when, when published, retired and destroyed."""
    with one_sentence():
        held, published = asyncio.run(_status(load_settings()))
    first_kept = leaves_before(day_of(datetime.now(UTC)))
    if as_json:
        print_json(
            {
                "kek_since": held.kek_since,
                "vault": [
                    {
                        "kind": one.kind,
                        "living": one.living,
                        "destroyed": one.destroyed,
                        "oldest": one.oldest,
                    }
                    for one in held.held
                ],
                "oldest_day": held.oldest_day,
                "first_kept_day": first_kept,
                "published": published,
            }
        )
        return
    _show(held, published)
    overdue = held.oldest_day is not None and held.oldest_day < first_kept
    console().print(
        f"Delivery days can be read from {held.oldest_day} on; due: from {first_kept} on"
        + (" (dpp run keeper destroys what is older)." if overdue else ".")
    )


async def _status(settings: Settings) -> tuple[Ages, list[dict[str, object]]]:
    async with connect(settings.vault, autocommit=True) as connection:
        held = await ages(connection)
    async with following(settings) as tables:
        return held, _published(tables, datetime.now(UTC))


def _published(tables: BroadcastTables, now: datetime) -> list[dict[str, object]]:
    sessions = tables.sessions()
    return [
        {
            "purpose": purpose,
            "key": one.fact.key_id,
            "published": one.published_at,
            "retired": one.retired_at,
            "days": ((one.retired_at or now) - one.published_at).days,
            "destroyed_from": destroyed_at(one, sessions) if purpose == "intake" else None,
        }
        for purpose in _PURPOSES
        for one in tables.backbone_key_lives(purpose)
    ]


def _show(held: Ages, published: Sequence[dict[str, object]]) -> None:
    day = f"{held.kek_since:%Y-%m-%d}" if held.kek_since else "never"
    console().print(f"Key-encryption key in use since {day}.")
    rows = [(one.kind, one.living, one.destroyed, _at(one.oldest)) for one in held.held]
    console().print(table("in the vault", ("secret", "living", "destroyed", "oldest"), rows))
    columns = ("purpose", "key", "published", "retired", "days", "private half goes")
    shown = [tuple(_at(value) for value in one.values()) for one in published]
    console().print(table("published by the office", columns, shown))


def _at(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "" if value is None else value


@app.command("rotate-intake")
def rotate_intake_command(as_json: Json = False) -> None:
    """Publishes a new intake key and retires those before it; open sessions go on.

    The private half of a retired key is destroyed by `dpp run keeper`, 40 days after the last
    session under it has closed.
    """
    with one_sentence():
        stated = asyncio.run(_rotate_intake(load_settings()))
    if as_json:
        print_json({"stated": stated})
    else:
        for sentence in stated:
            console().print(sentence)


async def _rotate_intake(settings: Settings) -> list[str]:
    async with (
        opened_vault(settings, maximum=1, listening=False) as vault,
        following(settings) as tables,
    ):
        return await rotate_intake(settings, tables, vault)


@app.command("new-kek")
def new_kek(
    file: Annotated[Path, typer.Argument(help="New file for the key (mode 0600).")],
) -> None:
    """Makes a key-encryption key, which nothing uses yet."""
    with one_sentence():
        create_kek_file(file)
    console().print(
        f"Keep {file} secret. Give it to every process as DPP_KEK_ALSO_FILE first; then swap it "
        "with DPP_KEK_FILE; then run dpp keys rewrap."
    )


@app.command("rewrap")
def rewrap_command(as_json: Json = False) -> None:
    """Wraps every secret of the vault under DPP_KEK_FILE that only DPP_KEK_ALSO_FILE opens.

    Run it once every process has both; running it again goes on where it was interrupted.
    """
    with one_sentence():
        settings = load_settings()
        former = load_other_keks(settings)
        if not former:
            fail("DPP_KEK_ALSO_FILE is not set: name the file of the former key in it.")
        count = asyncio.run(_rewrap(settings, former[0]))
    if as_json:
        print_json({"rewrapped": count})
    else:
        console().print(
            f"{count} secrets rewrapped. The former key opens nothing in this vault any more; "
            "keep it as long as a backup that was made before."
        )


async def _rewrap(settings: Settings, former: bytes) -> int:
    async with connect(settings.vault, autocommit=True, statement_ms=0) as connection:
        return await rewrap(connection, load_kek(settings), former)
