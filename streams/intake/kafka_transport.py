"""Straight to Kafka: sessions and submissions as records; keys and receipts through the API.

A publisher may write its two topics and read nothing, so what comes back always comes by HTTP.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

from schemas.partitioning import partition_for
from schemas.publisher import BackboneKeyPublished
from schemas.topics import DISPENSATION_SUBMITTED, PUBLISHER_SESSIONS
from streams.intake.session import Header, WireRecord
from streams.intake.transports import Letter, Page, Place, Transport, TransportUnavailable
from streams.intake.transports import TransportRefused as Refused

if TYPE_CHECKING:
    # Composition only: publishers that use HTTP need neither a Kafka client nor these settings.
    from infra.settings import Settings


class SentRecord(Protocol):
    """What a producer answers once the broker has a record durably."""

    @property
    def partition(self) -> int:
        """Partition of the record."""
        ...

    @property
    def offset(self) -> int:
        """Offset of the record."""
        ...


class RecordSender(Protocol):
    """A Kafka producer with `acks=all`; `infra.kafka.Producer` is one."""

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[Header] = (),
        partition: int | None = None,
    ) -> SentRecord:
        """Appends one record to that partition."""
        ...


class KafkaTransport:
    """A `Transport` that writes through a producer and reads through the API."""

    def __init__(
        self,
        sender: RecordSender,
        answers: Transport,
        *,
        partitions: Mapping[str, int],
        unavailable: tuple[type[Exception], ...] = (TimeoutError, ConnectionError),
        refused: tuple[type[Exception], ...] = (),
        resources: AsyncExitStack | None = None,
    ) -> None:
        """Takes over `answers` and `resources`: `close` closes them.

        `partitions` says how many partitions the two topics have; `unavailable` and `refused` are
        what the producer raises when the broker does not answer, and when it says no.
        """
        self._sender = sender
        self._answers = answers
        self._partitions = partitions
        self._unavailable = unavailable
        self._refused = refused
        self._resources = resources or AsyncExitStack()

    async def intake_key(self) -> BackboneKeyPublished:
        """The newest intake key that carries the office's signature."""
        return await self._answers.intake_key()

    async def open_session(self, record: WireRecord) -> Place:
        """Makes a session known, durably."""
        return await self._append(PUBLISHER_SESSIONS.name, record)

    async def submit(self, record: WireRecord) -> Place:
        """Appends a sealed submission, durably."""
        return await self._append(DISPENSATION_SUBMITTED.name, record)

    async def receipts(self, after: str | None) -> Page:
        """Letters behind a cursor; None is the beginning."""
        return await self._answers.receipts(after)

    def follow(self, after: str | None) -> AsyncGenerator[Letter, None]:
        """Letters as they arrive."""
        return self._answers.follow(after)

    async def close(self) -> None:
        """Stops the producer, if it was started for this transport, and closes the way back."""
        try:
            await self._resources.aclose()
        finally:
            await self._answers.close()

    async def _append(self, topic: str, record: WireRecord) -> Place:
        # Named here, because not every client's default is murmur2, and the stage checks it.
        partition = partition_for(record.key, self._partitions[topic])
        try:
            done = await self._sender.send(
                topic, record.value, key=record.key, headers=record.headers, partition=partition
            )
        except self._unavailable as error:
            raise TransportUnavailable(
                f"The Kafka broker does not answer ({type(error).__name__})."
            ) from error
        except self._refused as error:
            name = type(error).__name__
            text = f"The Kafka broker refused a record for {topic} ({name}): check the rights."
            raise Refused(name, text) from error
        return Place(done.partition, done.offset)


async def connect_kafka(settings: "Settings", answers: Transport) -> KafkaTransport:
    """Connects to the broker of the settings; `answers` is what `connect_http` gives.

    Raises:
        infra.errors.InfrastructureError: the broker does not answer or has not the topics.
    """
    from infra.kafka import (  # noqa: PLC0415 - composition: see the top of this module
        BrokerRefused,
        BrokerUnavailable,
        producer,
    )

    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(producer(settings))
        topics = (PUBLISHER_SESSIONS.name, DISPENSATION_SUBMITTED.name)
        partitions = {topic: await sender.partition_count(topic) for topic in topics}
        return KafkaTransport(
            sender,
            answers,
            partitions=partitions,
            unavailable=(BrokerUnavailable,),
            refused=(BrokerRefused,),
            resources=stack.pop_all(),
        )
    raise AssertionError("an exit stack swallows nothing")
