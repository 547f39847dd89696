"""`dpp topics` and `dpp db`: bring broker and databases to the declaration, or compare them."""

import asyncio
from typing import Annotated

import typer

from consumers.catalogue.sample import ensure_sample
from consumers.cli.output import Exit, console, one_sentence, print_json
from consumers.stack.stack import migration_sources
from infra import migrations, topics
from infra.settings import Settings, load_settings
from schemas.topics import EMBEDDED_PARTITIONS

topics_app = typer.Typer(help="Topics as declared in code.", no_args_is_help=True)
db_app = typer.Typer(help="Migrations of the databases.", no_args_is_help=True)

Partitions = Annotated[int, typer.Option(min=1, help="Partitions of every topic; never changes.")]
Replication = Annotated[int, typer.Option(min=1, help="Replicas of every partition.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


@topics_app.command("apply")
def topics_apply(
    partitions: Partitions = EMBEDDED_PARTITIONS,
    replication: Replication = 1,
    as_json: Json = False,
) -> None:
    """Creates the topics that are missing; changes nothing that exists."""
    with one_sentence():
        applied = asyncio.run(
            topics.apply(load_settings(), replication=replication, partitions=partitions)
        )
    differences = [str(difference) for difference in applied.differences]
    if as_json:
        print_json({"created": list(applied.created), "differences": differences})
    else:
        console().print(f"{len(applied.created)} topics created.")
        for difference in differences:
            console().print(f"differs: {difference}")
    raise typer.Exit(Exit.UNEXPECTED if differences else Exit.OK)


@topics_app.command("check")
def topics_check(
    partitions: Partitions = EMBEDDED_PARTITIONS,
    replication: Replication = 1,
    as_json: Json = False,
) -> None:
    """Compares the broker's topics with the declaration."""
    with one_sentence():
        found = asyncio.run(
            topics.check(load_settings(), replication=replication, partitions=partitions)
        )
    differences = [str(difference) for difference in found]
    if as_json:
        print_json({"differences": differences})
    else:
        for line in differences or ["All topics are as declared."]:
            console().print(line)
    raise typer.Exit(Exit.UNEXPECTED if differences else Exit.OK)


@db_app.command("migrate")
def db_migrate(as_json: Json = False) -> None:
    """Applies pending migrations, each in a transaction of its own, and loads the sample."""
    with one_sentence():
        states = asyncio.run(_migrate(load_settings()))
    if as_json:
        print_json({state.database: {"applied": list(state.applied)} for state in states})
    else:
        for state in states:
            console().print(f"{state.database}: {len(state.applied)} migrations applied.")


async def _migrate(settings: Settings) -> list[migrations.Status]:
    states = await migrations.migrate(migration_sources(settings))
    await ensure_sample(settings.dsn)
    return states


@db_app.command("check")
def db_check(as_json: Json = False) -> None:
    """Says what is pending, changed, or newer than this code."""
    with one_sentence():
        states = asyncio.run(migrations.check(migration_sources(load_settings())))
    if as_json:
        print_json(
            {
                state.database: {
                    "pending": list(state.pending),
                    "obstacles": list(state.obstacles),
                }
                for state in states
            }
        )
    else:
        for state in states:
            words = [*state.obstacles, *(f"{name} is pending" for name in state.pending)]
            console().print(f"{state.database}: {'; '.join(words) or 'current'}.")
    current = all(state.current for state in states)
    raise typer.Exit(Exit.OK if current else Exit.UNEXPECTED)
