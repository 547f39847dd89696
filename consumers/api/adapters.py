"""The ports over Kafka and Postgres; the broadcast tables are a port as they are."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from psycopg import Error as DatabaseError

from consumers.api.coalescing import Coalesced
from consumers.api.follower import Follower
from consumers.api.ports import Appended, Header, PositionTimeout
from consumers.api.problems import Problem
from consumers.api.store import PostgresStore
from consumers.audit.places import Places
from consumers.audit.prove import Proven, proven
from infra.errors import InfrastructureError
from infra.kafka import Partition, PartitionReader, Producer
from projections import positions
from projections.broadcast import BroadcastTables
from schemas.partitioning import partition_for
from schemas.topics import SUBJECT_REGISTERED
from streams.notary import notes
from streams.notary.directory import LogDirectory

READY_SECONDS: Final = 3.0
RECENT_SECONDS: Final = 1.0


class KafkaLog:
    """Implements `ports.Log`; partition counts never change, so they are learnt once."""

    def __init__(
        self, producer: Producer, reader: PartitionReader, counts: Mapping[str, int]
    ) -> None:
        self._producer = producer
        self._reader = reader
        self._ends = Coalesced(reader.end_offsets)
        self._counts = counts
        self._recent: dict[str, tuple[float, Mapping[int, int]]] = {}

    async def append(
        self, topic: str, *, key: bytes, headers: Sequence[Header], value: bytes
    ) -> Appended:
        """Appends with `acks=all` in the key's partition."""
        partition = self.partition_of(topic, key)
        ack = await self._producer.send(topic, value, key=key, headers=headers, partition=partition)
        return Appended(ack.partition, ack.offset)

    async def stable_ends(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        """Last stable offsets as of now; readers who ask at the same time share one question."""
        wanted = [Partition(topic, number) for number in partitions]
        found = await self._ends.ends(wanted)
        return {one.partition: offset for one, offset in found.items()}

    async def ends_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        """Where each partition ended at a moment."""
        wanted = [Partition(topic, number) for number in self.partitions(topic)]
        found = await self._reader.offsets_at(wanted, moment)
        return {one.partition: offset for one, offset in found.items()}

    async def recent_ends(self, topic: str) -> Mapping[int, int]:
        """Last stable offsets, asked for at most once a second."""
        asked_at, ends = self._recent.get(topic, (float("-inf"), {}))
        now = time.monotonic()
        if now - asked_at >= RECENT_SECONDS:
            ends = await self.stable_ends(topic, self.partitions(topic))
            self._recent[topic] = (now, ends)
        return ends

    def partition_of(self, topic: str, key: bytes) -> int:
        """The partition of a key."""
        return partition_for(key, self._counts[topic])

    def partitions(self, topic: str) -> range:
        """All partitions of a topic."""
        return range(self._counts[topic])


class WaiterPositions:
    """Implements `ports.Positions` over the position waiter."""

    def __init__(self, waiter: positions.PositionWaiter) -> None:
        self._waiter = waiter

    async def wait(
        self,
        projection: str,
        topic: str,
        partition: int,
        position: int,
        timeout: float,  # noqa: ASYNC109 - a limit to waiting
    ) -> int:
        """The position reached, once it is at least `position`."""
        try:
            return await self._waiter.wait(projection, topic, partition, position, timeout)
        except positions.PositionTimeout:
            raise PositionTimeout from None

    async def reach(
        self,
        projection: str,
        topic: str,
        wanted: Mapping[int, int],
        timeout: float,  # noqa: ASYNC109 - a limit to waiting
        otherwise: positions.Otherwise,
    ) -> Mapping[int, int]:
        """The positions reached, once they are at least those wanted."""
        try:
            found = await self._waiter.reach(projection, topic, wanted, timeout, otherwise)
        except positions.PositionTimeout:
            raise PositionTimeout from None
        return found.positions

    def current(self, projection: str, topic: str, partition: int) -> int:
        """How far the projection is, as far as is known here."""
        return self._waiter.current(projection, topic, partition)


class LoggedFiles:
    """Implements `ports.LoggedRecords` over the notary's folder; `index` is a file of its own."""

    def __init__(self, folder: Path, index: Path) -> None:
        self._directory = LogDirectory(folder)
        self._places = Places(self._directory.read, index)
        self._one_at_a_time = asyncio.Lock()

    async def read(self, path: str) -> bytes:
        """A file of the log."""
        return await asyncio.to_thread(self._directory.read, path)

    async def prove(self, topic: str, partition: int, offset: int) -> Proven | None:
        """The leaf of a record and its proof."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._prove, Partition(topic, partition), offset)

    def _prove(self, place: Partition, offset: int) -> Proven | None:
        note = self._directory.checkpoint()
        if note is None:
            return None
        size = notes.parse_checkpoint(notes.parse_note(note)).size
        found = self._places.find(place, offset, size)
        return None if found is None else proven(self._directory.read, *found, note)


class Readiness:
    """Implements `ports.Health`: asks broker and database, and looks at what follows them."""

    def __init__(
        self, *, log: KafkaLog, store: PostgresStore, follower: Follower, tables: BroadcastTables
    ) -> None:
        self._log = log
        self._store = store
        self._follower = follower
        self._tables = tables

    async def failures(self) -> list[str]:
        """Names of what does not answer or has stopped."""
        found = [name for name, ok in await self._asked() if not ok]
        if not self._follower.healthy:
            found.append("follower")
        if not self._tables.intake_keys():
            found.append("intake_keys")
        return found

    async def _asked(self) -> list[tuple[str, bool]]:
        return [
            ("broker", await self._broker()),
            ("access_state", await self._access_state()),
        ]

    async def _broker(self) -> bool:
        topic = SUBJECT_REGISTERED.name
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._log.stable_ends(topic, self._log.partitions(topic))
        except (InfrastructureError, TimeoutError):
            return False
        return True

    async def _access_state(self) -> bool:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self._store.failure("access_state") is None
        except (InfrastructureError, DatabaseError, Problem, TimeoutError):
            return False
