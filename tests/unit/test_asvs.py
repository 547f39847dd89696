"""The table of ASVS requirements names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security" / "asvs.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text("utf-8"))))


def _rows() -> list[str]:
    lines = PAGE.read_text("utf-8").splitlines()
    return [line for line in lines if re.match(r"\| \d", line)]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_the_table_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^ *(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)


def test_every_requirement_is_shown_by_a_test() -> None:
    assert len(_rows()) > 50
    assert all("`tests/" in row for row in _rows())


def test_every_requirement_stands_once() -> None:
    ids = [one for row in _rows() for one in re.findall(r"\d+\.\d+\.\d+", row.split("|")[1])]
    assert len(ids) == len(set(ids))
