"""What was fetched and is not answered yet: in order for each partition, bounded for the process.

Batches that wait are joined: whatever has queued up behind a transaction becomes the next one, up
to a limit. So a transaction is small while there is little to do, and large when it is behind.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.kafka import Record
from streams.engine import metrics
from streams.engine.order import MAX_CHUNK_BYTES, MAX_CHUNK_RECORDS

MAX_BATCHES: Final = 256
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of keys, values and headers, of all partitions of a process together."""


@dataclass(slots=True, eq=False)
class _Batch:
    """A fetched batch; `answered` ends with whether it was, or with what ends the process."""

    records: Sequence[Record]
    answered: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    at: int = 0
    """How many of its records have been taken."""

    @property
    def last(self) -> int:
        """Its last offset; -1 of an empty one, which waits for the partition to be restored."""
        return self.records[-1].offset if self.records else -1

    def end(self, answered: bool) -> None:
        """Tells whoever waits for it."""
        if not self.answered.done():
            self.answered.set_result(answered)


class Inbox:
    """The batches of one partition, from the first that is not committed to the last fetched."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()
        self._arrived = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._batches)

    def put(self, records: Sequence[Record]) -> asyncio.Future[bool]:
        """Adds a batch; the future ends when it is answered, or is not going to be."""
        batch = _Batch(records)
        self._batches.append(batch)
        self._arrived.set()
        return batch.answered

    def covers(self, offset: int) -> bool:
        """Whether what was fetched begins at this offset or before it."""
        first = next((batch.records[0].offset for batch in self._batches if batch.records), None)
        return first is not None and first <= offset

    async def arrival(self) -> None:
        """Returns once there is something that `take` has not seen."""
        await self._arrived.wait()

    def take(self, expected: int) -> tuple[list[Record], int]:
        """The next records from offset `expected` on, joined, and how many were passed over.

        They end where the fetcher left something out, and stay within `MAX_CHUNK_RECORDS` and,
        unless it is one, `MAX_CHUNK_BYTES`.
        """
        self._arrived.clear()
        taken: list[Record] = []
        size = passed = 0
        for batch in self._batches:
            if taken and batch.at < len(batch.records) and _gap(taken[-1], batch.records[batch.at]):
                break
            for record in batch.records[batch.at :]:
                if record.offset < expected:
                    passed += 1
                else:
                    bytes_here = len(record.value or b"")
                    full = len(taken) >= MAX_CHUNK_RECORDS or size + bytes_here > MAX_CHUNK_BYTES
                    if full and taken:
                        return taken, passed
                    taken.append(record)
                    size += bytes_here
                    expected = record.offset + 1
                batch.at += 1
        return taken, passed

    def rewind(self) -> None:
        """Everything that is not answered is to be taken again."""
        for batch in self._batches:
            batch.at = 0

    def answer(self, expected: int) -> None:
        """Everything below offset `expected` is committed."""
        while self._batches and self._batches[0].last < expected:
            self._batches.popleft().end(True)

    def leave_rest(self) -> None:
        """Gives up the batches of which nothing was taken yet."""
        begun = [batch for batch in self._batches if batch.at]
        rest = [batch for batch in self._batches if not batch.at]
        self._batches = deque(begun)
        for batch in rest:
            batch.end(False)

    def give_up(self, error: BaseException | None = None) -> None:
        """Nothing more is answered: the partition went away, or the process ends by `error`."""
        while self._batches:
            batch = self._batches.popleft()
            if error is None or batch.answered.done():
                batch.end(False)
            else:
                batch.answered.set_exception(error)


def _gap(before: Record, after: Record) -> bool:
    return after.offset > before.offset + 1


class InFlight:
    """How much the fetcher has handed over that is not answered; more has to wait.

    A partition of which nothing is in flight is always let in, so one that waits for its disk or
    for the vault holds up no other. The bound is therefore `batches` and `size`, and one batch for
    each partition beyond.
    """

    def __init__(self, stage: str, *, batches: int = MAX_BATCHES, size: int = MAX_BYTES) -> None:
        self._stage = stage
        self._most = (batches, size)
        self._of_partition: dict[int, int] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.batches = 0
        self.size = 0

    async def enter(self, partition: int, size: int) -> None:
        """Returns when a batch of so many bytes may be taken in."""
        held_back = False
        while not self._fits(partition, size):
            if not held_back:
                metrics.HELD_BACK.labels(self._stage).inc()
                held_back = True
            room = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            await room
        self._of_partition[partition] = self._of_partition.get(partition, 0) + 1
        self._count(1, size)

    def leave(self, partition: int, size: int) -> None:
        """A batch that had entered is answered, or was given up."""
        self._of_partition[partition] -= 1
        if not self._of_partition[partition]:
            del self._of_partition[partition]
        self._count(-1, -size)
        waiting, self._waiting = self._waiting, deque()
        for room in waiting:
            if not room.done():
                room.set_result(None)

    def _fits(self, partition: int, size: int) -> bool:
        batches, bytes_ = self._most
        fits = self.batches < batches and self.size + size <= bytes_
        return fits or partition not in self._of_partition

    def _count(self, batches: int, size: int) -> None:
        self.batches += batches
        self.size += size
        metrics.IN_FLIGHT_BATCHES.labels(self._stage).set(self.batches)
        metrics.IN_FLIGHT_BYTES.labels(self._stage).set(self.size)


def size_of(records: Sequence[Record]) -> int:
    """Bytes of keys, values and headers."""
    return sum(
        [
            len(one.key or b"")
            + len(one.value or b"")
            + sum([len(name) + len(value or b"") for name, value in one.headers])
            for one in records
        ]
    )
