"""Where an audit reads records: a port, and Kafka behind it."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final, Protocol

from infra.kafka import BrokerUnavailable, Partition, Record, reader
from infra.settings import Settings

_QUIET_POLLS: Final = 30
_POLL_RECORDS: Final = 1000


class Log(Protocol):
    """Committed records of one moment; what is appended later is not looked at."""

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        ...

    async def beginning(self, topic: str, partition: int) -> int:
        """First offset that is still there."""
        ...

    def read(self, topic: str, partition: int) -> AsyncGenerator[Sequence[Record]]:
        """Every record from the beginning to the end as of now, in batches."""
        ...


class KafkaLog:
    """The broker's topics; every `read` has a connection of its own and writes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            BrokerRefused: there is no such topic.
        """
        async with reader(self._settings) as reading:
            return len(await reading.partitions(topic))

    async def beginning(self, topic: str, partition: int) -> int:
        """First offset that retention has left."""
        one = Partition(topic, partition)
        async with reader(self._settings) as reading:
            return (await reading.beginning_offsets([one]))[one]

    async def read(self, topic: str, partition: int) -> AsyncGenerator[Sequence[Record]]:
        """Every record up to the last stable offset as of now.

        Raises:
            BrokerUnavailable: the broker sends nothing for half a minute.
        """
        one = Partition(topic, partition)
        async with reader(self._settings) as reading:
            end = (await reading.end_offsets([one]))[one]
            await reading.assign({one: -1})
            quiet = 0
            while (position := await reading.position(one)) < end:
                found = (await reading.poll(max_records=_POLL_RECORDS)).get(one, [])
                yield [record for record in found if record.offset < end]
                quiet = 0 if await reading.position(one) != position else quiet + 1
                if quiet > _QUIET_POLLS:
                    raise BrokerUnavailable(f"The broker sends nothing of {topic} to audit.")
