"""A place in a log: so many leaves, or a moment, and how it runs through partitions."""

from datetime import UTC, datetime

import pytest

from consumers.audit.cuts import EVERYTHING, Border, Cut, CutInvalid, parse
from infra.kafka import Partition, Record

A, B = Partition("a", 0), Partition("b", 1)


def record(place: Partition, offset: int, timestamp_ms: int = 0) -> Record:
    return Record(*place, offset, timestamp_ms, None, (), None)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("0", Cut(size=0)),
        ("120", Cut(size=120)),
        ("2026-11-01T01:00:00+01:00", Cut(before=datetime(2026, 11, 1, tzinfo=UTC))),
        ("2026-11-01T00:00:00Z", Cut(before=datetime(2026, 11, 1, tzinfo=UTC))),
    ],
)
def test_a_text_names_a_number_of_leaves_or_a_time(text: str, cut: Cut) -> None:
    assert parse(text) == cut


@pytest.mark.parametrize("text", ["", "-1", "yesterday", "2026-11-01T00:00:00", "1.5", "٣"])
def test_a_text_names_a_number_of_leaves_or_a_time_bad(text: str) -> None:
    with pytest.raises(CutInvalid, match="number of leaves"):
        parse(text)


def test_so_many_leaves_are_those_before_in_every_partition() -> None:
    border = Border(Cut(size=2))
    records = [record(A, 4), record(B, 0), record(A, 6), record(A, 7)]
    admitted = [border.admits(index, one) for index, one in enumerate(records)]
    assert admitted == [True, True, False, False]
    assert border.next == {A: 5, B: 1}
    assert border.beyond == {A: 6}


def test_the_first_record_at_a_moment_ends_its_partition_whatever_follows() -> None:
    border = Border(Cut(before=datetime.fromtimestamp(5, UTC)))
    records = [record(A, 0, 4_999), record(A, 1, 5_000), record(A, 2, 4_000), record(B, 9, 4_000)]
    admitted = [border.admits(index, one) for index, one in enumerate(records)]
    assert admitted == [True, False, False, True]
    assert border.beyond == {A: 1}


def test_without_a_cut_everything_lies_before_it() -> None:
    border = Border(EVERYTHING)
    assert border.admits(10**9, record(A, 0, 2**62))
    assert not border.beyond
