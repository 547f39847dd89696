"""Topics, producers and readers against the real broker."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from aiokafka.partitioner import DefaultPartitioner

from infra.kafka import (
    BrokerRefused,
    BrokerUnavailable,
    Fenced,
    Partition,
    PartitionReader,
    PositionLost,
    Producer,
    partition_for,
    producer,
    reader,
)
from infra.kafka_admin import admin
from infra.settings import Settings
from infra.topics import apply, check
from schemas.topics import ALL_TOPICS, DISPENSATION_SUBMITTED, FOREVER, Topic

pytestmark = pytest.mark.integration

WAIT_SECONDS = 120.0


async def _create(settings: Settings, topic: str, partitions: int = 1) -> None:
    await apply(settings, partitions=partitions, topics=[Topic(topic, "key", "test", FOREVER)])


async def _abort(sending: Producer, topic: str) -> None:
    with suppress(ZeroDivisionError):
        async with sending.transaction():
            await sending.send(topic, b"aborted")
            raise ZeroDivisionError


async def _read_to(reading: PartitionReader, one: Partition, end: int) -> list[bytes | None]:
    values: list[bytes | None] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while await reading.position(one) < end:
            for records in (await reading.poll(timeout=5)).values():
                values += [record.value for record in records]
    return values


async def test_applied_topics_are_as_declared(topics_applied: Settings) -> None:
    assert await check(topics_applied) == ()


async def test_applying_twice_creates_nothing(topics_applied: Settings) -> None:
    again = await apply(topics_applied)
    assert (again.created, again.differences) == ((), ())


async def test_a_different_setting_or_count_is_reported_and_left_alone(
    settings: Settings, topic: str
) -> None:
    declared = Topic(topic, "key", "test", 1000)
    await apply(settings, partitions=2, topics=[declared])
    other = replace(declared, retention_ms=2000)
    applied = await apply(settings, partitions=3, topics=[other])
    assert [str(one) for one in applied.differences] == [
        f"{topic}: partitions is 2, declared 3",
        f"{topic}: retention.ms is 1000, declared 2000",
    ]
    assert await check(settings, partitions=3, topics=[other]) == applied.differences


async def test_a_missing_topic_is_a_difference(settings: Settings, topic: str) -> None:
    (found,) = await check(settings, topics=[Topic(topic, "key", "test", FOREVER)])
    assert str(found) == f"{topic} is missing"


async def test_topics_are_not_made_by_reading_them(settings: Settings, topic: str) -> None:
    async with reader(settings) as reading:
        with pytest.raises(BrokerRefused, match="dpp topics apply"):
            await reading.partitions(topic)


async def test_a_refused_creation_names_the_topic(settings: Settings, topic: str) -> None:
    async with admin(settings) as client:
        with pytest.raises(BrokerRefused, match=topic):
            await client.create(topic, 1, 5, {})


async def test_a_record_comes_back_as_sent_with_the_brokers_time(
    settings: Settings, topic: str
) -> None:
    await _create(settings, topic)
    headers = (("ce_id", b"1"), ("ce_id", b"2"))
    async with producer(settings) as sending, reader(settings) as reading:
        ack = await sending.send(topic, b"value", key=b"key", headers=headers)
        await sending.send(topic, None, key=b"gone")
        (one,) = await reading.assign_all(topic)
        found = (await reading.poll(timeout=WAIT_SECONDS))[one]
    assert (found[0].key, found[0].value, found[0].headers) == (b"key", b"value", headers)
    assert (found[0].offset, found[0].timestamp_ms) == (ack.offset, ack.timestamp_ms)
    if len(found) > 1:
        assert (found[1].key, found[1].value) == (b"gone", None)


async def test_keys_go_to_the_partition_that_we_compute(settings: Settings, topic: str) -> None:
    await _create(settings, topic, partitions=4)
    async with producer(settings) as sending:
        for number in range(20):
            key = f"{number:08d}".encode()
            ack = await sending.send(topic, b"", key=key)
            assert ack.partition == partition_for(key, 4)
            assert ack.partition == DefaultPartitioner()(key, range(4), range(4))


@pytest.mark.parametrize("abort", [False, True])
async def test_the_position_passes_a_trailing_marker_and_reaches_the_end(
    settings: Settings, topic: str, *, abort: bool
) -> None:
    await _create(settings, topic)
    one = Partition(topic, 0)
    async with producer(settings, transactional_id=topic) as sending, reader(settings) as reading:
        await reading.assign_all(topic)
        async with sending.transaction():
            await sending.send(topic, b"committed")
        if abort:
            await _abort(sending, topic)
        wanted = 4 if abort else 2
        assert await _read_to(reading, one, wanted) == [b"committed"]
        assert await reading.position(one) == wanted
        # Only now: the broker answers a commit before its markers are in the partitions.
        assert await reading.end_offsets([one]) == {one: wanted}


async def test_a_poll_that_only_passes_markers_returns_early(
    settings: Settings, topic: str
) -> None:
    await _create(settings, topic)
    one = Partition(topic, 0)
    async with producer(settings, transactional_id=topic) as sending, reader(settings) as reading:
        await reading.assign_all(topic)
        await _abort(sending, topic)
        async with asyncio.timeout(WAIT_SECONDS):
            assert await reading.poll(timeout=600) == {}
        assert await reading.position(one) == 2


async def test_the_position_passes_a_marker_beyond_the_record_cap(
    settings: Settings, topic: str
) -> None:
    await _create(settings, topic)
    one = Partition(topic, 0)
    async with producer(settings, transactional_id=topic) as sending, reader(settings) as reading:
        async with sending.transaction():
            for _ in range(3):
                await sending.send(topic, b"x")
        await reading.assign_all(topic)
        async with asyncio.timeout(WAIT_SECONDS):
            while await reading.position(one) < 3:
                await reading.poll(max_records=3, timeout=5)
            while await reading.position(one) < 4:
                assert await reading.poll(max_records=3, timeout=5) == {}


async def test_an_open_transaction_is_not_read_and_holds_the_end_back(
    settings: Settings, topic: str
) -> None:
    await _create(settings, topic)
    one = Partition(topic, 0)
    async with producer(settings, transactional_id=topic) as sending, reader(settings) as reading:
        await reading.assign_all(topic)
        async with sending.transaction():
            await sending.send(topic, b"open")
            assert await reading.end_offsets([one]) == {one: 0}
            assert await reading.poll(timeout=0.2) == {}
            assert await reading.position(one) == 0
        assert await _read_to(reading, one, 2) == [b"open"]


async def test_a_second_writer_with_the_same_id_fences_the_first(
    settings: Settings, topic: str
) -> None:
    await _create(settings, topic)
    async with producer(settings, transactional_id=topic) as first:
        async with first.transaction():
            await first.send(topic, b"first")
        async with producer(settings, transactional_id=topic) as second:
            with pytest.raises(Fenced):
                async with first.transaction():
                    await first.send(topic, b"zombie")
            async with second.transaction():
                await second.send(topic, b"second")


async def test_an_error_inside_a_transaction_stays_what_it_is(
    settings: Settings, topic: str
) -> None:
    await _create(settings, topic)
    async with producer(settings, transactional_id=topic) as sending:
        with pytest.raises(TimeoutError):
            async with sending.transaction():
                raise TimeoutError
        async with sending.transaction():
            await sending.send(topic, b"next")


async def test_reading_resumes_at_a_given_offset(settings: Settings, topic: str) -> None:
    await _create(settings, topic)
    one = Partition(topic, 0)
    async with producer(settings) as sending, reader(settings) as reading:
        for number in range(5):
            await sending.send(topic, str(number).encode())
        await reading.assign_all(topic, start={one: 3})
        assert await _read_to(reading, one, 5) == [b"3", b"4"]
        reading.seek(one, 1)
        assert await _read_to(reading, one, 5) == [b"1", b"2", b"3", b"4"]


async def test_an_offset_beyond_the_log_is_lost_not_skipped(settings: Settings, topic: str) -> None:
    await _create(settings, topic)
    async with producer(settings) as sending, reader(settings) as reading:
        await sending.send(topic, b"only")
        await reading.assign({Partition(topic, 0): 50})
        with pytest.raises(PositionLost, match="rebuild"):
            await reading.poll(timeout=WAIT_SECONDS)


async def test_a_submission_of_five_megabytes_reaches_the_stage(topics_applied: Settings) -> None:
    name = DISPENSATION_SUBMITTED.name
    value = bytes(5_000_000)
    async with (
        producer(topics_applied, max_request_size=6_000_000) as sending,
        reader(topics_applied) as reading,
    ):
        ack = await sending.send(name, value, key=b"00000000", partition=0)
        one = Partition(name, 0)
        await reading.assign({one: ack.offset})
        found = (await reading.poll(timeout=WAIT_SECONDS))[one]
    assert found[0].value == value


async def test_no_broker_is_one_sentence_with_its_address(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    async with asyncio.timeout(60):
        for opened in (reader(nowhere), producer(nowhere), admin(nowhere)):
            with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1.*DPP_KAFKA_BOOTSTRAP"):
                await opened.__aenter__()
    assert caplog.records == []


def test_all_topics_are_declared_once() -> None:
    names = [one.name for one in ALL_TOPICS]
    assert len(set(names)) == len(names) == 14
