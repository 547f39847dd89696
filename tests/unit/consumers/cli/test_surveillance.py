"""`dpp surveillance`: what an operator reads, and its exit codes."""

import json
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.cli import surveillance
from consumers.cli.main import app
from infra.errors import InfrastructureError
from projections.surveillance import Finding, Party

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
URGENT = Finding("emergency", Party("r" * 26, "caregiver", None), 3, 2, AT, AT, refused=1)


def dpp(*command: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["surveillance", *command])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def answered(
    monkeypatch: pytest.MonkeyPatch, found: list[Finding] | InfrastructureError
) -> list[tuple[int, str, bool]]:
    asked: list[tuple[int, str, bool]] = []

    def _look(
        _settings: object, days: int, operator: str, *, contacts: bool
    ) -> Coroutine[Any, Any, list[Finding]]:
        asked.append((days, operator, contacts))

        async def answer() -> list[Finding]:
            if isinstance(found, InfrastructureError):
                raise found
            return found

        return answer()

    monkeypatch.setattr(surveillance, "_look", _look)
    return asked


def test_what_is_found_is_listed_and_answers_1(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answered(monkeypatch, [URGENT])
    code, text = dpp("--days", "9", "--operator", "clerk", "--no-contacts")
    assert (code, asked) == (1, [(9, "clerk", False)])
    assert "emergency" in text
    code, text = dpp("--json")
    assert code == 1
    assert json.loads(text)["findings"] == [
        {
            "kind": "emergency",
            "reader": "r" * 26,
            "role": "caregiver",
            "reads": 3,
            "subjects": 2,
            "first": "2026-11-26T12:00:00Z",
            "last": "2026-11-26T12:00:00Z",
            "refused": 1,
        }
    ]


def test_nothing_found_answers_0_and_looks_four_weeks_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answered(monkeypatch, [])
    assert dpp() == (0, "Nothing to look at.\n")
    assert asked[0][0] == 28


@pytest.mark.parametrize("days", ["0", "32", "x"])
def test_a_period_that_is_not_answered_bad(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    asked = answered(monkeypatch, [])
    assert dpp("--days", days)[0] == 2
    assert asked == []


def test_what_cannot_be_told_is_one_sentence_and_3_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, InfrastructureError("The database does not answer."))
    assert dpp() == (3, "dpp: The database does not answer.\n")
