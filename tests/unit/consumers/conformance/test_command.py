"""`dpp conform`: listing, preparing, and one sentence where nothing can be run."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from consumers.conformance.cases import CASES
from consumers.vendors.testers import ENROLLED, LAPSED_PHARMACY
from schemas.publisher import PublisherKey
from streams.intake.keys import SigningKey
from streams.intake.office import check_proof


def conform(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["conform", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_cases_are_listed_for_people_and_for_programs() -> None:
    assert "units-zero" in conform("--list")
    rows = json.loads(conform("--list", "--json", "units-zero", "visit"))
    assert [row["case"] for row in rows] == ["units-zero", "visit"]
    (submission,) = rows[0]["submissions"]
    assert submission["body"]["lines"][0]["units"] == 0
    assert submission["expected"]["lines"][0]["issues"] == [
        {"code": "UNITS_ZERO", "path": "/lines/0/units"}
    ]
    assert len(json.loads(conform("--list", "--json"))) == len(CASES)


def test_keys_and_requests_are_made_once_and_the_office_is_told_what_to_do(tmp_path: Path) -> None:
    told = conform("--prepare", "--keys", str(tmp_path / "keys"))
    for number in ENROLLED:
        request = (tmp_path / "keys" / f"{number}.request.json").read_bytes()
        check_proof(number, PublisherKey.read(request))
        assert f"dpp office enrol {number}" in told
    assert f"end-contract {LAPSED_PHARMACY}" in told
    key = tmp_path / "keys" / f"{ENROLLED[0]}.key"
    before = SigningKey.load(key).public_bytes
    conform("--prepare", "--keys", str(tmp_path / "keys"))
    assert SigningKey.load(key).public_bytes == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "which backbone"),
        (("no-such-case",), 2, "no case no-such-case"),
        (("--prepare",), 2, "--keys"),
        (("--data", "/none"), 3, "dpp up"),
        (("--api", "http://127.0.0.1:1", "--keys", "/none"), 2, "DPP_OFFICE_PUBLIC_KEY"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_sentence_bad(
    arguments: tuple[str, ...], code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DPP_OFFICE_PUBLIC_KEY", raising=False)
    told = conform(*arguments, code=code)
    assert told.startswith("dpp: ")
    assert words in told


def test_a_wrong_office_key_is_said_in_one_sentence_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conform("--prepare", "--keys", str(tmp_path))
    monkeypatch.setenv("DPP_OFFICE_PUBLIC_KEY", "short")
    told = conform("--api", "http://127.0.0.1:1", "--keys", str(tmp_path), code=2)
    assert "office's public key" in told
