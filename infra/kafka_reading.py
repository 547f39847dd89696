"""Reading by offset, without a group: what projections, restores and auditors need."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka_connection import (
    REQUEST_MS,
    BrokerRefused,
    connection_options,
    start,
    stop,
    translated,
)
from infra.kafka_fetched import let_consumers_choose, our_records
from infra.kafka_headers import accept_any_header_name
from infra.kafka_records import Partition, Record
from infra.settings import Settings

accept_any_header_name()
let_consumers_choose()

LOOK_MS: Final = 20
"""How often a reader without records looks whether its position moved, in milliseconds."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
Isolation = Literal["read_committed", "read_uncommitted"]


def consumer(
    settings: Settings,
    topics: Iterable[str] = (),
    *,
    group: str | None = None,
    isolation: Isolation = "read_committed",
    **options: Any,
) -> Any:
    """An aiokafka consumer that is not started yet, for group membership; untyped by nature.

    Offsets are not committed by themselves. It hands out aiokafka's own records unless its
    `value_deserializer` is `our_records`. For everything else use `reader`.
    """
    return AIOKafkaConsumer(
        *topics,
        **{
            **connection_options(settings),
            "group_id": group,
            "isolation_level": isolation,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "request_timeout_ms": REQUEST_MS,
            **options,
        },
    )


async def committed(
    settings: Settings, group: str, partitions: Iterable[Partition]
) -> dict[Partition, int]:
    """The positions that a group has kept; partitions of which it has none are left out.

    Raises:
        BrokerUnavailable: within `CONNECT_SECONDS`.
    """
    client = consumer(settings, group=group)
    await start(settings, client)
    try:
        wanted = [TopicPartition(*one) for one in partitions]
        client.assign(wanted)
        with translated(settings):
            found = {one: await client.committed(one) for one in wanted}
        return {Partition(*one): int(at) for one, at in found.items() if at is not None}
    finally:
        await stop(client)


