"""Following from the command line: a log that is not in order ends it at once, with exit code 1."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.cli.main import app
from tests.support.audit_log import LOG, entry, grow
from tests.unit.consumers.witness.test_app import WITNESS

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def logging_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets up the logs of its process, which here is that of all tests."""
    monkeypatch.setattr("infra.observability.logs.configure", lambda *_, **__: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    grow(made, [entry(number) for number in range(300)])
    return made


def dpp(*arguments: object) -> Result:
    return RUNNER.invoke(app, ["audit", *map(str, arguments)])


def test_a_log_that_was_put_back_ends_it_with_1_bad(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    assert dpp("verify", folder, "--vkey", LOG, "--keep", mine).exit_code == 0
    shutil.rmtree(folder)
    grow(folder, [entry(number) for number in range(200)])
    done = dpp("follow", folder, "--vkey", LOG, "--keep", mine)
    assert done.exit_code == 1
    assert "rollback" in done.stderr
    assert (mine / "evidence-1.txt").exists()


def test_cosignatures_that_are_demanded_and_missing_end_it_with_1_bad(
    folder: Path, tmp_path: Path
) -> None:
    demanded = ("--witness", WITNESS, "--quorum", 1)
    done = dpp("follow", folder, "--vkey", LOG, "--keep", tmp_path / "mine", *demanded)
    assert done.exit_code == 1
    assert "0 of the 1 witnesses" in done.stderr


def test_a_damaged_memory_is_told_bad(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text("{}")
    done = dpp("follow", folder, "--vkey", LOG, "--keep", tmp_path)
    assert (done.exit_code, "is damaged" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", ["follow", "verify", "compare"])
def test_a_log_that_is_nowhere_exits_3_bad(tmp_path: Path, command: str) -> None:
    keep = () if command == "compare" else ("--keep", tmp_path)
    done = dpp(command, tmp_path / "nowhere", "--vkey", LOG, *keep)
    assert (done.exit_code, "no folder" in done.stderr) == (3, True)


def test_comparing_without_a_broker_exits_3_bad(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DPP_KAFKA_BOOTSTRAP", raising=False)
    done = dpp("compare", folder, "--vkey", LOG)
    assert (done.exit_code, "DPP_KAFKA_BOOTSTRAP" in done.stderr) == (3, True)
