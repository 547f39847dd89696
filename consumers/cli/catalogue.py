"""`dpp catalogue`: loads versions of the medicines catalogue and looks codes up in them."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from consumers.catalogue.export import Reading, Told, entries
from consumers.catalogue.files import origin
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from infra.catalogue.loading import Loaded, load, require_name
from infra.catalogue.postgres import PostgresCatalogue, Version, migrations_source
from infra.migrations import require_current
from infra.postgres import pool
from infra.settings import load_settings
from schemas.brussels import day_of
from schemas.catalogue import CatalogueEntry, as_of

app = typer.Typer(help="Versions of the medicines catalogue.", no_args_is_help=True)

VersionName = Annotated[str, typer.Option("--version", help="Its name, as sam/2026-01-15.")]
Looked = tuple[str | None, tuple[CatalogueEntry, ...]]


@app.command("load")
def load_files(
    files: Annotated[list[Path], typer.Argument(help="SAM v2 export: .xml, .xml.gz or .zip.")],
    version: VersionName,
    as_json: Json = False,
) -> None:
    """Loads a SAM v2 export as a new version, which never changes once it is complete.

    Give all parts of one version at once. A load that ended early is started over by running it
    again; the same files under the same name again change nothing.
    """
    reading = Reading()
    started = monotonic()
    with one_sentence(), shown(console(), silent=as_json) as told:
        loaded = asyncio.run(_load(files, version, reading, told))
    seconds = round(monotonic() - started, 3)
    if as_json:
        print_json({"version": version, **_report(loaded, reading), "seconds": seconds})
    else:
        _print_report(version, loaded, reading, seconds)


@app.command()
def versions(as_json: Json = False) -> None:
    """Lists the versions in the database."""
    with one_sentence():
        found = asyncio.run(_versions())
    if as_json:
        print_json({"versions": [asdict(one) for one in found]})
    else:
        columns = ("version", "from", "complete", "codes", "entries", "loaded at", "sha256")
        rows = [
            (
                one.version,
                one.source,
                "yes" if one.complete else "no",
                one.codes,
                one.entries,
                "" if one.loaded_at is None else f"{one.loaded_at:%Y-%m-%d %H:%M}",
                one.sha256[:12],
            )
            for one in found
        ]
        console().print(table("versions of the catalogue", columns, rows))


@app.command()
def show(
    cnk: Annotated[str, typer.Argument(help="Seven digits.")],
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day; today if none is given.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="The one loaded last if none is given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows what a code stands for on a day; answers 1 if nothing is known of it then."""
    day = day_of(datetime.now(UTC)) if on is None else on.date()
    with one_sentence():
        name, periods = asyncio.run(_look_up(cnk, version))
    if name is None:
        fail(f"There is no complete version {version or 'of the catalogue'}.", Exit.UNEXPECTED)
    entry = as_of(periods, day)
    if as_json:
        content = None if entry is None else asdict(entry)
        print_json({"version": name, "on": day, "cnk": cnk, "entry": content})
    elif entry is None:
        console().print(_unknown(cnk, day, str(name), periods))
    else:
        values = [(key, _shown(value)) for key, value in asdict(entry).items()]
        console().print(table(f"{name} on {day}", ("field", "value"), values))
    raise typer.Exit(Exit.UNEXPECTED if entry is None else Exit.OK)


async def _load(files: Sequence[Path], version: str, reading: Reading, told: Told) -> Loaded:
    require_name(version)
    dsn = load_settings().dsn
    await require_current([migrations_source(dsn)])
    from_files = entries(files, reading, told)
    return await load(dsn, version, origin(files), from_files, counts=lambda: reading.tally.counts)


async def _versions() -> tuple[Version, ...]:
    dsn = load_settings().dsn
    await require_current([migrations_source(dsn)])
    async with pool(dsn, maximum=1) as connections:
        return await PostgresCatalogue(connections).versions()


async def _look_up(cnk: str, version: str | None) -> Looked:
    """The periods of a code in a version, and its name; no name if there is none."""
    dsn = load_settings().dsn
    await require_current([migrations_source(dsn)])
    async with pool(dsn, maximum=1) as connections:
        catalogue = PostgresCatalogue(connections)
        known = [one.version for one in await catalogue.versions() if one.complete]
        name = version or next(reversed(known), None)
        if name not in known:
            return None, ()
        return name, (await catalogue.entries(str(name), [cnk])).get(cnk, ())


def _report(loaded: Loaded, reading: Reading) -> dict[str, object]:
    return {
        **asdict(loaded),
        "read": reading.read,
        "skipped": reading.skipped,
        "counts": dict(reading.tally.counts),
        "examples": reading.tally.examples,
    }


def _print_report(version: str, loaded: Loaded, reading: Reading, seconds: float) -> None:
    screen = console()
    if loaded.already:
        screen.print(f"{version} was loaded from these files before; nothing was done.")
        return
    screen.print(
        f"{version}: {loaded.codes} codes in {loaded.entries} periods, in {seconds:.1f} seconds."
    )
    counts = {**reading.tally.counts, "repeated": loaded.repeated}
    screen.print(table("counted", ("what", "number"), sorted(counts.items())))
    for example in reading.tally.examples:
        screen.print(f"left out, {example}", markup=False)
    if reading.skipped:
        screen.print(f"passed over: {', '.join(reading.skipped)}", markup=False)


def _unknown(cnk: str, day: date, version: str, periods: Sequence[CatalogueEntry]) -> str:
    if not periods:
        return f"{version} does not know the code {cnk}."
    known = ", ".join(f"{one.valid_from} to {one.valid_until or 'now'}" for one in periods)
    return f"{version} knows nothing of {cnk} on {day}; it knows it from {known}."


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case dict():
            return "\n".join(f"{key}: {text}" for key, text in value.items())
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)
