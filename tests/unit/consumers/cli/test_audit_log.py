"""The auditor's commands over a log on disk: what they print, and what their exit codes mean."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.cli.main import app
from streams.notary import notes
from tests.support.audit_log import LOG, NEXT, NEXT_KEY, entry, grow, hand_over

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    grow(made, [entry(number) for number in range(300)])
    return made


def dpp(*arguments: object) -> Result:
    return RUNNER.invoke(app, ["audit", *map(str, arguments)])


def told(result: Result) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_log_that_holds_exits_0_and_is_remembered(folder: Path, tmp_path: Path) -> None:
    for before in (0, 256):
        done = dpp("verify", folder, "--vkey", LOG, "--keep", tmp_path / "mine", "--json")
        assert done.exit_code == 0
        answer = told(done)
        assert (answer["holds"], answer["size"], answer["verified_before"]) == (True, 300, before)


def test_a_log_that_does_not_hold_exits_1_and_names_the_leaf_bad(folder: Path) -> None:
    file = folder / "tile/entries/000"
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    assert told(dpp("verify", folder, "--vkey", LOG, "--json"))["fault"]["leaf"] == 0
    done = dpp("verify", folder, "--vkey", LOG, "--plain")
    assert done.exit_code == 1
    assert "It does not hold (entry): Leaf 0" in done.stdout


def test_a_log_that_was_put_back_exits_1_and_changes_no_memory_bad(
    folder: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    dpp("verify", folder, "--vkey", LOG, "--keep", mine)
    before = (mine / "memory.json").read_bytes()
    shutil.rmtree(folder)
    grow(folder, [entry(number) for number in range(200)])
    done = dpp("verify", folder, "--vkey", LOG, "--keep", mine)
    assert done.exit_code == 1
    assert "rollback" in done.stdout
    assert (mine / "memory.json").read_bytes() == before


def test_a_damaged_memory_is_told_and_not_begun_anew_bad(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text("{}")
    done = dpp("verify", folder, "--vkey", LOG, "--keep", tmp_path)
    assert done.exit_code == 1
    assert "is damaged" in done.stderr


def test_a_proof_from_before_a_rotation_holds_under_the_new_key_with_the_log(
    folder: Path, tmp_path: Path
) -> None:
    proof = tmp_path / "my.proof"
    dpp("prove", folder, "--vkey", LOG, "--id", "77", "--output", proof)
    last = notes.open_checkpoint((folder / "checkpoint").read_bytes(), LOG)
    hand_over(folder, last)
    grow(folder, [entry(number) for number in range(300, 310)], last, key=NEXT_KEY)
    beside = tmp_path / "my.leaf"
    assert dpp("check", proof, beside, "--vkey", LOG).exit_code == 0
    assert dpp("check", proof, beside, "--vkey", NEXT).exit_code == 1
    done = dpp("check", proof, beside, "--vkey", NEXT, "--log", folder, "--json")
    assert done.exit_code == 0, done.output
    assert told(done)["size"] == 300


def test_a_proof_is_made_and_checked_with_the_key_alone(folder: Path, tmp_path: Path) -> None:
    proof = tmp_path / "my.proof"
    made = dpp("prove", folder, "--vkey", LOG, "--id", "77", "--output", proof, "--json")
    assert told(made)["index"] == 77
    shutil.rmtree(folder)
    done = dpp("check", proof, tmp_path / "my.leaf", "--vkey", LOG, "--json")
    assert done.exit_code == 0
    answer = told(done)
    assert (answer["index"], answer["size"], answer["topic"]) == (77, 300, "dpp.access.audited")


def test_a_record_is_proven_by_its_place(folder: Path, tmp_path: Path) -> None:
    place = ("--at", "dpp.access.audited/1/30", "--output", tmp_path / "p")
    assert told(dpp("prove", folder, "--vkey", LOG, *place, "--json"))["index"] == 21


def test_a_proof_of_another_leaf_exits_1_bad(folder: Path, tmp_path: Path) -> None:
    proof = tmp_path / "my.proof"
    dpp("prove", folder, "--vkey", LOG, "--id", "77", "--output", proof)
    (tmp_path / "my.leaf").write_bytes(entry(78))
    done = dpp("check", proof, tmp_path / "my.leaf", "--vkey", LOG)
    assert done.exit_code == 1
    assert "Not proven" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--id", "never"), 1, "no such record"),
        ((), 2, "--id or by --at"),
        (("--id", "1", "--at", "t/1/1"), 2, "--id or by --at"),
        (("--at", "nowhere"), 2, "TOPIC/PARTITION/OFFSET"),
    ],
)
def test_what_cannot_be_proven_is_one_sentence_bad(
    folder: Path, tmp_path: Path, options: tuple[str, ...], code: int, sentence: str
) -> None:
    done = dpp("prove", folder, "--vkey", LOG, *options, "--output", tmp_path / "p")
    assert done.exit_code == code
    assert sentence in done.stderr


def test_a_key_of_another_form_exits_2_bad(folder: Path) -> None:
    done = dpp("verify", folder, "--vkey", "no key")
    assert done.exit_code == 2
    assert "no verifier key" in done.stderr
