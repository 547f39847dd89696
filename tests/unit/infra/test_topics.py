"""The declaration of topics, and the partition of a key."""

import pytest

from infra.kafka import partition_for
from infra.kafka_admin import TopicState
from infra.topics import compare
from schemas.topics import ALL_TOPICS, DAY_MS, DISPENSATION_SUBMITTED, FOREVER, SUBJECT_SUBMITTED


@pytest.mark.parametrize("replication", [1, 2, 3])
def test_every_topic_takes_the_brokers_time_and_the_writers_bytes(replication: int) -> None:
    for topic in ALL_TOPICS:
        config = topic.config(replication)
        assert config["message.timestamp.type"] == "LogAppendTime"
        assert config["compression.type"] == "producer"
        assert config["cleanup.policy"] == "delete"
        assert config["min.insync.replicas"] == str({1: 1, 2: 1, 3: 2}[replication])


def test_retention_is_as_designed() -> None:
    days = {
        topic.name.removeprefix("dpp."): topic.retention_ms / DAY_MS
        for topic in ALL_TOPICS
        if topic.retention_ms != FOREVER
    }
    assert days == {
        "publisher.sessions": 45,
        "dispensation.submitted": 30,
        "dispensation.deadletter": 30,
        "subject.submitted": 30,
        "subject.notices": 366,
        "access.audited": 3660,
    }


def test_submitted_topics_roll_daily_and_take_in_what_the_stage_refuses() -> None:
    for topic in (DISPENSATION_SUBMITTED, SUBJECT_SUBMITTED):
        config = topic.config(3)
        assert int(config["segment.ms"]) <= DAY_MS
        assert int(config["max.message.bytes"]) > 5_000_000


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From Kafka's own test of its murmur2 (UtilsTest.testMurmur2), as signed 32-bit numbers.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitions_are_those_of_every_kafka_client(key: bytes, hashed: int) -> None:
    for count in (1, 4, 24):
        assert partition_for(key, count) == (hashed & 0x7FFFFFFF) % count


def test_only_differences_are_told() -> None:
    topic = DISPENSATION_SUBMITTED
    same = TopicState(partitions=4, replication=1, leaders=4, config=topic.config(1))
    assert compare({topic.name: same}, [topic], 1, 4) == ()
    (found,) = compare({topic.name: same}, [topic], 1, 24)
    assert str(found) == "dpp.dispensation.submitted: partitions is 4, declared 24"
