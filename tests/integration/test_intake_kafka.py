"""The publisher on a real broker: what it writes, others read as it was meant."""

import re
from pathlib import Path

import pytest

from infra.kafka import BrokerUnavailable, PartitionReader, Record, reader
from infra.settings import Settings, load_settings
from schemas.partitioning import partition_for
from schemas.publisher import SessionOpened
from schemas.sealing.session import unseal_session_key
from schemas.sealing.submission import unseal
from schemas.topics import DISPENSATION_SUBMITTED, EMBEDDED_PARTITIONS, PUBLISHER_SESSIONS
from streams.intake import Outbox, Publisher, SigningKey, connect_kafka
from tests.unit.streams.intake.backbone import (
    INTAKE_PRIVATE,
    PHARMACY,
    FakeBackbone,
    FakeTransport,
    visit,
)

pytestmark = pytest.mark.integration


async def everything(kafka: PartitionReader, topic: str) -> list[Record]:
    """All records of a topic up to its end now."""
    partitions = await kafka.assign_all(topic)
    ends = await kafka.end_offsets(partitions)
    found: list[Record] = []
    while await kafka.positions() != ends:
        for records in (await kafka.poll()).values():
            found += records
    return found


async def test_sessions_and_submissions_are_read_from_kafka_and_open(
    topics_applied: Settings, tmp_path: Path
) -> None:
    key = SigningKey.generate("1")
    way = await connect_kafka(topics_applied, FakeTransport(FakeBackbone(key)))
    outbox = Outbox(tmp_path / "outbox", PHARMACY, key)
    async with Publisher(PHARMACY, key, outbox, way) as publisher:
        entries = [await publisher.register(visit()) for _ in range(3)]
        assert (await publisher.flush()).sent == 3
        tracked = [outbox.find(entry.id) for entry in entries]
    async with reader(topics_applied) as kafka:
        sessions = {one.key: one for one in await everything(kafka, PUBLISHER_SESSIONS.name)}
        ids = [entry.id.encode() for entry in entries]
        submissions = [
            one
            for one in await everything(kafka, DISPENSATION_SUBMITTED.name)
            if dict(one.headers).get("ce_id") in ids
        ]
    assert [dict(one.headers)["ce_id"] for one in submissions] == ids
    assert [one and one.place for one in tracked] == [
        (one.partition, one.offset) for one in submissions
    ]
    for one in submissions:
        assert one.key == PHARMACY.encode()
        assert one.partition == partition_for(one.key, EMBEDDED_PARTITIONS)
        session = sessions[dict(one.headers)["ce_sessionid"]]
        session_key = unseal_session_key(SessionOpened.read(session.value or b""), INTAKE_PRIVATE)
        assert unseal(session_key, one.key, one.headers, one.value or b"") == visit().write()


async def test_a_broker_that_is_not_there_is_told_in_one_sentence_bad() -> None:

    settings = load_settings(kafka_bootstrap="127.0.0.1:9")
    answers = FakeTransport(FakeBackbone(SigningKey.generate("1")))
    with pytest.raises(BrokerUnavailable, match=re.escape("127.0.0.1:9")):
        await connect_kafka(settings, answers)
