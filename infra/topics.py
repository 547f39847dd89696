"""Brings the broker's topics to the declaration in `schemas.topics`, and tells what differs.

Nothing is ever deleted, and neither partition counts nor settings of an existing topic are changed:
counts because keys and state depend on them, settings because somebody may have had a reason. Both
are reported.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from infra.errors import InfrastructureError
from infra.kafka_admin import Admin, TopicState, admin
from infra.settings import Settings
from schemas.topics import ALL_TOPICS, EMBEDDED_PARTITIONS, Topic

LEADERS_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.05


class TopicsDiffer(InfrastructureError):
    """The broker's topics are not those of the declaration."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as declared; `found` is None when the topic is missing."""

    topic: str
    what: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.topic} is missing"
        return f"{self.topic}: {self.what} is {self.found}, declared {self.wanted}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` created, and what differs and was left alone."""

    created: tuple[str, ...]
    differences: tuple[Difference, ...]


async def apply(
    settings: Settings,
    *,
    replication: int = 1,
    partitions: int = EMBEDDED_PARTITIONS,
    topics: Iterable[Topic] = ALL_TOPICS,
) -> Applied:
    """Create the topics that are missing and wait until they can be used.

    Raises:
        BrokerUnavailable: the broker does not answer.
        BrokerRefused: it did not create a topic.
    """
    declared = tuple(topics)
    async with admin(settings) as client:
        present = await client.describe(one.name for one in declared)
        created = [
            one.name
            for one in declared
            if one.name not in present
            and await client.create(one.name, partitions, replication, one.config(replication))
        ]
        states = await _usable(client, declared)
    return Applied(tuple(created), compare(states, declared, replication, partitions))


async def check(
    settings: Settings,
    *,
    replication: int = 1,
    partitions: int = EMBEDDED_PARTITIONS,
    topics: Iterable[Topic] = ALL_TOPICS,
) -> tuple[Difference, ...]:
    """What differs from the declaration; changes nothing.

    Raises:
        BrokerUnavailable: the broker does not answer.
    """
    declared = tuple(topics)
    async with admin(settings) as client:
        states = await client.describe(one.name for one in declared)
    return compare(states, declared, replication, partitions)


def compare(
    states: dict[str, TopicState], topics: Iterable[Topic], replication: int, partitions: int
) -> tuple[Difference, ...]:
    """Every difference, topic by topic."""
    found: list[Difference] = []
    for topic in topics:
        state = states.get(topic.name)
        if state is None:
            found.append(Difference(topic.name, "topic", "present", None))
            continue
        pairs = [
            ("partitions", str(partitions), str(state.partitions)),
            ("replication", str(replication), str(state.replication)),
            *((k, v, state.config.get(k, "unset")) for k, v in topic.config(replication).items()),
        ]
        found += [Difference(topic.name, *pair) for pair in pairs if pair[1] != pair[2]]
    return tuple(found)


async def _usable(client: Admin, topics: tuple[Topic, ...]) -> dict[str, TopicState]:
    """Wait until every partition has a leader: a new topic is announced before it is served."""
    names = {one.name for one in topics}
    try:
        async with asyncio.timeout(LEADERS_SECONDS):
            while True:
                states = await client.describe(names)
                served = {
                    n for n, s in states.items() if s.partitions and s.leaders == s.partitions
                }
                if served == names:
                    return states
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise TopicsDiffer(
            f"Topics without a leader after {LEADERS_SECONDS:.0f} s: "
            f"{', '.join(sorted(names - served))}; check the brokers."
        ) from None
