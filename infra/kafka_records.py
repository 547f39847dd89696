"""Records and places in a log, whatever client reads or writes them."""

from typing import Any, NamedTuple

from aiokafka.partitioner import murmur2

Headers = tuple[tuple[str, bytes], ...]


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


class Ack(NamedTuple):
    """Where the broker put a record: partition, offset, append time (ms since 1970, UTC)."""

    partition: int
    offset: int
    timestamp_ms: int


class Record(NamedTuple):
    """One record as read; a value of None is a tombstone. `timestamp_ms` is the append time."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    headers: Headers
    value: bytes | None


def to_record(raw: Any) -> Record:
    """Our record from aiokafka's (as a Faust or a group consumer hands it out)."""
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        headers=tuple(raw.headers),
        value=raw.value,
    )


def partition_for(key: bytes, count: int) -> int:
    """The partition of a key among `count`, as every Kafka client chooses it by default."""
    return int((murmur2(key) & 0x7FFFFFFF) % count)
