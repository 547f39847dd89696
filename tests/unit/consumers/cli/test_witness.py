"""The witness's commands: its key is made once, and never used without what it has cosigned."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from streams.notary import notes
from tests.support.audit_log import LOG

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DPP_DATA", str(tmp_path))
    monkeypatch.setenv("DPP_WITNESS_NAME", "witness.example/w1")
    return tmp_path / "witness"


def test_its_key_is_made_once_and_is_of_a_cosigner(data: Path) -> None:
    first, second = (RUNNER.invoke(app, ["witness", "vkey"]).stdout.strip() for _ in range(2))
    assert first == second
    found = notes.parse_verifier(first)
    assert (found.name, found.kind) == ("witness.example/w1", notes.COSIGNATURE)
    assert (data / "witness.key").stat().st_mode & 0o777 == 0o600


def test_a_key_whose_store_is_lost_is_not_used_bad(data: Path) -> None:
    RUNNER.invoke(app, ["witness", "vkey"])
    (data / "witness.sqlite").unlink()
    done = RUNNER.invoke(app, ["witness", "serve", "--log", str(LOG)])
    assert done.exit_code == 3
    assert "is lost" in done.stderr


@pytest.mark.parametrize("key", ["nonsense", "cosigner"])
def test_it_watches_logs_by_their_keys_only_bad(key: str) -> None:
    text = RUNNER.invoke(app, ["witness", "vkey"]).stdout.strip() if key == "cosigner" else key
    assert RUNNER.invoke(app, ["witness", "serve", "--log", text]).exit_code == 2
