"""`dpp quality rules`, and the page that is written by it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from streams.quality.codes import CODES

PAGE = Path(__file__).parents[4] / "docs" / "quality-codes.md"
MEMBERS = {"code", "severity", "scope", "class", "path", "hint", "source", "since", "texts"}


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["quality", "rules", *arguments])
    assert done.exit_code == code
    return done.output


def test_the_page_in_the_documentation_is_the_catalogue_of_this_code() -> None:
    assert PAGE.read_text() == run("--markdown"), "run: dpp quality rules --markdown > the page"


def test_programs_get_every_code_with_texts_in_four_languages() -> None:
    rows = json.loads(run("--json"))
    assert [row["code"] for row in rows] == list(CODES)
    for row in rows:
        assert set(row) == MEMBERS
        assert set(row["texts"]) == {"fr", "nl", "de", "en"}
        assert row["severity"] in {"reject", "warn"}
        assert row["scope"] in {"message", "line"}
        assert row["class"] in {"FUNCTIONAL", "TECHNICAL"}


def test_codes_may_be_named_in_any_case() -> None:
    rows = json.loads(run("cnk_invalid", "UNITS_ZERO", "--json"))
    assert [row["code"] for row in rows] == ["CNK_INVALID", "UNITS_ZERO"]


def test_people_get_a_table() -> None:
    shown = run("UNITS_ZERO")
    assert "UNITS_ZERO" in shown
    assert "/lines/{i}/units" in shown


@pytest.mark.parametrize(
    "arguments", [("NO_SUCH",), ("--markdown", "--json"), ("UNITS_ZERO", "--markdown")]
)
def test_what_cannot_be_listed_is_said_in_one_sentence_bad(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, code=2).startswith("dpp: ")
