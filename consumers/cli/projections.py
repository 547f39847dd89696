"""`dpp projections`: how they stand, rebuild, verify, retry and drop versions."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from enum import StrEnum
from time import monotonic
from typing import Annotated, Final, TypeVar

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, one_sentence, print_json, table
from consumers.stack.stack import migration_sources
from infra.keys.opening import opened_vault
from infra.migrations import require_current
from infra.postgres import connect
from infra.settings import Settings, load_settings
from projections.hashing import Difference
from projections.rebuild import Options, Report, Standing
from projections.rebuild import rebuild as rebuild_projection
from projections.retrying import retry as call_runners
from projections.retrying import retry_set_aside
from projections.shells import Projection, registered
from projections.status import Status, statuses
from projections.store import Failure
from projections.verify import Verification
from projections.verify import verify as verify_projection
from projections.versions import drop as drop_version

app = typer.Typer(help="Projections and their versions.", no_args_is_help=True)
T = TypeVar("T")


class Name(StrEnum):
    """The projections that there are."""

    HISTORY = "history"
    ACCESS_STATE = "access_state"
    ACCESS_LOG = "access_log"
    QUALITY = "quality"
    PRODUCT_RECALL = "product_recall"
    ERASURES = "erasures"
    CONSUMPTION = "consumption"
    RECALL = "recall"
    SURVEILLANCE = "surveillance"


Named = Annotated[Name, typer.Argument(help="Which projection.")]
LINE_SECONDS: Final = 5.0
"""How often progress is printed where there is no terminal."""


@app.command()
def status(as_json: Json = False) -> None:
    """Shows versions, positions, lag, what was set aside, and why one stands still.

    Answers 1 if a projection stands still, was left behind, or has set events aside.
    """
    with one_sentence():
        found = asyncio.run(statuses(load_settings()))
    if as_json:
        print_json({"projections": [asdict(one) for one in found]})
    else:
        _print_status(found)
    raise typer.Exit(Exit.OK if all(one.well for one in found) else Exit.UNEXPECTED)


@app.command()
def rebuild(  # noqa: PLR0917 - typer passes options by name
    name: Named,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    cap: Annotated[
        float | None, typer.Option(min=1, help="At most so many records a second, in all.")
    ] = None,
    from_snapshot: Annotated[
        bool, typer.Option(help="Begin with a copy of the live rows instead of the log.")
    ] = False,
    set_aside: Annotated[
        bool, typer.Option(help="Leave out events with wrong content, and count them.")
    ] = False,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Not compared, since this release fills it in another way; may be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Builds a new version from the log, verifies it against the live one, and switches to it.

    Ctrl-C stops it at a true position; the same command goes on from there. The former version is
    kept until `dpp projections drop`. Answers 1 unless the new version is live.
    """
    options = Options(workers, cap, set_aside, from_snapshot, frozenset(changed or ()))

    async def work(settings: Settings, projection: Projection) -> Report:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        told = _told(silent=as_json)
        return await rebuild_projection(settings, projection, options=options, told=told, stop=stop)

    report = _run(name, work)
    if as_json:
        print_json({**asdict(report), "rate": round(report.rate)})
    else:
        _print_report(report)
    raise typer.Exit(Exit.OK if report.outcome == "live" else Exit.UNEXPECTED)


@app.command()
def verify(
    name: Named,
    rebuilt: Annotated[bool, typer.Option(help="Compare with a version built anew.")] = True,
    memory: Annotated[bool, typer.Option(help="Compare with a fold in memory.")] = True,
    as_json: Json = False,
) -> None:
    """Compares the live version with the log at one position; answers 1 if they differ."""

    async def work(settings: Settings, projection: Projection) -> Verification:
        return await verify_projection(settings, projection, rebuilt=rebuilt, memory=memory)

    found = _run(name, work)
    if as_json:
        print_json(_verification(found))
    else:
        _print_verification(found)
    raise typer.Exit(Exit.OK if found.equal else Exit.UNEXPECTED)


@app.command()
def retry(name: Named, as_json: Json = False) -> None:
    """Applies what was set aside, and lets a projection that stands still try again.

    Answers 1 if an event still cannot be applied.
    """

    async def work(settings: Settings, projection: Projection) -> list[Failure]:
        rest = await retry_set_aside(settings, projection)
        async with connect(settings.dsn, autocommit=True) as connection:
            await call_runners(connection, projection.name)
        return rest

    rest = _run(name, work)
    if as_json:
        print_json({"projection": name.value, "set_aside": [asdict(one) for one in rest]})
    else:
        console().print(f"{name.value}: runners were told; {len(rest)} events stay set aside.")
        for one in rest:
            console().print(f"  {one.topic}-{one.partition} at {one.position}: {one.category}")
    raise typer.Exit(Exit.UNEXPECTED if rest else Exit.OK)


