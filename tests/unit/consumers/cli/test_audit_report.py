"""A report from the log alone says what was not done; a log that does not hold stands in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.audit import summary
from consumers.cli.main import app
from streams.intake.keys import SigningKey
from streams.notary import tiles
from tests.support.audit_log import LOG, ORIGIN, entry, grow

DERIVED = ("rederive quality", "rederive subject", "rederive access")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    grow(made, [entry(number) for number in range(300)])
    return made


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is named."""
    for name in ("DPP_KAFKA_BOOTSTRAP", "DPP_POSTGRES_DSN", "DPP_VAULT_DSN"):
        monkeypatch.delenv(name, raising=False)


def dpp(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", "report", *map(str, arguments)])


def made(folder: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    at = folder.parent
    files = ("--output", at / "r.txt", "--page", at / "r.html", "--signing-key", at / "key")
    ran = dpp(folder, "--vkey", LOG, *files, *arguments, "--json")
    told = json.loads(ran.stdout)
    return ran.exit_code, {one["name"]: one for one in told["report"]["sections"]}


def test_who_has_the_log_alone_gets_a_report_that_says_what_was_not_done(folder: Path) -> None:
    code, sections = made(folder)
    assert code == 0
    done = {name for name, one in sections.items() if one["outcome"] == "holds"}
    assert done == {"log", "counts", "gaps", "erasures"}
    assert all(one["reason"] for name, one in sections.items() if name not in done)
    assert "DPP_KAFKA_BOOTSTRAP" in sections["kafka"]["reason"]
    assert {sections[name]["reason"] for name in DERIVED} == {sections["kafka"]["reason"]}
    assert "DPP_POSTGRES_DSN" in sections["replay"]["reason"]
    assert sections["counts"]["figures"]["records"] == 300
    page = (folder.parent / "r.html").read_text()
    assert all(name in page for name in sections)


def test_a_log_that_does_not_hold_stands_in_the_report_with_its_leaf(folder: Path) -> None:
    bundle = folder / tiles.bundle_path(0)
    data = bytearray(bundle.read_bytes())
    data[70] ^= 1
    bundle.write_bytes(data)
    code, sections = made(folder)
    assert code == 1
    assert "Leaf 0 is not what was logged" in sections["log"]["findings"][0]
    assert sections["counts"]["reason"] == "The log does not hold."
    assert sections["replay"]["reason"] == "The log does not hold."


def test_what_nobody_cosigned_does_not_hold_where_it_is_demanded(folder: Path) -> None:
    witness = summary.signer(ORIGIN, bytes(32))
    code, sections = made(folder, "--witness", witness, "--quorum", 1)
    assert (code, sections["cosignatures"]["outcome"]) == (1, "differs")


def test_a_report_is_checked_with_its_signers_key_alone(folder: Path) -> None:
    made(folder)
    note, key = folder.parent / "r.txt", SigningKey.load(folder.parent / "key")
    signer = summary.signer(ORIGIN, key.public_bytes)
    assert dpp("--check", note, "--signer", signer).exit_code == 0
    other = summary.signer(ORIGIN, SigningKey.generate("x").public_bytes)
    refused = dpp("--check", note, "--signer", other)
    assert (refused.exit_code, "It does not hold" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [(), ("log",), ("log", "--vkey", LOG), ("--check", "none.txt", "--signer", "no key")],
)
def test_options_that_do_not_fit_are_a_sentence_bad(arguments: tuple[object, ...]) -> None:
    ran = dpp(*arguments)
    assert ran.exit_code == 2
    assert ran.stderr.startswith("dpp: ")
