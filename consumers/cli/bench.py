"""`dpp bench`: measures, prints, and keeps what was measured."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Annotated, Final

import typer
from rich.console import Console

from consumers.bench import kept
from consumers.bench.benches import BENCHES, ROOT, Bench, run_bench
from consumers.bench.result import Result
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, one_sentence, print_json, table
from consumers.cli.progress import shown
from infra.observability import logs

app = typer.Typer(
    help="Benchmarks against named rivals; results are kept in docs/benchmarks.",
    no_args_is_help=True,
)
PLANS: Final = ROOT / "docs" / "design" / "history-plans.md"
PLANNED_ROWS: Final = 1_000_000
Rounds = Annotated[int, typer.Option(min=1, help="How often each contender is measured.")]
Rows = Annotated[int, typer.Option(min=1000, help="Rows in the table.")]
Seconds = Annotated[float, typer.Option(min=0.1, help="Seconds of one measurement.")]
Plain = Annotated[bool, typer.Option("--plain", help="No colours, no bars.")]
Save = Annotated[bool, typer.Option("--save", help="Keep the result, and renew the page.")]


def _command(bench: Bench) -> Callable[..., None]:
    if bench.rows is not None and bench.seconds is not None:
        return _timed_command(bench, bench.rows, bench.seconds)
    if bench.rows is not None:
        return _sized_command(bench, bench.rows)

    def command(
        rounds: Rounds = bench.rounds,
        save: Save = False,
        plain: Plain = False,
        as_json: Json = False,
    ) -> None:
        _measure(bench, rounds, save=save, plain=plain, as_json=as_json)

    return command


def _sized_command(bench: Bench, default: int) -> Callable[..., None]:
    def command(
        rounds: Rounds = bench.rounds,
        rows: Rows = default,
        save: Save = False,
        plain: Plain = False,
        as_json: Json = False,
    ) -> None:
        _measure(bench, rounds, save=save, plain=plain, as_json=as_json, rows=rows)

    return command


def _timed_command(bench: Bench, size: int, duration: float) -> Callable[..., None]:
    def command(
        *,
        rounds: Rounds = bench.rounds,
        rows: Rows = size,
        seconds: Seconds = duration,
        save: Save = False,
        plain: Plain = False,
        as_json: Json = False,
    ) -> None:
        _measure(bench, rounds, save=save, plain=plain, as_json=as_json, rows=rows, seconds=seconds)

    return command


def _measure(
    bench: Bench,
    rounds: int,
    *,
    save: bool,
    plain: bool,
    as_json: bool,
    rows: int | None = None,
    seconds: float | None = None,
) -> None:
    script = " ".join(("dpp", *sys.argv[1:]))
    logs.configure("console", part="bench")
    # Progress goes to standard error, so that the answer stays alone on standard output.
    screen = Console(stderr=True, no_color=plain, highlight=False)
    with one_sentence():
        with shown(screen, silent=False) as progress:
            result = run_bench(bench, rounds, progress, rows, seconds)
        if save:
            kept.keep(result, script, datetime.now(UTC).date(), kept.FOLDER)
            kept.PAGE.write_text(kept.page(kept.FOLDER), "utf-8")
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        show_result(console(plain=plain), result)
    raise typer.Exit(Exit.UNEXPECTED if result.missed else Exit.OK)


@app.command()
def report(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; 1 if it is old.")] = False,
) -> None:
    """Writes docs/benchmarks.md from the kept results."""
    with one_sentence():
        wanted = kept.page(kept.FOLDER)
        if check and (not kept.PAGE.exists() or kept.PAGE.read_text("utf-8") != wanted):
            console().print(f"{kept.PAGE} is not what the kept results say: run dpp bench report.")
            raise typer.Exit(Exit.UNEXPECTED)
        if not check:
            kept.PAGE.write_text(wanted, "utf-8")
        console().print(f"{len(kept.read_kept(kept.FOLDER))} results, {kept.PAGE}")


@app.command()
def plans(
    rows: Rows = PLANNED_ROWS,
    save: Annotated[bool, typer.Option("--save", help=f"Write {PLANS.name}.")] = False,
    plain: Plain = False,
) -> None:
    """How PostgreSQL reads the history: EXPLAIN (ANALYZE, BUFFERS) of every statement."""
    screen = Console(stderr=True, no_color=plain, highlight=False)
    with one_sentence(), shown(screen, silent=False) as progress:
        # Imported here, as benchmarks are: it brings the servers with it.
        found: str = import_module("consumers.bench.history.plans").page(rows, progress)
    if save:
        PLANS.write_text(found, "utf-8")
    console(plain=plain).print(found, markup=False, highlight=False, soft_wrap=True)


def show_result(screen: Console, result: Result) -> None:
    """Tables for people."""
    measured = [
        (name, one.unit, one.median, one.min, one.max) for name, one in result.results.items()
    ]
    screen.print(table(result.bench, ("figure", "unit", "median", "lowest", "highest"), measured))
    if result.ratios:
        ratios = [(name, one.median, one.min, one.max) for name, one in result.ratios.items()]
        screen.print(table("ratios", ("ratio", "median", "lowest", "highest"), ratios))
    if result.goals:
        goals = [
            (
                name,
                "≥" if one.at_least else "≤",
                one.goal,
                one.value,
                "met" if one.met else "missed",
            )
            for name, one in result.goals.items()
        ]
        screen.print(table("goals", ("goal", "", "wanted", "reached", ""), goals))


for _one in BENCHES:
    app.command(_one.name, help=_one.summary)(_command(_one))
