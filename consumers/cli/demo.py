"""`dpp demo`: the whole flow, shown to a person, failing if anything is not as it must be."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.cli.simulate import (
    FULL,
    Lines,
    Persons,
    Pharmacies,
    Plain,
    Seed,
    as_object,
    show_counts,
)
from consumers.demo.reading import Told, role_of
from consumers.demo.run import Verdict, tell
from consumers.simulation.population import SimulationSize
from infra.observability import logs
from infra.settings import load_settings

_SHOWN_LINES: Final = 12
_SHOWN_ACCESSES: Final = 20
_READERS: Final = ("patient", "holder", "physician", "pharmacist")


def demo(  # noqa: PLR0917 - typer passes options by name
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep everything in this folder.")
    ] = None,
    seed: Seed = 1,
    pharmacies: Pharmacies = FULL.pharmacies,
    persons: Persons = FULL.persons,
    lines: Lines = FULL.lines,
    plain: Plain = False,
    as_json: Json = False,
) -> None:
    """Runs a whole simulated year in a new backbone, reads as everybody, compares everything."""
    screen = console(plain=plain)
    size = SimulationSize(pharmacies, persons, lines)
    with one_sentence():
        logs.configure("console", part="demo")
        settings = load_settings()
        try:
            with shown(screen, silent=as_json) as progress:
                verdict = asyncio.run(tell(settings, data, seed, size, progress))
        except ValueError as error:
            fail(str(error), Exit.USAGE)
    if as_json:
        checks = verdict.checks.as_json()
        told = {**as_object(verdict.simulated), "checks": checks, "seconds": verdict.seconds}
        print_json({"holds": verdict.holds, **told})
    else:
        _show(screen, verdict)
    raise typer.Exit(Exit.OK if verdict.holds else Exit.UNEXPECTED)


def _show(screen: Console, verdict: Verdict) -> None:
    show_counts(screen, verdict.simulated)
    told = verdict.told
    _show_history(screen, told.views.get("patient", []))
    _show_views(screen, told.views)
    _show_refusals(screen, told)
    _show_accesses(screen, told.accesses)
    rows = [
        ("ok" if check.holds else "[red]FAILED[/red]", check.what, check.expected, check.observed)
        for check in verdict.checks.made
    ]
    screen.print(table("What had to be seen", ("", "what", "expected", "seen"), rows))
    visible = f"{told.visible_seconds * 1000:.0f} ms"
    screen.print(f"From the counter of a pharmacy to the patient's screen: {visible}.")
    screen.print(f"All of it took {verdict.seconds['all']:.0f} s.")
    good = "[green]Every count and every expectation holds.[/green]"
    screen.print(good if verdict.holds else "[red]Something is not as planned.[/red]")


def _show_history(screen: Console, lines: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (line["delivered_at"][:10], _product(line), line["units"], line["status"], line["pharmacy"])
        for line in lines[:_SHOWN_LINES]
    ]
    title = f"The patient's six months: the latest {len(rows)} of {len(lines)} lines"
    columns = ("day", "product", "units", "status", "pharmacy")
    screen.print(table(title, columns, rows))


def _show_views(screen: Console, views: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    readers = [one for one in _READERS if views.get(one)]
    members = ("delivered_at", "product", "units", "posology", "prescription", "pharmacy")
    rows: list[tuple[object, ...]] = [("lines", *(len(views[one]) for one in readers))]
    rows += [(name, *(_cell(views[one][0], name) for one in readers)) for name in members]
    oldest = (str(min(line["delivered_at"] for line in views[one]))[:10] for one in readers)
    rows.append(("oldest", *oldest))
    screen.print(
        table("The same record, and its latest line, as each sees it", ("", *readers), rows)
    )


def _show_refusals(screen: Console, told: Told) -> None:
    rows = [(one.who, one.why, one.status, one.title) for one in told.refusals]
    columns = ("reader", "what the answer does not tell", "status", "answer")
    screen.print(table("Refused, all alike", columns, rows))
    before, done, after = told.withdrawal
    screen.print(
        f"Withdrawal of consent: the read before it {before}, the withdrawal {done}, "
        f"the very next read {after}."
    )


def _show_accesses(screen: Console, accesses: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (one["at"][:19], role_of(one), one["decision"], one["rows"], one["words"]["en"])
        for one in accesses[:_SHOWN_ACCESSES]
    ]
    title = f"The patient's access log: the latest {len(rows)} of {len(accesses)}"
    screen.print(table(title, ("at", "role", "decision", "lines", "why"), rows))


def _product(line: Mapping[str, Any]) -> str:
    product = line["product"]
    return str(product.get("name_fr") or product.get("name_nl") or product["kind"])


def _cell(line: Mapping[str, Any], member: str) -> str:
    value = line.get(member)
    if value is None:
        return "-"
    if member == "product":
        return _product(line)
    if member == "posology":
        return str(value.get("text") or "structured")
    if member == "prescription":
        return str(value.get("rid") or "yes")
    return str(value)
