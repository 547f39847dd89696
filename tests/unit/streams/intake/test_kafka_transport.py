"""The way through Kafka: topics, keys, headers, partitions and errors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from schemas.partitioning import partition_for
from schemas.topics import DISPENSATION_SUBMITTED, PUBLISHER_SESSIONS
from streams.intake import (
    KafkaTransport,
    Outbox,
    Place,
    Publisher,
    SigningKey,
    TransportRefused,
    TransportUnavailable,
    WireRecord,
)
from tests.unit.streams.intake.backbone import PHARMACY, FakeBackbone, FakeTransport, visit

PARTITIONS = {PUBLISHER_SESSIONS.name: 4, DISPENSATION_SUBMITTED.name: 24}


@dataclass
class Sender:
    """A producer that hands records to the backbone in memory."""

    backbone: FakeBackbone
    sent: list[tuple[str, int | None]] = field(default_factory=list)
    error: Exception | None = None

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> Place:
        if self.error is not None:
            raise self.error
        assert key is not None
        assert value is not None
        self.sent.append((topic, partition))
        record = WireRecord(key, tuple(headers), value)
        if topic == PUBLISHER_SESSIONS.name:
            return self.backbone.open_session(record)
        return self.backbone.append(record)


class Refused(Exception):
    """The broker says no."""


@pytest.fixture
def sender(backbone: FakeBackbone) -> Sender:
    return Sender(backbone)


@pytest.fixture
def kafka(sender: Sender, transport: FakeTransport) -> KafkaTransport:
    return KafkaTransport(sender, transport, partitions=PARTITIONS, refused=(Refused,))


async def test_records_go_to_their_topics_in_the_partition_of_their_key(
    sender: Sender, kafka: KafkaTransport, key: SigningKey, outbox: Outbox, backbone: FakeBackbone
) -> None:
    async with Publisher(PHARMACY, key, outbox, kafka, clock=backbone.clock) as publisher:
        await publisher.register(visit())
        assert (await publisher.flush()).sent == 1
        letters = [one.effect async for one in publisher.receipts(follow=False)]
    [session] = backbone.sessions
    assert sender.sent == [
        (PUBLISHER_SESSIONS.name, partition_for(session.encode(), 4)),
        (DISPENSATION_SUBMITTED.name, partition_for(PHARMACY.encode(), 24)),
    ]
    assert backbone.log[0].record.key == PHARMACY.encode()
    assert letters == ["answered"]


async def test_a_broker_that_does_not_answer_is_to_be_tried_again(
    sender: Sender, kafka: KafkaTransport, backbone: FakeBackbone
) -> None:
    sender.error = ConnectionError()
    with pytest.raises(TransportUnavailable, match="ConnectionError"):
        await kafka.submit(backbone.intake_record())


async def test_a_broker_that_says_no_is_a_refusal_bad(
    sender: Sender, kafka: KafkaTransport, backbone: FakeBackbone
) -> None:
    sender.error = Refused()
    with pytest.raises(TransportRefused, match="check the rights") as refused:
        await kafka.submit(backbone.intake_record())
    assert refused.value.code == "Refused"


async def test_letters_come_by_the_other_way(
    kafka: KafkaTransport, transport: FakeTransport
) -> None:
    assert [letter async for letter in kafka.follow(None)] == []
    await kafka.close()
    assert transport.closed
