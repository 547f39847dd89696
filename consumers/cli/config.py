"""`dpp config`: what the environment tells this process, secrets masked."""

import typer

from consumers.cli.infra_commands import Json
from consumers.cli.output import console, one_sentence, print_json, table
from infra.settings import load_settings

app = typer.Typer(help="Settings from the environment (DPP_...).", no_args_is_help=True)


@app.command()
def show(as_json: Json = False) -> None:
    """Shows every setting as this process reads it; secrets are masked."""
    with one_sentence():
        values = {f"DPP_{name.upper()}": value for name, value in load_settings()}
    if as_json:
        print_json({name: None if value is None else str(value) for name, value in values.items()})
    else:
        shown = [(name, "" if value is None else value) for name, value in values.items()]
        console().print(table("settings", ("variable", "value"), shown))
