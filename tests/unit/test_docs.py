"""The documents lead to each other; settings, metrics and commands stand in them, and no others."""

import ast
import os
import re
from pathlib import Path

import typer.main

from consumers.cli.main import app
from infra.settings import Settings
from streams.notary import handover

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "docs" / "operating" / "settings.md"
ROW = re.compile(r"^\| (`DPP_[^|]*) \| ([^|]*)\|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")
PARTS = ROOT / "docs" / "benchmarks"
"""Texts and figures of which `docs/benchmarks.md` is made."""


def links(page: Path) -> set[Path]:
    """The places in this tree that a page names."""
    named = (one for one in LINK.findall(page.read_text()) if "://" not in one)
    return {Path(os.path.normpath(page.parent / one)) for one in named}


def pages() -> list[Path]:
    found = sorted(one for one in ROOT.glob("docs/**/*.md") if one.parent != PARTS)
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *found]


def test_every_link_leads_somewhere() -> None:
    dead = [(page, one) for page in pages() for one in links(page) if not one.exists()]
    assert not dead


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        place = ahead.pop()
        if place not in reached:
            reached.add(place)
            ahead += place.glob("*.md") if place.is_dir() else ()
            ahead += links(place) if place.suffix == ".md" else ()
    assert [page for page in pages() if page not in reached] == []


def rows() -> dict[str, str]:
    """The settings of the page with the default that it states."""
    found: dict[str, str] = {}
    for names, default in re.findall(
        r"^\| (`DPP_[^|]*) \| ([^|]*)\|", SETTINGS.read_text(), re.MULTILINE
    ):
        each = re.findall(r"`(DPP_\w+)`", names)
        told = [one.strip() for one in default.split(",")]
        found |= zip(each, told if len(told) == len(each) else told * len(each), strict=True)
    return found


def test_every_setting_stands_on_its_page_and_nothing_else_does() -> None:
    assert set(rows()) == {f"DPP_{name.upper()}" for name in Settings.model_fields}


def test_the_page_states_every_default_that_is_a_plain_value() -> None:
    told = rows()
    for name, one in Settings.model_fields.items():
        if isinstance(one.default, bool | int | float | str | Path):
            plain = f"{one.default:g}" if isinstance(one.default, float) else str(one.default)
            wanted = plain.lower() if isinstance(one.default, bool) else plain
            assert told[f"DPP_{name.upper()}"] == f"`{wanted}`"


def _written() -> str:
    return "\n".join(page.read_text() for page in pages())


def _metrics(source: Path) -> set[str]:
    """The names by which a module makes metrics, as they are shown."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
            continue
        kind, name = node.func.id, node.args[0]
        if kind in {"Counter", "Gauge", "Histogram"} and isinstance(name, ast.Constant):
            total = "_total" if kind == "Counter" else ""
            found.add(str(name.value).removesuffix(total) + total)
    return found


def test_every_metric_stands_in_the_documents_and_nothing_else_does() -> None:
    code = ("consumers", "infra", "projections", "streams")
    sources = [source for folder in code for source in (ROOT / folder).rglob("*.py")]
    made = {one for source in sources for one in _metrics(source)}
    families = "|".join(sorted({one.split("_")[1] for one in made}))
    # Roles in the databases are named likewise.
    named = set(re.findall(rf"`(dpp_(?:{families})_[a-z_]*[a-z])[{{`]", _written()))
    assert (sorted(made - named), sorted(named - made)) == ([], [])


def _commands(command: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """Every command of the command line with its groups, by its words."""
    found = {path: command}
    for name, one in getattr(command, "commands", {}).items():
        found |= _commands(one, (*path, name))
    return found


COMMANDS = _commands(typer.main.get_command(app))


CALL = re.compile(r"^    dpp ([a-z][a-z -]*[a-z])\b", re.MULTILINE)


def test_every_command_of_the_documents_is_one() -> None:
    called = {tuple(one.split()[:2]) for one in CALL.findall(_written())}
    called.discard(tuple(handover.HEADING.split()[1:3]))
    groups = {path for path, one in COMMANDS.items() if hasattr(one, "commands")}
    wanted = {words if words[:1] in groups else words[:1] for words in called}
    assert sorted(wanted - set(COMMANDS)) == []


def test_every_command_stands_in_the_documents() -> None:
    written = _written()
    silent = [
        " ".join(path)
        for path, one in COMMANDS.items()
        if path and not hasattr(one, "commands") and f"dpp {' '.join(path)}" not in written
    ]
    assert silent == []
