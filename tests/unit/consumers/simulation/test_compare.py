"""Expected against observed: what agrees says nothing, what does not says where."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumers.simulation.defects import make_plan
from consumers.simulation.plan import (
    WARNINGS,
    ExpectedLine,
    ExpectedReceipt,
    Plan,
    expected_counts,
)
from consumers.simulation.population import SimulationSize
from consumers.simulation.publish import Published
from consumers.simulation.simulate import Row, Simulated
from consumers.simulation.stored import STANDING, expected_rows
from consumers.simulation.verify import Observed, count_differences, differences
from infra.kafka import Record
from schemas.dispensation import RECORD_FACTS
from schemas.receipts import (
    GAP_CLOSED,
    GAP_NOTICED,
    RECEIPT,
    Issue,
    LineOutcome,
    Receipt,
    SubmissionRef,
)
from schemas.topics import DISPENSATION_DEADLETTER, DISPENSATION_RECEIPTS

NOW = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(7, SimulationSize(6, 60, 400), NOW)


def published(plan: Plan) -> list[Published]:
    return [Published(one, 0, offset) for offset, one in enumerate(plan.submissions())]


def receipt(expected: ExpectedReceipt, offset: int) -> Receipt:
    """What a quality stage that agrees would say."""
    return Receipt(
        outcome=expected.outcome,
        submission=SubmissionRef(partition=0, offset=offset, appended_at=NOW),
        issues=issues(expected.codes, "message"),
        lines=tuple(line(one, index) for index, one in enumerate(expected.lines)),
        dead_letter=expected.dead_letter is not None,
    )


def line(expected: ExpectedLine, index: int) -> LineOutcome:
    found = issues(expected.codes, "line")
    return LineOutcome(
        path=f"/lines/{index}", dguid=expected.dguid, outcome=expected.outcome, issues=found
    )


def issues(codes: tuple[str, ...], scope: str) -> tuple[Issue, ...]:
    return tuple(
        Issue.model_validate(
            {
                "code": code,
                "severity": "warn" if code in WARNINGS else "reject",
                "scope": scope,
                "fault_class": "FUNCTIONAL",
                "path": "/",
            }
        )
        for code in codes
    )


@pytest.fixture
def observed(plan: Plan) -> Observed:
    """Everything as planned."""
    found = Observed()
    for one in published(plan):
        found.receipts[(0, one.offset)] = [receipt(one.planned.expected, one.offset)]
        found.gaps_noticed += one.planned.gaps_noticed
        found.gaps_closed += one.planned.gaps_closed
        found.facts.update(effect.status for effect in one.planned.effects)
        if one.planned.expected.dead_letter:
            found.dead_letters[one.planned.expected.dead_letter] += 1
    return found


def test_a_year_that_went_as_planned_differs_in_nothing(plan: Plan, observed: Observed) -> None:
    assert differences(plan, published(plan), observed) == []
    assert observed.counts() == expected_counts(plan)


def test_a_lost_receipt_is_named_by_its_place_bad(plan: Plan, observed: Observed) -> None:
    del observed.receipts[(0, 3)]
    assert "submission 0/3" in differences(plan, published(plan), observed)[0]


def test_a_doubled_receipt_is_named_bad(plan: Plan, observed: Observed) -> None:
    observed.receipts[(0, 3)] *= 2
    assert "has 2 receipts" in differences(plan, published(plan), observed)[0]


def test_a_receipt_of_something_that_nobody_published_is_named_bad(
    plan: Plan, observed: Observed
) -> None:
    observed.receipts[(3, 99)] = [receipt(ExpectedReceipt("accepted"), 99)]
    assert "submission 3/99 has a receipt and was not published" in differences(
        plan, published(plan), observed
    )


def test_another_outcome_code_or_line_is_named_without_content_bad(
    plan: Plan, observed: Observed
) -> None:
    sent = published(plan)
    one = next(one for one in sent if one.planned.expected.lines)
    place = (0, one.offset)
    right = observed.receipts[place][0]
    for wrong in (
        right.model_copy(update={"outcome": "duplicate"}),
        right.model_copy(update={"issues": issues(("SEAL_BROKEN",), "message")}),
        right.model_copy(update={"lines": ()}),
        right.model_copy(update={"dead_letter": True}),
    ):
        observed.receipts[place] = [wrong]
        found = differences(plan, sent, observed)
        assert found[0].startswith(f"submission 0/{one.offset} ({one.planned.kind})")
        assert not [text for text in found if one.planned.effects[0].niss in text]


def test_counts_that_differ_are_named(plan: Plan) -> None:
    counts = expected_counts(plan)
    other = replace(counts, gaps_closed=99, facts={**counts.facts, "erased": 1})
    assert count_differences(counts, other) == [
        "facts erased: expected 0, observed 1",
        f"gaps_closed: expected {counts.gaps_closed}, observed 99",
    ]


def records() -> Iterator[tuple[str, str, bytes | None]]:
    topic = DISPENSATION_RECEIPTS.name
    yield topic, GAP_NOTICED, b"{}"
    yield topic, GAP_CLOSED, b"{}"
    yield topic, GAP_CLOSED, b"{}"
    yield topic, RECEIPT, receipt(ExpectedReceipt("accepted"), 5).write()


def test_outputs_are_told_apart_by_topic_and_type() -> None:
    observed = Observed()
    for topic, type_, value in records():
        observed.apply(record(topic, value, ("ce_type", type_.encode())))
    reason = ("dpp_reason", b"no_key")
    observed.apply(record(DISPENSATION_DEADLETTER.name, b"x", reason))
    assert (observed.gaps_noticed, observed.gaps_closed) == (1, 2)
    assert list(observed.receipts) == [(0, 5)]
    assert observed.dead_letters == {"no_key": 1}


def record(topic: str, value: bytes | None, *headers: tuple[str, bytes]) -> Record:
    return Record(topic, 0, 0, int(NOW.timestamp() * 1000), b"k", tuple(headers), value)


def test_rows_of_the_history_are_versions_and_what_stands(plan: Plan) -> None:
    rows = expected_rows(plan)
    counts = expected_counts(plan)
    assert {name: rows[name] for name in counts.facts} == counts.facts
    assert rows[STANDING] == counts.facts["registered"] - counts.facts["revoked"]
    assert len(RECORD_FACTS) == len(counts.facts)


def test_a_year_agrees_only_if_every_row_and_every_receipt_does() -> None:
    good, bad = Row("lines", "recorded", 3, 3), Row("lines", "recorded", 3, 4)
    assert Simulated((good,), (), {}).agrees
    assert not Simulated((good, bad), (), {}).agrees
    assert not Simulated((good,), ("something",), {}).agrees
