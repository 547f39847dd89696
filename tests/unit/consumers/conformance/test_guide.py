"""The guide of the conformance kit: its commands have the options it shows, its tables are true."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from consumers.conformance.cases import CASES
from consumers.vendors import testers
from consumers.vendors.check import Worst
from schemas.sealing import b64encode

GUIDE = Path(__file__).parents[4] / "docs" / "vendors" / "conformance.md"
SERVED_ELSEWHERE = "dpp up"


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    shown = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in shown if not line.startswith(SERVED_ELSEWHERE)]


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_guide_is_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CASES["visit"].steps[0]
    body = json.dumps({**step.body, "delivered_at": "2026-03-10T08:00:00Z"})
    (tmp_path / "visits.json").write_text(body)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPP_OFFICE_PUBLIC_KEY", b64encode(bytes(32)))
    nowhere = command.replace("https://api.example.be", "http://127.0.0.1:1")
    words = shlex.split(nowhere.partition("<")[0], comments=True)
    assert words[0] == "dpp"
    done = CliRunner().invoke(app, words[1:], input=body)
    # Refused content, a missing folder or backbone are answers; a wrong option is none.
    assert done.exit_code in {0, 3, *Worst}, done.output


def test_the_guide_names_the_test_publishers_and_the_exit_codes() -> None:
    guide = GUIDE.read_text()
    for number in (*testers.ENROLLED, testers.STRANGER):
        assert f"| {number} |" in guide
    for worst in Worst:
        assert f"| {int(worst)} |" in guide
