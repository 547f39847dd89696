"""Rules, decisions and folds take time, ids and randomness as values: they never ask for them."""

import ast
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKS = frozenset(
    {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
    | {"uuid1", "uuid4", "urandom", "token_bytes", "getrandbits", "open", "input", "print"}
)


def pure_modules() -> list[str]:
    """What pyproject declares pure, and all of the contract."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return sorted({name for one in declared["contracts"] for name in one.get("source_modules", ())})


def files(module: str) -> list[Path]:
    spec = find_spec(module)
    assert spec is not None
    folders = spec.submodule_search_locations
    if folders:
        return sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    return [Path(spec.origin or "")]


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node.lineno
                case _:
                    continue


@pytest.mark.parametrize("module", pure_modules())
def test_a_pure_module_asks_nobody_for_time_chance_or_files(module: str) -> None:
    found = [
        f"{path}:{line} {name}"
        for path in files(module)
        for name, line in calls(ast.parse(path.read_text()))
        if name in ASKS
    ]
    assert found == []


def test_every_module_that_decides_is_declared_pure() -> None:
    declared = {path for module in pure_modules() for path in files(module)}
    shells = {"stage.py", "__init__.py"}
    deciding = {
        path
        for package in ("streams.quality", "streams.subject", "projections.folds")
        for path in files(package)
        if path.name not in shells
    }
    assert deciding <= declared


def test_an_impure_call_would_be_seen() -> None:
    tree = ast.parse("from datetime import datetime\nx = datetime.now()\n")
    assert [name for name, _ in calls(tree) if name in ASKS] == ["now"]
