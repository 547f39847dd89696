"""`dpp demo`: the whole flow, shown to a person, failing if anything is not as it must be."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, one_sentence, print_json, table
from consumers.demo.run import Told, tell
from infra.observability import logs
from infra.settings import load_settings


def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep everything in this folder.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours.")] = False,
    as_json: Json = False,
) -> None:
    """Starts everything, publishes, reads as everybody, and compares with what was planned."""
    screen = console(plain=plain)

    def progress(step: str) -> None:
        if not as_json:
            screen.print(f"[bold]{step}[/bold] ...")

    with one_sentence():
        logs.configure("console", part="demo")
        told = asyncio.run(tell(load_settings(), data, progress))
    if as_json:
        print_json({"outcomes": told.outcomes, "checks": told.checks.as_json()})
    else:
        _show(screen, told)
    raise typer.Exit(Exit.OK if told.checks.hold else Exit.UNEXPECTED)


def _show(screen: Console, told: Told) -> None:
    lines = [
        (
            line["delivered_at"][:10],
            line["product"].get("name_fr") or line["product"].get("name_nl") or "",
            line["units"],
            line["pharmacy"],
        )
        for line in told.history["lines"]
    ]
    screen.print(table("The patient's six months", ("day", "product", "units", "pharmacy"), lines))
    log = [
        (one["at"][:19], one["role"], one["decision"], one["words"]["en"]) for one in told.accesses
    ]
    screen.print(table("The patient's access log", ("at", "role", "decision", "why"), log))
    rows = [
        ("ok" if check.holds else "FAILED", check.what, check.observed)
        for check in told.checks.made
    ]
    screen.print(table("What had to be seen", ("", "what", "observed"), rows))
    verdict = "[green]Everything is as planned.[/green]"
    screen.print(verdict if told.checks.hold else "[red]Something is not as planned.[/red]")
