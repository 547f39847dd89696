"""`dpp quality`: what quality control knows, checks and has seen."""

from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, print_json, table
from consumers.vendors import codes_page
from streams.quality.codes import CODES, Code

app = typer.Typer(help="Quality control of what pharmacies submit.", no_args_is_help=True)


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


def _named(wanted: list[str]) -> list[Code]:
    unknown = [name for name in wanted if name.upper() not in CODES]
    if unknown:
        fail(f"There is no code {unknown[0]}: dpp quality rules lists them all.", Exit.USAGE)
    return [CODES[name.upper()] for name in wanted] or list(CODES.values())
