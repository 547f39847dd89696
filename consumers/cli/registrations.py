"""`dpp registrations`: the codes of registrations, and what stood about somebody at some time."""

from typing import Annotated

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, print_json, table
from consumers.vendors import registration_codes
from streams.subject.codes import CODES

app = typer.Typer(help="Consent, links, exclusions, mandates, persons.", no_args_is_help=True)


@app.command()
def rules(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page docs/registration-codes.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lists every code that a receipt may hold, with texts in four languages for programs."""
    if markdown and as_json:
        fail("--markdown writes the page, --json lists for programs: give one.", Exit.USAGE)
    if markdown:
        typer.echo(registration_codes.page(), nl=False)
    elif as_json:
        print_json([registration_codes.row(code) for code in CODES.values()])
    else:
        rows = [(code.code, code.fault_class, code.texts.en) for code in CODES.values()]
        console().print(table("codes of registrations", ("code", "class", "meaning"), rows))
