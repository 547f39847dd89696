"""Creating and describing topics, the administration side of `infra.kafka`."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from infra.kafka_connection import (
    REQUEST_MS,
    BrokerRefused,
    connection_options,
    start,
    stop,
    translated,
)
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class TopicState:
    """How a topic stands at the broker; a partition without a leader cannot be used yet."""

    partitions: int
    replication: int
    leaders: int
    config: Mapping[str, str]


class Admin:
    """Creates and describes topics."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self._settings = settings
        self._client = client

    async def create(
        self, name: str, partitions: int, replication: int, config: Mapping[str, str]
    ) -> bool:
        """Create a topic; False when it was there already."""
        topic = NewTopic(name, partitions, replication, topic_configs=dict(config))
        with translated(self._settings):
            answer = await self._client.create_topics([topic])
        code, message = answer.topic_errors[0][1:3]
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            return False
        if code:
            raise BrokerRefused(f"The topic {name} was not created: {message or error.__name__}.")
        return True

    async def describe(self, names: Iterable[str]) -> dict[str, TopicState]:
        """The state of those of the topics that exist."""
        wanted = set(names)
        with translated(self._settings):
            existing = sorted(wanted & set(await self._client.list_topics()))
            if not existing:
                return {}
            found = await self._client.describe_topics(existing)
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in existing]
            answers = await self._client.describe_configs(resources)
        configs = {
            resource[3]: {entry[0]: entry[1] or "" for entry in resource[4]}
            for answer in answers
            for resource in answer.resources
        }
        return {
            one["topic"]: TopicState(
                partitions=len(one["partitions"]),
                replication=min((len(p["replicas"]) for p in one["partitions"]), default=0),
                leaders=sum(p["leader"] >= 0 for p in one["partitions"]),
                config=configs.get(one["topic"], {}),
            )
            for one in found
        }


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Admin]:
    """A started administration client, closed at the end.

    Raises:
        BrokerUnavailable: within `CONNECT_SECONDS`.
    """
    client = AIOKafkaAdminClient(**connection_options(settings), request_timeout_ms=REQUEST_MS)
    await start(settings, client)
    try:
        yield Admin(settings, client)
    finally:
        await stop(client)
