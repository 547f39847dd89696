"""`dpp schemas`: the JSON Schemas and the AsyncAPI document beside the models."""

from pathlib import Path
from typing import Annotated

import typer

import schemas
from consumers.cli.output import Exit, console, print_json
from schemas import registry_check

app = typer.Typer(help="JSON Schemas and AsyncAPI of the contract.", no_args_is_help=True)
REGISTRY = Path(schemas.__file__).parent / "registry"


@app.command()
def generate() -> None:
    """Writes the schemas of the current revisions into the registry."""
    written = registry_check.expected()
    for path, content in written.items():
        file = REGISTRY / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    console().print(f"{len(written)} files written.")


@app.command()
def check(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Fails when the registry is stale or a change would break old events or old readers."""
    committed = {
        path.relative_to(REGISTRY).as_posix(): path.read_bytes()
        for path in REGISTRY.rglob("*.json")
    }
    problems = registry_check.problems(committed)
    if as_json:
        print_json({"files": len(committed), "problems": problems})
    else:
        for problem in problems or [f"{len(committed)} files, no problem."]:
            console().print(problem)
    raise typer.Exit(Exit.UNEXPECTED if problems else Exit.OK)
