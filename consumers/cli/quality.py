"""`dpp quality`: what quality control knows, checks and has seen."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from consumers.cli import quality_stats, refused, silence
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.vendors import check as checking
from consumers.vendors import codes_page
from consumers.vendors.check import TYPES, Given, UnknownPolicy
from schemas.policy import PolicyVersion, baseline
from schemas.receipts import Issue, Receipt
from streams.quality.codes import CODES, Code, texts

app = typer.Typer(help="Quality control of what pharmacies submit.", no_args_is_help=True)
app.command("silent")(silence.silent)
app.command("gaps")(silence.gaps)
app.command("stats")(quality_stats.stats)
app.command("refused")(refused.refused)

Language = Literal["fr", "nl", "de", "en"]
_INSTANT: Final = "%Y-%m-%dT%H:%M:%S%z"


@app.command()
def rules(
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE]...", help="All, if none is named.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page docs/quality-codes.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lists every code that a receipt may hold, with texts in four languages for programs."""
    if markdown and not as_json and not wanted:
        typer.echo(codes_page.page(), nl=False)
        return
    if markdown:
        fail("--markdown writes the whole page: name no code and no --json.", Exit.USAGE)
    found = _named(wanted or [])
    if as_json:
        print_json([codes_page.row(code) for code in found])
    else:
        columns = ("code", "severity", "scope", "class", "path", "meaning")
        rows = [
            (
                code.code,
                code.severity,
                ", ".join(code.scopes),
                code.fault_class,
                code.path,
                code.texts.en,
            )
            for code in found
        ]
        console().print(table("codes of quality control", columns, rows))


@app.command()
def check(  # noqa: PLR0917 - typer passes options by name
    file: Annotated[
        Path, typer.Argument(help="Submissions as JSON: one, a list, or one a line; - reads them.")
    ],
    type_: Annotated[
        Literal["register", "correct", "revoke"],
        typer.Option("--type", help="What a body is that the file gives no type."),
    ] = "register",
    language: Annotated[Language, typer.Option(help="Language of the texts.")] = "en",
    policy: Annotated[
        str | None, typer.Option(help="A version such as quality/1, or a file that holds one.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=[_INSTANT], help="When it is submitted, with offset; now if not given."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Says what the receipts of submissions would be, with the backbone's own rules and no server.

    A submission is a body, or {"type": ..., "body": ...}; each is decided after those before it.
    The exit code is that of the worst: 0 accepted, 10 accepted with warnings, 20 partly refused,
    30 refused; 2 and 3 mean that nothing was checked.
    """
    moment = datetime.now(UTC) if at is None else at.astimezone(UTC)
    with one_sentence():
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        given = checking.read(data, TYPES[type_])
        version = _version(policy)
        receipts = asyncio.run(checking.check(given, moment, version))
    if as_json:
        print_json([json.loads(one.write()) for one in receipts])
    else:
        wording = (version or baseline("quality")).quality
        _show_receipts(
            console(), given, receipts, lambda code: getattr(texts(code, wording), language)
        )
    raise typer.Exit(checking.worst(receipts))


def _version(policy: str | None) -> PolicyVersion | None:
    try:
        return None if policy is None else checking.policy_version(policy)
    except UnknownPolicy as error:
        fail(str(error), Exit.USAGE)
        raise


def _show_receipts(
    screen: Console,
    given: Sequence[Given],
    receipts: Sequence[Receipt],
    said: Callable[[str], str],
) -> None:
    names = {name: short for short, name in TYPES.items()}
    for number, (one, receipt) in enumerate(zip(given, receipts, strict=True), 1):
        screen.print(f"{number}  {names.get(one.type, one.type)}: {receipt.outcome}", markup=False)
        _show_issues(screen, receipt.issues, said)
        for line in receipt.lines:
            score = "" if line.score is None else f", score {line.score}"
            version = "" if line.version is None else f", version {line.version}"
            screen.print(f"   {line.path or 'line'}: {line.outcome}{version}{score}", markup=False)
            _show_issues(screen, line.issues, said)


def _show_issues(screen: Console, issues: Sequence[Issue], said: Callable[[str], str]) -> None:
    for issue in issues:
        where = f" at {issue.path}" if issue.path else ""
        screen.print(f"   - {issue.severity} {issue.code}{where}", markup=False)
        screen.print(f"     {said(issue.code)} {issue.hint or ''}", markup=False)


def _named(wanted: list[str]) -> list[Code]:
    unknown = [name for name in wanted if name.upper() not in CODES]
    if unknown:
        fail(f"There is no code {unknown[0]}: dpp quality rules lists them all.", Exit.USAGE)
    return [CODES[name.upper()] for name in wanted] or list(CODES.values())
