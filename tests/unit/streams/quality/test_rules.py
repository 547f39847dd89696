"""Each rule: bodies that it passes, and a `_bad` twin with where the fault lies."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.dispensation import RegisterBody
from schemas.identifiers import nihdi, niss
from schemas.policy import QualityPolicy, baseline
from streams.quality import rules
from streams.quality.rules import Context
from tests.support.quality_bench import CNK, NOW, guid, line, visit

LIMITS = baseline("quality").data
assert isinstance(LIMITS, QualityPolicy)
POLICY: QualityPolicy = LIMITS
LINE_RULES = {rule.code: rule for rule in rules.LINE_RULES}
MESSAGE_RULES = {rule.code: rule for rule in rules.MESSAGE_RULES}


def context(*lines: Mapping[str, Any], **changes: Any) -> Context:

    body = RegisterBody.read(json.dumps(visit(*lines, **changes)).encode())
    return Context(body, POLICY, NOW, rules.repeated_lines(body.lines))


def line_faults(code: str, *lines: Mapping[str, Any]) -> list[str]:
    """Faults in the last line."""
    made = context(*lines)
    body = made.body
    assert isinstance(body, RegisterBody)
    last = len(body.lines) - 1
    return list(LINE_RULES[code].faults(made, body.lines[last], last))


def message_faults(code: str, **changes: Any) -> list[str]:
    return list(MESSAGE_RULES[code].faults(context(**changes)))


def magistral(*cnks: str, **more: Any) -> dict[str, Any]:
    compounds = [{"order": place + 1, "cnk": cnk} for place, cnk in enumerate(cnks)]
    return {"kind": "magistral", "compounds": compounds, **more}


UNKNOWN_BIRTH_2000 = niss.with_check_digits("000001001", True)
BIS_SEX_KNOWN = niss.with_check_digits("854000001", False)
BIS_SEX_UNKNOWN = niss.with_check_digits("852000001", False)
BORN_LATER = niss.with_check_digits("270000001", True)
NURSE_89 = "400001" + nihdi.check_digits("400001", modulus=89) + "001"
DOCTOR_97 = "100001" + nihdi.check_digits("100001") + "003"

MESSAGE_GOOD = [
    ("GUID_INVALID", {"sguid": "0F8FAD5B-D9CB-069F-0165-70867728950E"}),
    ("NISS_INVALID", {"patient": {"niss": "00000000097"}}),
    ("NISS_INVALID", {"patient": {"niss": "64110219106"}}),
    ("NISS_INVALID", {"patient": {"niss": UNKNOWN_BIRTH_2000}}),
    ("NISS_INVALID", {"patient": {"niss": BIS_SEX_KNOWN}}),
    ("NISS_INVALID", {"patient": {"niss": BIS_SEX_UNKNOWN}}),
    ("NISS_INVALID", {"patient": {"niss": "85.00.00-001.38"}}),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "2026-03-10T09:05:00Z"}),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "2026-03-10T10:05:00+01:00"}),
    ("DELIVERY_TOO_OLD", {"delivered_at": "2025-03-10T00:00:00+01:00"}),
    ("LATE_ARRIVAL", {"delivered_at": "2026-02-07T09:00:00Z"}),
    # What is refused as too old is not called late as well.
    ("LATE_ARRIVAL", {"delivered_at": "2024-01-01T09:00:00Z"}),
]
MESSAGE_BAD = [
    ("GUID_INVALID", {"sguid": "0f8fad5bd9cb069f016570867728950e"}, "/sguid"),
    ("GUID_INVALID", {"sguid": "x"}, "/sguid"),
    ("NISS_INVALID", {"patient": {"niss": "79121137740"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": "85000000139"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": "8500000013"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": "somebody"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": BORN_LATER}}, "/patient/niss"),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "2026-03-10T09:05:00.001Z"}, "/delivered_at"),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "9999-12-31T23:59:59Z"}, "/delivered_at"),
    ("DELIVERY_TOO_OLD", {"delivered_at": "2025-03-09T23:59:59+01:00"}, "/delivered_at"),
    ("DELIVERY_TOO_OLD", {"delivered_at": "0001-01-01T00:00:00Z"}, "/delivered_at"),
    ("LATE_ARRIVAL", {"delivered_at": "2026-02-07T08:59:59Z"}, "/delivered_at"),
]
LINE_GOOD = [
    ("GUID_INVALID", line(dguid="0F8FAD5B-D9CB-069F-0165-70867728950E")),
    ("GUID_INVALID", line(units=-1, returns=guid(2))),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "5521950"})),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "0525337"})),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "5521-950"})),
    ("CNK_INVALID", line(product=magistral("1439562"))),
    ("CNK_INVALID", line(product={"kind": "unregistered", "description": "herbal tea"})),
    ("COMPOUND_CNK_INVALID", line(product=magistral("0525337", formula_cnk="0589028"))),
    ("COMPOUND_CNK_INVALID", line(product={"kind": "magistral", "text": "as the doctor wrote"})),
    ("COMPOUND_CNK_INVALID", line(product={"kind": "cnk", "cnk": "1439562"})),
    ("UNITS_ZERO", line(units=1)),
    ("UNITS_ZERO", line(units=-1)),
    ("UNITS_IMPLAUSIBLE", line(units=200)),
    ("UNITS_IMPLAUSIBLE", line(units=-200)),
    ("RETURN_INVALID", line(units=1)),
    ("RETURN_INVALID", line(units=-1, returns=guid(2))),
    ("RETURN_INVALID", line(units=0, returns=guid(2))),
    ("PRESCRIBER_INVALID", line()),
    ("PRESCRIBER_INVALID", line(prescription={})),
    ("PRESCRIBER_INVALID", line(prescription={"prescriber": DOCTOR_97})),
    ("PRESCRIBER_INVALID", line(prescription={"prescriber": NURSE_89})),
    ("RID_INVALID", line(prescription={"rid": "BEP012AB34CD"})),
    ("RID_INVALID", line(prescription={})),
]
LINE_BAD = [
    ("GUID_INVALID", line(dguid="x"), "/dguid"),
    ("GUID_INVALID", line(units=-1, returns="x"), "/returns"),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "1439562"}), "/product/cnk"),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "0000000"}), "/product/cnk"),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "552195"}), "/product/cnk"),
    ("CNK_INVALID", line(product={"kind": "cnk", "cnk": "aspirin"}), "/product/cnk"),
    (
        "COMPOUND_CNK_INVALID",
        line(product=magistral("0525337", "1439562")),
        "/product/compounds/1/cnk",
    ),
    (
        "COMPOUND_CNK_INVALID",
        line(product=magistral(formula_cnk="0589027")),
        "/product/formula_cnk",
    ),
    ("UNITS_ZERO", line(units=0), "/units"),
    ("UNITS_IMPLAUSIBLE", line(units=201), "/units"),
    ("UNITS_IMPLAUSIBLE", line(units=-201), "/units"),
    ("RETURN_INVALID", line(units=-1), "/units"),
    ("RETURN_INVALID", line(units=1, returns=guid(2)), "/returns"),
    ("RETURN_INVALID", line(1, units=-1, returns=guid(1)), "/returns"),
    (
        "PRESCRIBER_INVALID",
        line(prescription={"prescriber": "10000107001"}),
        "/prescription/prescriber",
    ),
    ("RID_INVALID", line(prescription={"rid": "BEP012AB34CO"}), "/prescription/rid"),
]


@pytest.mark.parametrize(("code", "changes"), MESSAGE_GOOD)
def test_a_message_rule_passes_what_is_right(code: str, changes: dict[str, Any]) -> None:
    assert message_faults(code, **changes) == []


@pytest.mark.parametrize(("code", "changes", "path"), MESSAGE_BAD)
def test_a_message_rule_finds_the_fault_bad(code: str, changes: dict[str, Any], path: str) -> None:
    assert message_faults(code, **changes) == [path]


@pytest.mark.parametrize(("code", "one"), LINE_GOOD)
def test_a_line_rule_passes_what_is_right(code: str, one: dict[str, Any]) -> None:
    assert line_faults(code, one) == []


@pytest.mark.parametrize(("code", "one", "path"), LINE_BAD)
def test_a_line_rule_finds_the_fault_bad(code: str, one: dict[str, Any], path: str) -> None:
    assert line_faults(code, one) == [path]


def test_different_dguids_are_no_repetition() -> None:
    assert line_faults("DGUID_REPEATED", line(1), line(2)) == []


def test_the_later_of_two_lines_with_one_dguid_is_the_repetition_bad() -> None:
    upper = line(dguid=guid(0xABC).upper())
    assert line_faults("DGUID_REPEATED", line(0xABC)) == []
    assert line_faults("DGUID_REPEATED", line(0xABC), upper) == ["/dguid"]


def test_every_rule_has_good_and_bad_cases() -> None:
    good = {code for code, *_ in (*MESSAGE_GOOD, *LINE_GOOD)}
    bad = {code for code, *_ in (*MESSAGE_BAD, *LINE_BAD)}
    assert good == bad == {*MESSAGE_RULES, *LINE_RULES} - {"DGUID_REPEATED"}


@pytest.mark.parametrize(
    ("appended_at", "oldest"),
    [
        # The horizon is the start of a Belgian day, whatever the season on either side.
        (datetime(2026, 3, 10, 9, tzinfo=UTC), datetime(2025, 3, 9, 23, tzinfo=UTC)),
        (datetime(2026, 7, 1, 9, tzinfo=UTC), datetime(2025, 6, 30, 22, tzinfo=UTC)),
        # 23:30 in UTC is the next day in Belgium.
        (datetime(2026, 3, 10, 23, 30, tzinfo=UTC), datetime(2025, 3, 10, 23, tzinfo=UTC)),
        # A leap day looks back to the end of February.
        (datetime(2024, 2, 29, 9, tzinfo=UTC), datetime(2023, 2, 27, 23, tzinfo=UTC)),
    ],
)
def test_retention_counts_calendar_months_in_belgium(
    appended_at: datetime, oldest: datetime
) -> None:
    def too_old(moment: datetime) -> list[str]:
        made = context(delivered_at=moment.isoformat())
        return list(
            MESSAGE_RULES["DELIVERY_TOO_OLD"].faults(Context(made.body, POLICY, appended_at))
        )

    assert too_old(oldest) == []
    assert too_old(oldest - timedelta(microseconds=1)) == ["/delivered_at"]


def test_the_score_falls_by_each_distinct_warning_and_never_below_zero() -> None:
    assert rules.score([], POLICY) == 100
    assert rules.score(["RID_INVALID"], POLICY) == 90
    assert rules.score(["RID_INVALID", "RID_INVALID"], POLICY) == 90
    assert rules.score(["UNITS_IMPLAUSIBLE", "RID_INVALID"], POLICY) == 60
    heavy = POLICY.model_copy(update={"penalties": {"RID_INVALID": 80, "LATE_ARRIVAL": 80}})
    assert rules.score(["RID_INVALID", "LATE_ARRIVAL"], heavy) == 0


def test_the_sample_product_code_is_one() -> None:
    assert line_faults("CNK_INVALID", line(product={"kind": "cnk", "cnk": CNK})) == []
