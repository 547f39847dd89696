"""The cases of the kit: complete, right, and found out when they are not."""

import asyncio
import dataclasses
import json
import uuid
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from consumers.conformance import enrolment, page
from consumers.conformance.case import Answer, Case, Inputs, fill
from consumers.conformance.cases import BEYOND, CASES, number
from consumers.conformance.compare import differences
from consumers.conformance.run import Result, Ways, run
from consumers.simulation.wrong import PRESCRIBER
from consumers.vendors.offline import OfflineBackbone
from consumers.vendors.testers import (
    BIS_PERSON,
    CHILD,
    ENROLLED,
    STRANGER,
    UNASSIGNED,
    WOMAN,
    person,
)
from schemas.identifiers import nihdi, niss, pharmacy
from schemas.receipts import Issue, Receipt, SubmissionRef
from streams.quality.codes import CODES
from tests.support.conformance import OfflineWay

PAGES = Path(__file__).parents[4] / "docs" / "vendors" / "conformance"
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def run_offline(*cases: Case, kafka: bool = True) -> list[Result]:
    async def all_of_it() -> list[Result]:
        backbone = OfflineBackbone()
        way = OfflineWay(backbone)
        sessions = await enrolment.offline(backbone)
        return await run(cases, Ways(way, way if kafka else None), sessions)

    return asyncio.run(all_of_it())


@cache
def results() -> dict[str, Result]:
    return {one.case.name: one for one in run_offline(*CASES.values())}


@pytest.mark.parametrize("name", CASES)
def test_quality_control_answers_each_case_as_the_kit_says(name: str) -> None:
    result = results()[name]
    assert (result.verdict, result.differences) == ("passed", ())


def test_every_code_that_a_submission_can_yield_has_a_case() -> None:
    given = {code for case in CASES.values() for code in case.codes}
    assert given.isdisjoint(BEYOND)
    assert set(CODES) - given - set(BEYOND) == set(), "write a case in consumers/conformance"
    assert given | set(BEYOND) <= set(CODES)


def test_the_pages_in_the_documentation_are_the_cases_of_this_code() -> None:
    again = "run: dpp conform --list --markdown (and --json) > the page"
    assert (PAGES / "cases.md").read_text() == page.page(CASES.values()), again
    assert (PAGES / "cases.json").read_text() == page.data(CASES.values()), again


def test_every_fault_of_a_submission_is_reported_at_once_in_a_stable_order() -> None:
    found = [results()["many-faults"].receipts, run_offline(CASES["many-faults"])[0].receipts]
    shown = [
        [
            [(issue.code, issue.path) for issue in part]
            for receipt in receipts
            if receipt is not None
            for part in (receipt.issues, *(line.issues for line in receipt.lines))
        ]
        for receipts in found
    ]
    assert shown[0] == shown[1]
    assert sum(map(len, shown[0])) >= 9
    order = list(CODES)
    for part in shown[0]:
        assert [code for code, _ in part] == sorted((code for code, _ in part), key=order.index)


def test_a_receipt_that_says_something_else_fails_its_case_bad() -> None:
    case = CASES["units-zero"]
    (step,) = case.steps
    wrong = dataclasses.replace(step, answer=CASES["cnk-check-digit"].steps[0].answer)
    (result,) = run_offline(dataclasses.replace(case, steps=(wrong,)))
    assert result.verdict == "failed"
    assert result.differences == (
        (
            "submission 1, findings about line 0: expected CNK_INVALID at /lines/0/product/cnk, "
            "observed UNITS_ZERO at /lines/0/units"
        ),
    )


def test_missing_notices_fail_a_case_bad() -> None:
    case = dataclasses.replace(CASES["visit"], gaps=("noticed 2-3",))
    (result,) = run_offline(case)
    assert result.differences == (
        "notices of missing numbers: expected ['noticed 2-3'], observed []",
    )


def test_what_the_api_would_not_let_through_is_skipped_without_kafka() -> None:
    found = run_offline(CASES["key-missing"], CASES["visit"], kafka=False)
    assert [one.verdict for one in found] == ["skipped", "passed"]


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/lines/0/units", True),
        ("/lines/0/missing", True),
        ("/lines/1", False),
        ("/lines/1/units", False),
        ("/lines/x", False),
        ("/nothing/units", False),
        ("/units/0", False),
        ("/a~1b/c~0d", True),
    ],
)
def test_a_pointer_must_lead_to_a_member_or_to_where_one_is_missing(path: str, leads: bool) -> None:
    body = json.dumps({"lines": [{"units": 1}], "units": 2, "a/b": {"c~d": 1}}).encode()
    issue = Issue(code="X", severity="reject", scope="message", fault_class="FUNCTIONAL", path=path)
    receipt = Receipt(
        outcome="rejected",
        submission=SubmissionRef(partition=0, offset=0, appended_at=NOW),
        issues=(issue,),
    )
    found = differences(Answer("rejected", (("X", path),)), receipt, body)
    assert found == ([] if leads else [f"{path} leads nowhere in the body as sent"])


def test_two_runs_share_persons_and_no_identifier() -> None:
    def inputs(run: int) -> Inputs:
        case = CASES["correction-patient"]
        return Inputs(uuid.UUID(int=run), NOW, case.name, number(case))

    one, two = (fill(CASES["correction-patient"], inputs(run)) for run in (1, 2))
    first, second = (json.loads(filled[0].body) for filled in (one, two))
    assert first["patient"] == second["patient"]
    assert first["sguid"] != second["sguid"]
    assert first["delivered_at"] == "2026-03-10T08:00:00Z"
    assert json.loads(one[1].body)["patient"] != first["patient"]
    assert json.loads(one[1].body)["lines"][0]["dguid"] == first["lines"][0]["dguid"]
    assert {filled.epoch for filled in one} != {filled.epoch for filled in two}


def test_every_tester_is_invented_and_passes_its_check_digits() -> None:
    special = (CHILD, BIS_PERSON, WOMAN, UNASSIGNED)
    assert len(CASES) * 2 + 2 < 900
    for number_ in (*(person(at) for at in range(1, 2 * len(CASES) + 3)), *special):
        assert niss.is_valid(number_)
        assert niss.birth_date(number_) is None
    for number_ in (*ENROLLED, STRANGER):
        assert pharmacy.is_valid(number_)
        assert number_.startswith("00000")
    assert nihdi.is_valid(PRESCRIBER)
