"""A record whose header names are no UTF-8 is read like any other."""

from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

import infra.kafka
from infra.kafka_headers import TolerantRecords

ZSTD = 4
MARK = b"QZXJ"


def _batch(*headers: list[tuple[str, bytes | None]], compression: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset, given in enumerate(headers):
        builder.append(offset, timestamp=7, key=b"k", value=b"v", headers=given)
    return bytes(builder.build())


def _read(records: Any) -> list[tuple[Any, ...]]:
    found = []
    while records.has_next():
        batch = records.next_batch()
        found += [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in batch]
    assert records.next_batch() is None
    return found


GOOD: list[tuple[str, bytes | None]] = [("ce_id", b"1"), ("né", None), ("", b"")]


@pytest.mark.parametrize("compression", [0, ZSTD])
def test_good_records_are_read_as_aiokafka_reads_them(compression: int) -> None:
    data = _batch(GOOD, [], GOOD, compression=compression) + _batch([], compression=compression)
    assert _read(TolerantRecords(data)) == _read(MemoryRecords(data))


def test_odd_bytes_in_a_header_name_are_escaped_and_the_neighbours_are_untouched() -> None:
    data = _batch(GOOD, [("QZXJ", b"x"), ("QZXJ", None)], GOOD)
    odd = data.replace(MARK, b"a\xff\xed\xa0", 1).replace(MARK, b"\x80b\xc3\x28")
    assert [one[4] for one in _read(TolerantRecords(odd))] == [
        GOOD,
        [("a\\xff\\xed\\xa0", b"x"), ("\\x80b\\xc3(", None)],
        GOOD,
    ]
    with pytest.raises(UnicodeDecodeError):
        _read(MemoryRecords(odd))


def test_names_with_odd_bytes_can_be_written_again() -> None:
    odd = _batch([("QZXJ", b"x")]).replace(MARK, b"\xed\xb3\xbf\xff")
    ((_, _, _, _, headers),) = _read(TolerantRecords(odd))
    assert _read(TolerantRecords(_batch(headers)))[0][4] == headers


def test_what_fetched_batches_tell_besides_records_stays() -> None:
    data = _batch(GOOD, GOOD)
    batch, plain = TolerantRecords(data).next_batch(), MemoryRecords(data).next_batch()
    for name in ("next_offset", "base_offset", "is_control_batch", "is_transactional"):
        assert getattr(batch, name) == getattr(plain, name), name
    assert batch.validate_crc()
    assert not TolerantRecords(data.replace(b"ce_id", b"ce_di")).next_batch().validate_crc()
    assert next(batch).offset == 0


def test_incomplete_last_batches_are_left_for_the_next_fetch() -> None:
    data = _batch(GOOD)
    records = TolerantRecords(data + data[:-1])
    assert records.size_in_bytes() == 2 * len(data) - 1
    assert len(_read(records)) == 1


def test_every_consumer_reads_this_way() -> None:
    assert infra.kafka.consumer is not None
    assert fetcher.MemoryRecords is TolerantRecords
