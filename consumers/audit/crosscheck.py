"""Compares a log with the Kafka topics that it is of, both ways; pure.

Of every partition, from where Kafka still has it up to where the log has come: each record is a
leaf, each leaf is a record, and their bytes are the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.kafka import Partition

Kind = Literal["missing", "added", "other_bytes", "unreadable"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Where log and Kafka disagree.

    `missing`: Kafka has a record that is no leaf; `added`: a leaf is no record of Kafka;
    `other_bytes`: both are there and differ; `unreadable`: Kafka's own files are damaged.
    """

    kind: Kind
    topic: str
    partition: int
    offset: int
    leaf: int | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A leaf of one partition: the record's offset, the leaf's index and bytes."""

    offset: int
    index: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A record of one partition, as the leaf that it would be."""

    offset: int
    entry: bytes


def differences(
    place: Partition, leaves: Sequence[Logged], records: Sequence[Kept]
) -> Iterator[Discrepancy]:
    """What disagrees between the leaves and the records of one stretch of a partition.

    Both are in the order of offsets.
    """
    at = 0
    for one in leaves:
        while at < len(records) and records[at].offset < one.offset:
            yield Discrepancy("missing", *place, records[at].offset)
            at += 1
        if at == len(records) or records[at].offset > one.offset:
            yield Discrepancy("added", *place, one.offset, one.index)
            continue
        if records[at].entry != one.entry:
            yield Discrepancy("other_bytes", *place, one.offset, one.index)
        at += 1
    for record in records[at:]:
        yield Discrepancy("missing", *place, record.offset)
