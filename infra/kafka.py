"""Wraps aiokafka, which has no types: producers here, readers and records in the neighbours.

This module, the front, and its neighbours named `kafka_` are the only ones that touch it directly.
Everything returned is ours and typed, every failure is an `InfrastructureError` with one clear
sentence. Readers see committed records only.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from infra.kafka_connection import (
    CONNECT_SECONDS,
    REQUEST_MS,
    BrokerRefused,
    BrokerUnavailable,
    Fenced,
    PositionLost,
    RecordDamaged,
    connection_options,
    start,
    start_within,
    stop,
    translated,
)
from infra.kafka_fetched import our_records
from infra.kafka_reading import Isolation, PartitionReader, committed, consumer, reader
from infra.kafka_records import Ack, Headers, Partition, Record, partition_for, to_record
from infra.settings import Settings

__all__ = [
    "CONNECT_SECONDS",
    "Ack",
    "BrokerRefused",
    "BrokerUnavailable",
    "Fenced",
    "Headers",
    "Isolation",
    "Partition",
    "PartitionReader",
    "PositionLost",
    "Producer",
    "Record",
    "RecordDamaged",
    "committed",
    "connection_options",
    "consumer",
    "our_records",
    "partition_for",
    "producer",
    "reader",
    "start_within",
    "to_record",
]


class Producer:
    """An idempotent producer, `acks=all`; with a transactional id, one that fences its zombies."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self._settings = settings
        self._client = client

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> Ack:
        """Append one record and wait until the broker has it durably.

        Raises:
            BrokerUnavailable, BrokerRefused, Fenced: it may or may not be in the log.
        """
        future = await self.enqueue(topic, value, key=key, headers=headers, partition=partition)
        with translated(self._settings):
            done = await future
        return Ack(done.partition, done.offset, done.timestamp)

    async def enqueue(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> asyncio.Future[Any]:
        """Put one record into the next batch; the future ends when the broker has it."""
        with translated(self._settings):
            future: asyncio.Future[Any] = await self._client.send(
                topic, value, key=key, headers=list(headers), partition=partition
            )
        return future

    async def partition_count(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            BrokerRefused: there is no such topic, or it may not be written.
        """
        with translated(self._settings):
            return len(await self._client.partitions_for(topic))

    async def flush(self) -> None:
        """Wait until everything enqueued was answered."""
        with translated(self._settings):
            await self._client.flush()

    async def commit_positions(self, group: str, positions: Mapping[Partition, int]) -> None:
        """Keep a group's positions as part of the transaction under way.

        Raises:
            BrokerUnavailable, BrokerRefused, Fenced: the transaction cannot be committed.
        """
        offsets = {TopicPartition(*one): offset for one, offset in positions.items()}
        with translated(self._settings):
            await self._client.send_offsets_to_transaction(offsets, group)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All sends inside become visible together, or none if an exception passes through.

        The broker answers a commit before its markers are in the partitions, so readers and
        `end_offsets` see the records a moment later.

        Raises:
            BrokerUnavailable: whether it was committed is not known; start a new producer.
            BrokerRefused, Fenced: it was not committed.
        """
        with translated(self._settings):
            await self._client.begin_transaction()
        try:
            yield
            with translated(self._settings):
                await self._client.commit_transaction()
        except BaseException:
            # A fenced or broken producer cannot abort (the client then fails an assertion of its
            # own state); the broker aborts at its time limit.
            with suppress(KafkaError, AssertionError):
                await self._client.abort_transaction()
            raise


@asynccontextmanager
async def producer(
    settings: Settings,
    *,
    transactional_id: str | None = None,
    linger_ms: int = 5,
    max_request_size: int = 1_048_576,
    transaction_timeout_ms: int = 60_000,
    request_timeout_ms: int = REQUEST_MS,
) -> AsyncIterator[Producer]:
    """A started producer, stopped at the end; with a transactional id its zombies are fenced now.

    Raises:
        BrokerUnavailable: within `CONNECT_SECONDS`.
    """
    client = AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=linger_ms,
        max_batch_size=max(262_144, max_request_size if max_request_size > 1_048_576 else 0),  # noqa: PLR2004 - the client's own default of a request
        max_request_size=max_request_size,
        transactional_id=transactional_id,
        transaction_timeout_ms=transaction_timeout_ms,
        request_timeout_ms=request_timeout_ms,
    )
    await start(settings, client)
    try:
        yield Producer(settings, client)
    finally:
        await stop(client)
