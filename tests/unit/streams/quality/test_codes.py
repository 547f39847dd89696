"""The catalogue of codes, and each code met by the submissions that deserve it."""

import pytest

from schemas.policy import baseline
from schemas.receipts import Issue
from streams.quality import codes
from streams.quality.texts import TEXTS
from tests.support.quality_bench import Bench, line, visit
from tests.unit.streams.quality.scenarios import BAD, GOOD, Scenario

CASES = [
    pytest.param(code, scenario, id=f"{code}-{place}")
    for code, scenarios in BAD.items()
    for place, scenario in enumerate(scenarios)
]


@pytest.mark.parametrize(("code", "scenario"), CASES)
def test_a_faulty_submission_gets_the_code_of_its_fault_alone_bad(
    code: str, scenario: Scenario
) -> None:
    answer = scenario(Bench())
    found = set(answer.codes)
    assert found == {code}
    refused = codes.CODES[code].severity == "reject"
    assert (answer.receipt.outcome in {"rejected", "partial"}) is refused


@pytest.mark.parametrize("scenario", GOOD)
def test_a_good_submission_is_accepted_without_findings(scenario: Scenario) -> None:
    answer = scenario(Bench())
    assert answer.codes == []
    assert answer.receipt.outcome == "accepted"
    assert len(answer.facts) == len(answer.receipt.lines)


def test_every_code_of_the_catalogue_can_be_met() -> None:
    assert set(BAD) | {"ALL_LINES_FILTERED"} == set(codes.CODES)


def test_when_the_filter_removes_every_line_the_message_is_refused_and_says_so() -> None:
    filtered = {"kind": "cnk", "cnk": "0005017"}
    answer = Bench().submit(visit(line(1, product=filtered), line(2, product=filtered)))
    assert answer.findings == [
        ("ALL_LINES_FILTERED", "/lines"),
        ("PRODUCT_FILTERED", "/lines/0/product/cnk"),
        ("PRODUCT_FILTERED", "/lines/1/product/cnk"),
    ]
    assert answer.receipt.outcome == "rejected"
    assert answer.facts == []


def test_every_code_has_a_text_in_each_language_and_a_hint_that_a_receipt_can_hold() -> None:
    assert set(TEXTS) == set(codes.CODES)
    for code in codes.CODES.values():
        assert len(set(code.texts)) == len(code.texts) == 4
        assert all(text.endswith(".") for text in code.texts)
        assert isinstance(codes.issue(code.code), Issue)
        assert code.hint == codes.issue(code.code).hint


def test_the_policy_names_only_codes_of_the_catalogue() -> None:
    policy = baseline("quality").quality
    assert {*policy.severities, *policy.penalties} <= set(codes.CODES)


def test_a_policy_sets_the_severity_of_doubtful_values_and_never_of_the_form_of_the_record() -> (
    None
):
    policy = baseline("quality").quality
    stern = policy.model_copy(
        update={"severities": {"UNITS_IMPLAUSIBLE": "reject", "LINE_UNKNOWN": "warn"}}
    )
    assert codes.severity("UNITS_IMPLAUSIBLE", stern) == "reject"
    assert codes.severity("UNITS_IMPLAUSIBLE", policy) == "warn"
    assert codes.severity("LINE_UNKNOWN", stern) == "reject"
    assert codes.severity("UNITS_IMPLAUSIBLE", None) == "warn"
