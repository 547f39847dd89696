"""Records as the log holds them, in its order, some thousand at a time."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any, Final

from infra.kafka import Record
from streams.notary import leaf, reading
from streams.notary.directory import Read
from streams.notary.tiles import WIDTH

STRETCH: Final = 16
"""Bundles that are read at a time: 4,096 leaves."""
STRETCH_LEAVES: Final = STRETCH * WIDTH
Indexed = tuple[int, Record]
"""A leaf's index and its record."""


async def stretches(read: Read, size: int, topics: Collection[str]) -> AsyncIterator[list[Indexed]]:
    """The records of these topics among the first `size` leaves.

    Raises:
        LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged: verify it first.
    """
    for first in range(0, -(-size // WIDTH), STRETCH):
        yield await asyncio.to_thread(_stretch, read, size, first, topics)


def _stretch(read: Read, size: int, first: int, topics: Collection[str]) -> list[Indexed]:
    wanted = range(first, first + STRETCH)
    found = ((index, leaf.decode(entry)) for index, entry in reading.leaves(read, size, wanted))
    return [(index, _record(one)) for index, one in found if one.topic in topics]


def _record(one: leaf.Leaf) -> Record:
    # As Kafka gives them: a header may be null there too, whatever the client's types say.
    headers: Any = one.headers
    return Record(
        one.topic, one.partition, one.offset, one.timestamp_ms, one.key, headers, one.value
    )
