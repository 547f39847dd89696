"""`dpp registrations rules`, and the page that is written by it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from streams.subject.codes import CODES

PAGE = Path(__file__).parents[4] / "docs" / "registration-codes.md"


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["registrations", "rules", *arguments])
    assert done.exit_code == code
    return done.output


def test_the_page_in_the_documentation_is_the_catalogue_of_this_code() -> None:
    told = "run: dpp registrations rules --markdown > docs/registration-codes.md"
    assert PAGE.read_text() == run("--markdown"), told


def test_programs_get_every_code_with_texts_in_four_languages() -> None:
    rows = json.loads(run("--json"))
    assert [row["code"] for row in rows] == list(CODES)
    for row in rows:
        assert set(row["texts"]) == {"fr", "nl", "de", "en"}
        assert row["class"] in {"FUNCTIONAL", "TECHNICAL"}


def test_people_get_a_table() -> None:
    assert "NOT_A_PARENT" in run()


def test_one_form_is_asked_for_at_a_time_bad() -> None:
    assert run("--markdown", "--json", code=2).startswith("dpp: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("someone",),
        ("a" * 26, "--at", "2026-11-01T00:00:00+0100", "--position", "7"),
        ("a" * 26, "--position", "-1"),
        ("a" * 26, "--at", "yesterday"),
    ],
)
def test_what_stood_is_asked_of_a_pseudonym_and_as_of_one_thing_bad(
    arguments: tuple[str, ...],
) -> None:
    assert CliRunner().invoke(app, ["registrations", "show", *arguments]).exit_code == 2
