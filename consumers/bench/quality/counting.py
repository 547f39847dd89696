"""Watches from outside what a contender writes, as any reader would: committed records only."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from infra.errors import InfrastructureError
from infra.kafka import PartitionReader, Record, reader
from infra.settings import Settings
from schemas.receipts import RECEIPT

_TYPE: Final = ("ce_type", RECEIPT.encode())
_LIMIT_SECONDS: Final = 180.0
_POLL_RECORDS: Final = 5_000


class NotAnswered(InfrastructureError):
    """A contender did not answer everything, or not what the others answered."""


async def until_answered(reading: PartitionReader, count: int, alive: Callable[[], None]) -> float:
    """Waits until `count` receipts are visible.

    Args:
        reading: reads the receipts from their beginning.
        count: how many submissions there are.
        alive: called now and then; raises if the contender is gone.

    Returns:
        When the last one was seen, in seconds since 1970.

    Raises:
        NotAnswered: they are not there in time.
    """
    seen = 0
    until = time.monotonic() + _LIMIT_SECONDS
    while seen < count:
        found = await reading.poll(max_records=_POLL_RECORDS)
        at = time.time()
        seen += sum(is_receipt(one) for records in found.values() for one in records)
        alive()
        if time.monotonic() > until:
            raise NotAnswered(f"{seen} of {count} receipts after {_LIMIT_SECONDS:.0f} s.")
    return at


def is_receipt(record: Record) -> bool:
    """Whether a record of the receipts topic is a receipt, and not a notice of a gap."""
    return _TYPE in record.headers


@dataclass(frozen=True, slots=True)
class Written:
    """How many records a contender wrote, and a digest of every byte of them in order."""

    counts: tuple[int, ...]
    digest: str


async def written(settings: Settings, topics: Iterable[str]) -> Written:
    """Reads topics from their beginnings to their ends; partition by partition, in order."""
    counts: list[int] = []
    whole = hashlib.blake2b(digest_size=16)
    for topic in topics:
        async with reader(settings) as reading:
            partitions = await reading.assign_all(topic)
            ends = await reading.end_offsets(partitions)
            digests = {one: hashlib.blake2b(digest_size=16) for one in partitions}
            count = 0
            while any(at < ends[one] for one, at in (await reading.positions()).items()):
                for one, records in (await reading.poll(max_records=_POLL_RECORDS)).items():
                    count += len(records)
                    for record in records:
                        digests[one].update(_bytes(record))
            counts.append(count)
            for one in sorted(digests):
                whole.update(digests[one].digest())
    return Written(tuple(counts), whole.hexdigest())


def _bytes(record: Record) -> bytes:
    return repr((record.key, record.headers, record.value)).encode()


async def settled(settings: Settings, topics: Iterable[str], wanted: Written) -> Written:
    """What was written, once it is as much as `wanted`: a commit shows a moment after its answer.

    Raises:
        NotAnswered: it is something else.
    """
    names = tuple(topics)
    for _ in range(_LOOKS):
        found = await written(settings, names)
        if found == wanted:
            return found
        await asyncio.sleep(_LOOK_SECONDS)
    raise NotAnswered(
        f"wrote {found.counts} records, others wrote {wanted.counts}"
        + (", with other bytes" if found.counts == wanted.counts else "")
    )


_LOOKS: Final = 5
_LOOK_SECONDS: Final = 0.5
