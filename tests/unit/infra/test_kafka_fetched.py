"""Records are made once, where a consumer asks for it; which of them count is aiokafka's to say."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

import infra.kafka
from infra.kafka import Record, our_records, to_record

TP = TopicPartition("t", 3)
_BASE_OFFSET = slice(0, 8)
_KEYS = st.none() | st.binary(max_size=4)
_HEADERS = st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=3)
_RECORDS = st.lists(st.tuples(_KEYS, _KEYS, _HEADERS), min_size=1, max_size=4)
_BATCHES = st.lists(st.tuples(_RECORDS, st.booleans(), st.integers(1, 3)), min_size=1, max_size=5)
_ABORTED = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), max_size=3)


def _batch(base: int, records: list[Any], *, producer: int, transactional: bool) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=transactional,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for number, (key, value, headers) in enumerate(records):
        builder.append(number, timestamp=7 + number, key=key, value=value, headers=headers)
    data = builder.build()
    data[_BASE_OFFSET] = base.to_bytes(8, "big")
    return bytes(data)


def _log(batches: list[tuple[list[Any], bool, int]]) -> bytes:
    """These batches one after the other, with a hole of one offset after each."""
    data, base = b"", 0
    for records, transactional, producer in batches:
        data += _batch(base, records, producer=producer, transactional=transactional)
        base += len(records) + 1
    return data


def _fetched(data: bytes, aborted: list[tuple[int, int]], start: int, value: Any) -> Any:
    return fetcher.PartitionRecords(
        TP, fetcher.MemoryRecords(data), aborted, start, None, value, True, fetcher.READ_COMMITTED
    )


def _read(fetched: Any) -> list[tuple[Any, int]]:
    """Each record with the position after it, and the position after all."""
    return [(one, fetched.next_fetch_offset) for one in fetched] + [
        (None, fetched.next_fetch_offset)
    ]


@given(_BATCHES, _ABORTED, st.integers(0, 6))
def test_the_same_records_and_positions_as_aiokafkas_own_whatever_was_aborted(
    batches: list[Any], aborted: list[tuple[int, int]], start: int
) -> None:
    data = _log(batches)
    theirs = _read(_fetched(data, aborted, start, None))
    assert _read(_fetched(data, aborted, start, our_records)) == [
        (None if one is None else to_record(one), at) for one, at in theirs
    ]


def test_what_was_made_is_a_record_of_ours() -> None:
    data = _log([([(b"k", b"v", [("a", b"")]), (None, None, [])], False, 1)])
    assert [one for one, _ in _read(_fetched(data, [], 0, our_records))] == [
        Record("t", 3, 0, 7, b"k", (("a", b""),), b"v"),
        Record("t", 3, 1, 8, None, (), None),
        None,
    ]


def test_bytes_that_do_not_fit_their_checksum_are_refused() -> None:
    data = _log([([(b"key", b"v", [])], False, 1)]).replace(b"key", b"kex")
    with pytest.raises(CorruptRecordException):
        _read(_fetched(data, [], 0, our_records))


def test_consumers_that_do_not_ask_get_aiokafkas_records() -> None:
    assert infra.kafka.consumer is not None
    ((one, _), _) = _read(_fetched(_log([([(b"k", b"v", [])], False, 1)]), [], 0, None))
    assert (one.timestamp, one.serialized_key_size) == (7, 1)
