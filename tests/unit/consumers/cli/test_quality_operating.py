"""`dpp quality` for operators: what is refused before anything is asked, and what people read."""

import json
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.cli import silence
from consumers.cli.main import app
from consumers.cli.refused import cursor_text, key_of
from consumers.quality.silence import Silence
from infra.errors import InfrastructureError
from projections.quality_refusals import RefusalKey
from projections.silence import Silent

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LONG = Silent("80000551", 30, NOW - timedelta(days=90), NOW - timedelta(days=30), NOW)
NEVER = Silent("27457532", 8, NOW - timedelta(days=8), None, None)


def dpp(*command: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["quality", *command])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("silent", "--days", "7,x"), "whole days"),
        (("silent", "--days", ""), "whole days"),
        (("silent", "--days", "0,7"), "whole days"),
        (("stats", "--pharmacy", "80000552"), "is not a pharmacy number"),
        (("gaps", "--pharmacy", "x"), "is not a pharmacy number"),
        (("refused", "--after", "nonsense"), "under next"),
        (("refused", "--after", "2026-13-01T00:00:00+00:00/1/1/1"), "under next"),
        (("refused", "--code", "NO_SUCH"), "There is no code NO_SUCH"),
    ],
)
def test_a_command_that_cannot_be_meant_so_bad(command: tuple[str, ...], reason: str) -> None:
    code, text = dpp(*command)
    assert code == 2
    assert reason in text


@pytest.mark.parametrize("line", [-1, 0, 99])
def test_a_page_goes_on_where_the_cursor_says(line: int) -> None:
    key = RefusalKey(NOW + timedelta(microseconds=7), 3, 12_345_678_901, line)
    assert key_of(cursor_text(key)) == key


def answered(monkeypatch: pytest.MonkeyPatch, found: Silence | InfrastructureError) -> list[int]:
    asked: list[int] = []

    def _silence(days: int) -> Coroutine[Any, Any, Silence]:
        asked.append(days)

        async def answer() -> Silence:
            if isinstance(found, InfrastructureError):
                raise found
            return found

        return answer()

    monkeypatch.setattr(silence, "_silence", _silence)
    return asked


def test_silence_is_asked_for_the_shortest_threshold_and_answers_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answered(monkeypatch, Silence(NOW, 40, (LONG, NEVER), undecided=3))
    code, text = dpp("silent", "--days", "21, 7")
    assert (code, asked) == (1, [7])
    assert "silent for 7 days or longer: 2 of 40 pharmacies" in text
    assert "silent for 21 days or longer: 1 of 40 pharmacies" in text
    assert "never" in text
    assert "3 submissions have no receipt yet" in text


def test_nobody_silent_answers_0(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, Silence(NOW, 40, ()))
    code, text = dpp("silent")
    assert code == 0
    assert "0 of 40" in text


def test_json_says_which_thresholds_each_has_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, Silence(NOW, 40, (LONG, replace(NEVER, days=20))))
    code, text = dpp("silent", "--json")
    told = json.loads(text)
    assert code == 1
    assert told["thresholds"] == {"7": 2, "21": 1}
    assert [one["reached"] for one in told["silent"]] == [[7, 21], [7]]
    assert told["silent"][1]["last_seen"] is None


def test_what_cannot_be_told_is_one_sentence_and_3_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, InfrastructureError("The projection is behind."))
    code, text = dpp("silent", "--json")
    assert (code, text) == (3, "dpp: The projection is behind.\n")
