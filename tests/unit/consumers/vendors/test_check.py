"""`dpp quality check`: receipts without a backbone, and the exit code of the worst."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.cli.main import app
from consumers.vendors.check import Worst, check, read
from consumers.vendors.testers import person
from schemas.dispensation import REVOKE
from schemas.policy import QualityPolicy, Wording, baseline

AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
MOMENT = ("--at", "2026-03-10T10:00:00+01:00")


PATIENT = person(901)


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def line(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "dguid": guid(number),
        "product": {"kind": "cnk", "cnk": "0029025"},
        "units": 1,
        **changes,
    }


def visit(*lines: dict[str, Any]) -> dict[str, Any]:
    return {
        "sguid": guid(99),
        "patient": {"niss": PATIENT},
        "delivered_at": "2026-03-10T08:55:00Z",
        "lines": list(lines or (line(),)),
    }


def correction(number: int = 1, replaces: int = 1) -> dict[str, Any]:
    return {"type": "correct", "body": visit(line(number, units=2, replaces=replaces))}


def run(content: object, *options: str, as_text: bool = False) -> tuple[int, str]:
    text = content if isinstance(content, str) else json.dumps(content)
    shown = () if as_text else ("--json",)
    command = ["quality", "check", "-", *MOMENT, *shown, *options]
    done = CliRunner().invoke(app, command, input=text)
    return done.exit_code, done.output


def receipts(content: object, *options: str) -> tuple[int, list[dict[str, Any]]]:
    code, output = run(content, *options)
    return code, json.loads(output)


@pytest.mark.parametrize(
    ("content", "worst", "outcomes"),
    [
        (visit(), Worst.ACCEPTED, ["accepted"]),
        (visit(line(units=900)), Worst.WARNED, ["accepted"]),
        (visit(line(1), line(2, units=0)), Worst.PARTIAL, ["partial"]),
        (visit(line(1, units=0)), Worst.REJECTED, ["rejected"]),
        ([visit(), visit()], Worst.ACCEPTED, ["accepted", "duplicate"]),
        ([visit(line(units=0)), visit()], Worst.REJECTED, ["rejected", "accepted"]),
        ([], Worst.ACCEPTED, []),
    ],
)
def test_the_exit_code_is_that_of_the_worst_receipt(
    content: object, worst: Worst, outcomes: list[str]
) -> None:
    code, found = receipts(content)
    assert code == worst
    assert [one["outcome"] for one in found] == outcomes


def test_a_correction_may_name_a_line_of_an_earlier_submission_of_the_file() -> None:
    code, found = receipts([visit(), correction(), correction(replaces=1), correction(number=7)])
    assert code == Worst.REJECTED
    assert [one["outcome"] for one in found] == ["accepted", "accepted", "duplicate", "rejected"]
    assert found[1]["lines"][0]["version"] == 2
    assert found[3]["lines"][0]["issues"][0]["code"] == "LINE_UNKNOWN"


def test_submissions_may_stand_one_on_each_line() -> None:
    lines = "\n".join(json.dumps(one) for one in (visit(), correction())) + "\n\n{broken\n"
    code, found = receipts(lines)
    assert code == Worst.REJECTED
    assert [one["outcome"] for one in found] == ["accepted", "accepted", "rejected"]
    assert found[2]["issues"][0]["code"] == "BODY_MALFORMED"


def test_a_revocation_is_named_by_its_type_or_by_the_option() -> None:
    body = {"sguid": guid(99), "patient": {"niss": PATIENT}, "dguid": guid(1), "replaces": 1}
    code, found = receipts([visit(), {"type": REVOKE, "body": body}])
    assert (code, found[1]["outcome"]) == (0, "accepted")
    _, (alone,) = receipts(body, "--type", "revoke")
    assert alone["lines"][0]["issues"][0]["code"] == "LINE_UNKNOWN"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"sguid":"a","sguid":"b"}', "duplicate_key"),
        ('{"units": NaN}', "not_a_number"),
        ('[{"sguid":"a","sguid":"b"}]', "duplicate_key"),
        ('{"type":"correct","body":{"sguid":"a","sguid":"b"}}', "duplicate_key"),
        ("{", "syntax"),
        ("", "syntax"),
        ("[" * 20_000, "too_deep"),
    ],
)
def test_a_body_reaches_the_rules_as_it_stands_in_the_file_bad(text: str, hint: str) -> None:
    _, found = receipts(text)
    assert found[0]["issues"][0]["code"] == "BODY_MALFORMED"
    assert hint in found[0]["issues"][0]["hint"]


def test_bytes_that_are_no_text_reach_the_rules_too_bad() -> None:
    (given,) = read(b'{"sguid":"\xff"}')
    assert given.body == b'{"sguid":"\xff"}'


def test_an_unknown_type_is_refused_as_the_backbone_refuses_it_bad() -> None:
    _, (found,) = receipts({"type": "be.dpp.dispensation.register.v9", "body": visit()})
    assert found["issues"][0]["code"] == "EVENT_TYPE_UNKNOWN"


@pytest.mark.parametrize(
    ("language", "text"),
    [("fr", "peu plausible"), ("nl", "weinig plausibel"), ("de", "wenig plausibel")],
)
def test_people_read_it_in_their_language(language: str, text: str) -> None:
    code, shown = run(visit(line(units=900)), "--language", language, as_text=True)
    assert code == Worst.WARNED
    assert "UNITS_IMPLAUSIBLE at /lines/0/units" in shown
    assert text in shown


def test_the_policy_may_be_one_that_is_only_announced(tmp_path: Path) -> None:
    version = baseline("quality")
    assert isinstance(version.data, QualityPolicy)
    announced = version.model_copy(
        update={
            "version": "quality/900",
            "valid_from": datetime(2030, 1, 1, tzinfo=UTC),
            "data": version.data.model_copy(update={"units_max": 5}),
        }
    )
    file = tmp_path / "announced.json"
    file.write_bytes(announced.write())
    assert run(visit(line(units=6)))[0] == Worst.ACCEPTED
    assert run(visit(line(units=6)), "--policy", str(file))[0] == Worst.WARNED
    assert run(visit(line(units=6)), "--policy", "quality/1")[0] == Worst.ACCEPTED


def test_the_words_are_those_of_the_policy(tmp_path: Path) -> None:
    version = baseline("quality")
    own = Wording(fr="Trop !", nl="Te veel!", de="Zu viel!", en="Too much!")
    data = version.quality.model_copy(update={"texts": {"UNITS_IMPLAUSIBLE": own}})
    file = tmp_path / "worded.json"
    file.write_bytes(version.model_copy(update={"version": "quality/900", "data": data}).write())
    options = ("--policy", str(file), "--language", "nl")
    assert "Te veel!" in run(visit(line(units=900)), *options, as_text=True)[1]


def test_the_time_decides_what_is_late() -> None:
    command = ["quality", "check", "-", "--json", "--at", "2026-05-20T09:00:00Z"]
    done = CliRunner().invoke(app, command, input=json.dumps(visit()))
    assert json.loads(done.output)[0]["issues"][0]["code"] == "LATE_ARRIVAL"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--policy", "quality/999"), 2),
        (("--policy", "none.json"), 2),
        (("--policy", str(Path(__file__))), 2),
        (("--language", "es"), 2),
        (("--at", "yesterday"), 2),
    ],
)
def test_what_cannot_be_checked_is_said_at_once_bad(options: tuple[str, ...], code: int) -> None:
    found, output = run(visit(), *options)
    assert found == code
    assert "Traceback" not in output


def test_a_missing_file_is_one_sentence_bad(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["quality", "check", str(tmp_path / "none.json")])
    assert done.exit_code == 3
    assert done.output.startswith("dpp: ")


async def test_no_receipt_repeats_a_value_that_was_submitted() -> None:
    given = read(json.dumps([visit(line(product={"kind": "cnk", "cnk": "1439562"}))]).encode())
    (receipt,) = await check(given, AT)
    assert b"1439562" not in receipt.write()
    assert PATIENT.encode() not in receipt.write()