class PartitionReader:
    """Reads chosen partitions by offset, without a group; positions move past control records.

    What is asked while a log is being read goes over a connection of its own: a broker answers the
    requests of one connection in order, so it would wait behind a fetch that waits for records.
    """

    def __init__(self, settings: Settings, client: Any, asking: "_Asking") -> None:
        self._settings = settings
        self._client = client
        self._asking = asking
        self._assigned: tuple[Partition, ...] = ()

    @property
    def assigned(self) -> tuple[Partition, ...]:
        """What is being read."""
        return self._assigned

    async def partitions(self, topic: str) -> tuple[Partition, ...]:
        """All partitions of a topic.

        Raises:
            BrokerRefused: there is no such topic.
        """
        client = await self._free()
        with translated(self._settings):
            # The public calls answer from a cache that knows no topic before it is assigned.
            cluster = await client._client.fetch_all_metadata()  # noqa: SLF001 - see above
        found = cluster.partitions_for_topic(topic)
        if not found:
            raise BrokerRefused(
                f"There is no topic {topic} at {self._settings.kafka_bootstrap}: run dpp topics "
                "apply."
            )
        return tuple(Partition(topic, number) for number in sorted(found))

    async def assign_all(
        self, *topics: str, start: Mapping[Partition, int] | None = None
    ) -> tuple[Partition, ...]:
        """Read all partitions of these topics, from `start` or else from their beginnings."""
        wanted = [one for topic in topics for one in await self.partitions(topic)]
        await self.assign({one: (start or {}).get(one, -1) for one in wanted})
        return self._assigned

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read exactly these partitions, each from its offset; -1 is its beginning."""
        unknown = [one for one, offset in positions.items() if offset < 0]
        begin = await self.beginning_offsets(unknown) if unknown else {}
        self._client.assign([TopicPartition(*one) for one in positions])
        for one, offset in positions.items():
            self._client.seek(TopicPartition(*one), begin.get(one, offset))
        self._assigned = tuple(positions)

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on from this offset."""
        self._client.seek(TopicPartition(*partition), offset)

    def only(self, partitions: Iterable[Partition]) -> None:
        """Read on in these only; the others keep their positions until they are named again."""
        chosen = set(partitions)
        paused = [TopicPartition(*one) for one in self._assigned if one not in chosen]
        self._client.pause(*paused)
        self._client.resume(*(TopicPartition(*one) for one in self._assigned if one in chosen))

    async def poll(
        self,
        *,
        max_records: int = 1000,
        timeout: float = 1.0,  # noqa: ASYNC109 - a limit to waiting, no error
    ) -> dict[Partition, list[Record]]:
        """Records that have arrived, at most `max_records` in all, waiting up to `timeout` seconds.

        It also returns, empty, as soon as a position moved without a record: past a transaction's
        marker or an aborted one. So look at `position` after each call.

        Raises:
            PositionLost: an offset to read is not in the log.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + timeout
        before = await self.positions()
        while True:
            wait = max(0, min(LOOK_MS, round((until - clock()) * 1000)))
            with translated(self._settings):
                found = await self._client.getmany(timeout_ms=wait, max_records=max_records)
            if found or clock() >= until or await self.positions() != before:
                return {Partition(*one): records for one, records in found.items()}

    async def position(self, partition: Partition) -> int:
        """Offset of the next record to read: everything before it was passed, markers too."""
        with translated(self._settings):
            return int(await self._client.position(TopicPartition(*partition)))

    async def positions(self) -> dict[Partition, int]:
        """The position of every assigned partition."""
        # Asked for at every look: one guard around all of them.
        with translated(self._settings):
            return {
                one: int(await self._client.position(TopicPartition(*one)))
                for one in self._assigned
            }

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Last stable offsets: a reader whose position is there has passed all that is decided."""
        wanted = [TopicPartition(*one) for one in partitions]
        client = await self._free()
        with translated(self._settings):
            await _introduce(client, wanted)
            found = await client.end_offsets(wanted)
        return {Partition(*one): int(offset) for one, offset in found.items()}

    async def offsets_at(
        self, partitions: Iterable[Partition], moment: datetime
    ) -> dict[Partition, int]:
        """Offset of each partition's first record that was appended at or after a moment.

        Where there is none, the last stable offset.
        """
        wanted = [TopicPartition(*one) for one in partitions]
        client = await self._free()
        with translated(self._settings):
            await _introduce(client, wanted)
            ends = await client.end_offsets(wanted)
            # Append times are in whole milliseconds, so a moment between two means the next.
            since = -((_EPOCH - moment) // timedelta(milliseconds=1))
            found = await client.offsets_for_times(dict.fromkeys(wanted, since))
        return {
            Partition(*one): int(ends[one] if at is None else at.offset)
            for one, at in found.items()
        }

    def tops(self) -> dict[Partition, int]:
        """Ends of what is read, undecided transactions included, as the last fetch told them."""
        found = {one: self._client.highwater(TopicPartition(*one)) for one in self._assigned}
        return {one: int(offset) for one, offset in found.items() if offset is not None}

    async def beginning_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """First offsets that are still in the log."""
        wanted = [TopicPartition(*one) for one in partitions]
        client = await self._free()
        with translated(self._settings):
            await _introduce(client, wanted)
            found = await client.beginning_offsets(wanted)
        return {Partition(*one): int(offset) for one, offset in found.items()}

    async def _free(self) -> Any:
        """A client whose connection no fetch occupies."""
        return await self._asking.client() if self._assigned else self._client


async def _introduce(client: Any, partitions: Iterable[Any]) -> None:
    """Makes a client learn where all these lie at once: by itself it learns topic after topic."""
    inner = client._client  # noqa: SLF001 - the public calls know no list of topics
    await asyncio.gather(*(inner.add_topic(topic) for topic in {one.topic for one in partitions}))


@asynccontextmanager
async def reader(
    settings: Settings,
    *,
    isolation: Isolation = "read_committed",
    fetch_max_bytes: int = 8 * 1024 * 1024,
) -> AsyncIterator[PartitionReader]:
    """A started reader, stopped at the end.

    Raises:
        BrokerUnavailable: within `CONNECT_SECONDS`.
    """
    client = consumer(
        settings,
        isolation=isolation,
        auto_offset_reset="none",
        value_deserializer=our_records,
        max_partition_fetch_bytes=fetch_max_bytes,
    )
    asking = _Asking(settings, isolation)
    await start(settings, client)
    try:
        yield PartitionReader(settings, client, asking)
    finally:
        await asking.close()
        await stop(client)


class _Asking:
    """A second client of a reader, connected when it is first needed."""

    def __init__(self, settings: Settings, isolation: Isolation) -> None:
        self._settings = settings
        self._isolation: Isolation = isolation
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def client(self) -> Any:
        async with self._connecting:
            if self._client is None:
                made = consumer(self._settings, isolation=self._isolation)
                await start(self._settings, made)
                self._client = made
            return self._client

    async def close(self) -> None:
        if self._client is not None:
            await stop(self._client)
