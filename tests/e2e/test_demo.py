"""The whole flow, every part a process of its own, on a real broker and a real database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_the_demo_holds_every_expectation_and_keeps_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "consumers.cli.main", "demo", "--json", "--data", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    told = json.loads(done.stdout)
    assert [check for check in told["checks"] if not check["holds"]] == []
    assert done.returncode == 0
    endpoints = json.loads((folder / "endpoints.json").read_text())
    assert set(endpoints["tokens"]) >= {"patient", "holder", "physician", "pharmacist"}
