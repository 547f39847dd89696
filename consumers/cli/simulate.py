"""`dpp simulate`: a seeded Belgian year, published to a running backbone and compared."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.progress import Progress
from consumers.simulation.population import SimulationSize
from consumers.simulation.simulate import Row, Simulated, plan_year, simulate
from consumers.stack.running import running
from infra.errors import InfrastructureError
from infra.observability import logs

FULL = SimulationSize()
Seed = Annotated[int, typer.Option(help="The same seed gives the same people and medicines.")]
Pharmacies = Annotated[int, typer.Option(min=3, help="How many pharmacies publish.")]
Persons = Annotated[int, typer.Option(min=30, help="How many persons get medicines.")]
Lines = Annotated[int, typer.Option(min=1, help="About how many lines, defects not counted.")]
Plain = Annotated[bool, typer.Option("--plain", help="No colours, no bars.")]


def simulate_command(  # noqa: PLR0917 - typer passes options by name
    data: Annotated[
        Path, typer.Option("--data", help="Folder in which dpp up --dev-issuer runs.")
    ] = Path(".dpp"),
    seed: Seed = 1,
    pharmacies: Pharmacies = FULL.pharmacies,
    persons: Persons = FULL.persons,
    lines: Lines = FULL.lines,
    plain: Plain = False,
    as_json: Json = False,
) -> None:
    """Publishes a simulated year, registers its consents and links, and compares all counts."""
    screen = console(plain=plain)
    size = SimulationSize(pharmacies, persons, lines)
    with one_sentence():
        logs.configure("console", part="simulate")
        with shown(screen, silent=as_json) as progress:
            simulated = asyncio.run(_simulate(data, seed, size, progress))
    if as_json:
        print_json(as_object(simulated))
    else:
        show_counts(screen, simulated)
    raise typer.Exit(Exit.OK if simulated.agrees else Exit.UNEXPECTED)


async def _simulate(data: Path, seed: int, size: SimulationSize, progress: Progress) -> Simulated:
    settings, address = running(data)
    try:
        year = plan_year(seed, size, datetime.now(UTC))
    except ValueError as error:
        fail(str(error), Exit.USAGE)
    try:
        async with httpx.AsyncClient(base_url=address, timeout=60.0) as api:
            return await simulate(settings, api, year, progress)
    except httpx.HTTPError as error:
        raise InfrastructureError(
            f"The API at {address} does not answer ({type(error).__name__}): is dpp up running?"
        ) from error


def as_object(simulated: Simulated) -> dict[str, object]:
    """For programs."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for row in simulated.rows:
        pair = {"injected": row.injected, "observed": row.observed}
        counts.setdefault(row.group, {})[row.what] = pair
    return {
        "agrees": simulated.agrees,
        "counts": counts,
        "differences": list(simulated.differences),
        "seconds": dict(simulated.seconds),
    }


def show_counts(screen: Console, simulated: Simulated) -> None:
    """The table of what was injected against what was observed, and every difference."""
    rows: Sequence[Row] = simulated.rows
    cells = [
        (
            row.group if at == 0 or rows[at - 1].group != row.group else "",
            row.what,
            row.injected,
            row.observed,
            "" if row.injected == row.observed else "[red]differs[/red]",
        )
        for at, row in enumerate(rows)
    ]
    columns = ("", "what", "injected", "observed", "")
    screen.print(table("What was injected and what came of it", columns, cells))
    for sentence in simulated.differences[:20]:
        screen.print(f"[red]{sentence}[/red]")
    if len(simulated.differences) > 20:  # noqa: PLR2004 - the line above
        screen.print(f"... and {len(simulated.differences) - 20} differences more")