@app.command()
def drop(
    name: Named,
    version: Annotated[int, typer.Argument(help="A version that is not live.")],
    as_json: Json = False,
) -> None:
    """Removes a version that is not live, with its rows."""

    async def work(settings: Settings, projection: Projection) -> None:
        async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
            await drop_version(connection, projection, version)

    _run(name, work)
    if as_json:
        print_json({"projection": name.value, "dropped": version})
    else:
        console().print(f"{name.value}: version {version} is dropped.")


def _run(name: Name, work: Callable[[Settings, Projection], Awaitable[T]]) -> T:
    async def inside() -> T:
        settings = load_settings()
        await require_current(migration_sources(settings))
        async with _projection(settings, name) as projection:
            return await work(settings, projection)

    with one_sentence():
        return asyncio.run(inside())
    raise AssertionError("a failure has ended the command")


@asynccontextmanager
async def _projection(settings: Settings, name: Name) -> AsyncIterator[Projection]:
    async with opened_vault(settings) as vault:
        yield next(one for one in registered(vault) if one.name == name.value)


def _told(*, silent: bool) -> Callable[[Standing], None]:
    screen = console()
    last: list[tuple[str, float]] = [("", 0.0)]

    def told(now: Standing) -> None:
        step, printed = last[0]
        if silent or (step == now.step and monotonic() - printed < LINE_SECONDS):
            return
        last[0] = (now.step, monotonic())
        left = now.seconds_left
        counted = f"{now.done:,} of {now.total:,} records, {now.rate:,.0f} a second"
        time_left = "" if left is None else f", {left:,.0f} s left"
        screen.print(f"{now.step}: {counted}{time_left}" if now.total else f"{now.step} ...")

    return told


def _print_status(found: list[Status]) -> None:
    screen = console()
    columns = ("projection", "version", "layout", "state", "lag", "set aside", "moved", "why")
    rows = [
        (
            one.projection,
            one.version,
            one.layout,
            one.state,
            "?" if one.lag is None else one.lag,
            one.set_aside,
            "" if one.moved_at is None else f"{one.moved_at:%Y-%m-%d %H:%M:%S}",
            one.why,
        )
        for one in found
    ]
    screen.print(table("projections", columns, rows))


def _print_report(report: Report) -> None:
    screen = console()
    said = {
        "live": "is live; the former one is kept",
        "cancelled": "was left at a true position: run the command again to go on",
        "differs": "differs from the live one and was not switched to",
        "stopped": "met an event that it cannot take over (--set-aside leaves such events out)",
    }
    screen.print(
        f"{report.projection}: version {report.version} {said[report.outcome]}. "
        f"{report.records:,} records in {report.seconds:.1f} s ({report.rate:,.0f} a second), "
        f"{report.set_aside} set aside."
    )
    if report.content_hash:
        screen.print(f"content hash: {report.content_hash}")
    if report.failure is not None:
        one = report.failure
        screen.print(f"{one.category}: {one.topic}-{one.partition} at {one.position}")
    if report.difference is not None:
        screen.print(f"first difference: {words(report.difference)}")


def _verification(found: Verification) -> dict[str, object]:
    sides = {"live": found.live, "rebuilt": found.rebuilt, "memory": found.memory}
    return {
        "projection": found.projection,
        "version": found.version,
        "equal": found.equal,
        "positions": found.positions,
        "public_hash": found.public,
        "hashes": {name: one.digest for name, one in sides.items() if one is not None},
        "rows": {name: one.rows for name, one in sides.items() if one is not None},
        "differences": {name: asdict(one) for name, one in found.differences.items()},
    }


def _print_verification(found: Verification) -> None:
    screen = console()
    shown = _verification(found)
    at = ", ".join(f"{one}: {position}" for one, position in found.positions.items())
    screen.print(f"{found.projection}, version {found.version}, at {{{at}}}:")
    hashes, rows = shown["hashes"], shown["rows"]
    if isinstance(hashes, dict) and isinstance(rows, dict):
        for name, digest in hashes.items():
            screen.print(f"  {name:8} {digest}  {rows[name]:,} rows")
    screen.print(f"  public   {found.public}")
    screen.print("equal" if found.equal else "they differ:")
    for name, one in found.differences.items():
        screen.print(f"  live and {name}: {words(one)}")


def words(one: Difference) -> str:
    """A difference in one line."""
    who = "" if one.subject is None else f"subject {one.subject}, "
    key = ", ".join(f"{name} {value}" for name, value in one.key.items())
    what = f"missing in {one.missing}" if one.missing else f"columns {', '.join(one.columns)}"
    return f"{who}{one.table} ({key}): {what}"
