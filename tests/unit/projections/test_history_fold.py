"""The history's fold: which rows a fact asks for, and that how it arrives makes no difference."""

from datetime import UTC, date, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.folds import history
from projections.folds.history import PutVersion, Supersede, month_of
from schemas.dispensation import LineContent, Supersedes, UnregisteredProduct
from schemas.sealing.facts import blind_index
from tests.unit.projections.history_model import (
    INDEX_KEY,
    PHARMACY,
    RETURNED,
    SUBJECTS,
    Step,
    corrected,
    folded,
    logs,
    registered,
    revoked,
)

ANN, BOB, _ = SUBJECTS
MARCH = datetime(2026, 3, 10, tzinfo=UTC)


def of(version: int, month: str = "2026-03") -> Supersedes:
    return Supersedes(version=version, month=month, subject=ANN)


def test_a_registered_fact_enters_with_its_delivery_and_a_blind_index_of_its_product() -> None:
    (put,) = registered(1, ANN, MARCH).changes()
    assert isinstance(put, PutVersion)
    assert put.line.month == date(2026, 3, 1)
    assert put.delivered_at == MARCH
    assert put.product_index == blind_index(INDEX_KEY, "cnk", "0000000")
    assert put.sealed == b"\0\0\0"
    assert (put.recorded_partition, put.recorded_position) == (1, 10)


def test_a_return_enters_with_a_blind_index_of_the_line_that_it_names() -> None:
    (put,) = registered(1, ANN, MARCH, returns=RETURNED).changes()
    (other,) = registered(1, ANN, MARCH).changes()
    assert isinstance(put, PutVersion)
    assert isinstance(other, PutVersion)
    assert put.returns_index == history.returns_index(INDEX_KEY, PHARMACY, RETURNED)
    assert other.returns_index is None
    elsewhere = history.returns_index(INDEX_KEY, "27457532", RETURNED)
    assert put.returns_index != elsewhere


def test_a_product_without_a_code_has_no_index() -> None:
    step = registered(1, ANN, MARCH)
    assert isinstance(step.content, LineContent)
    plain = step.content.model_copy(update={"product": UnregisteredProduct(description="tea")})
    (put,) = history.fold(step.fact, plain, step.recorded, INDEX_KEY)
    assert isinstance(put, PutVersion)
    assert put.product_index is None


def test_a_correction_enters_and_replaces_the_version_and_month_that_it_names() -> None:
    put, replaced = corrected(1, 2, BOB, MARCH, of=of(1, "2026-02")).changes()
    assert isinstance(put, PutVersion)
    assert (put.subject, put.line.month) == (BOB, date(2026, 3, 1))
    assert isinstance(replaced, Supersede)
    assert (replaced.line.version, replaced.line.month) == (1, date(2026, 2, 1))
    assert replaced.position == 20


def test_a_revocation_stands_in_the_month_of_what_it_withdraws() -> None:
    put, replaced = revoked(1, 2, ANN, of=of(1)).changes()
    assert isinstance(put, PutVersion)
    assert isinstance(replaced, Supersede)
    assert (put.line.month, put.delivered_at, put.withdraws) == (date(2026, 3, 1), None, 1)


def test_a_shredded_registration_asks_for_nothing() -> None:
    assert registered(1, ANN, MARCH, shredded=True).changes() == ()


def test_a_shredded_correction_still_replaces_the_former_version() -> None:
    (change,) = corrected(1, 2, ANN, MARCH, of=of(1), shredded=True).changes()
    assert isinstance(change, Supersede)


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2026, 3, 31, 21, 59, tzinfo=UTC), date(2026, 3, 1)),
        (datetime(2026, 3, 31, 22, 0, tzinfo=UTC), date(2026, 4, 1)),
        (datetime(2026, 12, 31, 22, 59, tzinfo=UTC), date(2026, 12, 1)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_a_month_is_counted_on_a_belgian_calendar(moment: datetime, month: date) -> None:
    assert month_of(moment) == month


@given(logs())
def test_facts_that_arrive_again_change_nothing(log: list[Step]) -> None:
    once = list(dict.fromkeys(map(id, log)))
    by_id = {id(step): step for step in log}
    assert folded(log) == folded(by_id[one] for one in once)


@given(logs())
def test_a_whole_log_read_again_changes_nothing(log: list[Step]) -> None:
    assert folded([*log, *log]) == folded(log)


@given(logs(), st.randoms(use_true_random=False))
def test_independent_lines_may_arrive_in_any_order(log: list[Step], random: Random) -> None:
    lines = {step.recorded.partition for step in log}
    order = sorted(lines, key=lambda _: random.random())
    sorted_log = [step for line in order for step in log if step.recorded.partition == line]
    assert folded(sorted_log) == folded(log)


@given(logs(), st.integers(0, 30))
def test_an_erasure_leaves_the_same_whenever_it_arrives(log: list[Step], cut: int) -> None:
    table = folded(log[:cut])
    table.erase(ANN, 1)
    for step in log[cut:]:
        table.apply(step.changes())
    late = folded(log)
    late.erase(ANN, 1)
    assert table == late
    assert all(row[0] != ANN for row in table.rows.values())


@given(logs())
def test_at_most_one_version_of_a_line_is_current(log: list[Step]) -> None:
    standing = [line.dguid for line, row in folded(log).rows.items() if row[-1] is None]
    assert len(standing) == len(set(standing))
