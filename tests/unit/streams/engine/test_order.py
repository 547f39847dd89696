"""Order and size of what a partition reads and writes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import Record
from streams.engine import order
from streams.engine.failure import OrderBroken
from streams.engine.order import (
    MAX_CHUNK_BYTES,
    MAX_CHUNK_RECORDS,
    check_advance,
    check_outputs,
    chunks,
    to_submission,
)
from streams.engine.stage import Headers, Output, Submission

SUBMISSION = Submission("s", 2, 40, datetime(2026, 1, 1, tzinfo=UTC), b"k", (), b"v")


def _record(offset: int, size: int | None) -> Record:
    return Record("s", 2, offset, 0, b"k", (), None if size is None else bytes(size))


def _output(topic: str, offset: int | str, ordinal: int | str) -> Output:
    headers: Headers = (
        ("ce_sourceoffset", str(offset).encode()),
        ("ce_sourceordinal", str(ordinal).encode()),
    )
    return Output(topic, b"k", headers, b"{}")


SIZES = st.lists(st.none() | st.integers(0, 40), max_size=40)


@given(SIZES, st.integers(1, 7), st.integers(0, 60))
def test_chunks_are_the_batch_in_order_and_each_is_within_the_limits_unless_it_is_one_record(
    sizes: list[int | None], most_records: int, most_bytes: int
) -> None:
    records = [_record(offset, size) for offset, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "MAX_CHUNK_RECORDS", most_records)
        patch.setattr(order, "MAX_CHUNK_BYTES", most_bytes)
        found = [list(chunk) for chunk in chunks(records)]
    assert [record for chunk in found for record in chunk] == records
    for chunk in found:
        size = sum(len(record.value or b"") for record in chunk)
        assert 0 < len(chunk) <= most_records
        assert len(chunk) == 1 or size <= most_bytes


def test_chunks_are_as_long_as_the_limits_allow() -> None:
    small = [_record(offset, 1) for offset in range(2 * MAX_CHUNK_RECORDS + 1)]
    assert [len(chunk) for chunk in chunks(small)] == [MAX_CHUNK_RECORDS, MAX_CHUNK_RECORDS, 1]
    halves = [_record(offset, MAX_CHUNK_BYTES // 2) for offset in range(5)]
    assert [len(chunk) for chunk in chunks(halves)] == [2, 2, 1]


def test_a_record_above_the_byte_limit_is_a_chunk_of_its_own() -> None:
    records = [_record(0, 1), _record(1, MAX_CHUNK_BYTES + 1), _record(2, 1)]
    assert [len(chunk) for chunk in chunks(records)] == [1, 1, 1]


def test_a_submission_is_its_record_with_the_append_time_in_utc() -> None:
    headers: Headers = (("a", b"1"), ("a", b"2"))
    record = Record("s", 2, 40, 1_767_225_600_123, None, headers, None)
    moment = datetime(2026, 1, 1, microsecond=123_000, tzinfo=UTC)
    assert to_submission(record) == Submission("s", 2, 40, moment, None, headers, None)


def test_a_header_without_a_value_counts_as_empty() -> None:
    null: bytes = None  # type: ignore[assignment]  # what Kafka hands over for a null header
    record = Record("s", 2, 40, 0, b"k", (("a", null), ("b", b"")), b"v")
    assert to_submission(record).headers == (("a", b""), ("b", b""))


GOOD = {
    "a receipt alone": (_output("r", 40, 0),),
    "facts, then the receipt": (_output("f", 40, 0), _output("f", 40, 1), _output("r", 40, 2)),
    "a notice among the receipts": (_output("r", 40, 0), _output("r", 40, 1)),
}
BAD = {
    "nothing": (),
    "no receipt": (_output("f", 40, 0),),
    "the receipt not last": (_output("r", 40, 0), _output("f", 40, 1)),
    "ordinals from 1": (_output("r", 40, 1),),
    "a missing ordinal": (_output("f", 40, 0), _output("r", 40, 2)),
    "a repeated ordinal": (_output("f", 40, 0), _output("r", 40, 0)),
    "another submission's offset": (_output("f", 39, 0), _output("r", 40, 1)),
    "no position": (Output("r", b"k", (), b"{}"),),
    "a position that is no number": (_output("r", "4O", 0),),
}


@pytest.mark.parametrize("outputs", GOOD.values(), ids=GOOD.keys())
def test_outputs_that_answer_their_submission_pass(outputs: tuple[Output, ...]) -> None:
    check_outputs(SUBMISSION, outputs, "r")


@pytest.mark.parametrize("outputs", BAD.values(), ids=BAD.keys())
def test_outputs_that_do_not_bad(outputs: tuple[Output, ...]) -> None:
    with pytest.raises(OrderBroken, match="s/2/40"):
        check_outputs(SUBMISSION, outputs, "r")


@pytest.mark.parametrize("position", [-1, 0, 39])
def test_a_submission_after_the_position_advances(position: int) -> None:
    check_advance(position, SUBMISSION)


@pytest.mark.parametrize("position", [40, 41])
def test_a_submission_at_or_before_the_position_bad(position: int) -> None:
    with pytest.raises(OrderBroken, match=f"Offset 40 of s/2 would be answered after {position}"):
        check_advance(position, SUBMISSION)
