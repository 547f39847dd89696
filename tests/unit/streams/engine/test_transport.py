"""Faust's transport as changed here: whole batches in, offsets acknowledged batch by batch."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from infra.kafka import Record
from streams.engine import transport
from streams.engine.transport import (
    BatchConsumer,
    LastingSubscription,
    PassThrough,
    StageApp,
    _NothingRead,
)
from tests.support.engine_fakes import settings

ONE = TP("s.submitted", 3)


class _Consumer(BatchConsumer):
    """Without Faust around it."""

    def __init__(self, fetched: dict[TP, list[Any]]) -> None:
        self.app: Any = SimpleNamespace(consumer_generation_id=7)
        self.flow_active = True
        self._buffered_partitions = set()
        self._acked = defaultdict(list)
        self._acked_index = defaultdict(set)
        self._fetched = fetched
        self.active: set[TP] | None = None

    should_stop = False

    async def _wait_next_records(self, _timeout: float) -> tuple[Any, Any]:
        return self._fetched, self.active


def _record(offset: int, partition: int = ONE.partition) -> Record:
    return Record(ONE.topic, partition, offset, 5_000, b"k", (("a", b""),), None)


async def _got(consumer: _Consumer) -> list[tuple[TP, Any]]:
    return [found async for found in consumer.getmany(1.0)]


async def test_a_fetched_batch_becomes_one_message_with_all_records_and_the_last_offset() -> None:
    ((partition, message),) = await _got(_Consumer({ONE: [_record(4), _record(9)]}))
    assert (partition, message.offset, message.generation_id, message.timestamp) == (ONE, 9, 7, 5.0)
    assert message.value == [_record(4), _record(9)]


async def test_batches_of_partitions_that_are_not_active_are_left_out() -> None:
    consumer = _Consumer({ONE: [_record(4)]})
    consumer.active = set()
    assert await _got(consumer) == []
    consumer.active = {ONE}
    assert len(await _got(consumer)) == 1


class _Fetching(BatchConsumer):
    """Without Faust around it, and with its own way to wait."""

    def __init__(self, active: set[TP], buffered: set[TP] | None = None) -> None:
        self.flow_active = True
        self._active_partitions = active
        self._buffered_partitions = buffered or set()

    async def sleep(self, *_arguments: Any) -> None:
        raise AssertionError("Faust's long sleep")


async def test_while_no_partition_may_be_fetched_the_next_look_is_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fetched(_consumer: Any, timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109 - Faust's
        return {ONE: [timeout]}, {ONE}

    monkeypatch.setattr(transport, "NOTHING_TO_FETCH_SECONDS", 0.0)
    monkeypatch.setattr(driver.Consumer, "_wait_next_records", fetched)
    assert await _Fetching(set())._wait_next_records(1.0) == ({}, set())
    assert await _Fetching({ONE})._wait_next_records(1.0) == ({ONE: [1.0]}, {ONE})
    other = TP(ONE.topic, 4)
    assert await _Fetching({ONE}, {other})._wait_next_records(1.0) == ({ONE: [0.0]}, {ONE})


@pytest.mark.parametrize("what", ["flow_active", "generation"])
async def test_nothing_more_is_handed_over_once_the_group_moves_on(what: str) -> None:
    other = TP(ONE.topic, 4)
    consumer = _Consumer({ONE: [_record(4)], other: [_record(4, partition=4)]})
    found = []
    async for partition, _ in consumer.getmany(1.0):
        found.append(partition)
        if what == "flow_active":
            consumer.flow_active = False
        else:
            consumer.app.consumer_generation_id += 1
    assert found == [ONE]


async def test_the_group_offset_is_one_after_the_highest_acknowledged_whatever_lies_between() -> (
    None
):
    consumer = _Consumer({})
    assert consumer._new_offset(ONE) is None
    consumer._acked[ONE] += [4, 99, 17]
    await consumer._add_gap(ONE, 5, 16)
    assert consumer._new_offset(ONE) == 100
    assert consumer._new_offset(ONE) is None


def test_faust_is_told_that_it_has_read_nothing_so_that_it_drops_nothing_after_a_seek() -> None:
    read = _NothingRead()
    read[ONE] = 12
    assert read[ONE] is None


class _Channel:
    """A topic as an agent of one partition reads it."""

    topics = (ONE.topic,)
    active_partitions: frozenset[TP] = frozenset({ONE})


async def test_an_agent_that_ends_does_not_make_the_group_subscribe_anew() -> None:
    told = _Assignments()
    app = StageApp(settings(), told, id="told")
    conductor = app.topics
    assert isinstance(conductor, LastingSubscription)
    conductor._subscription_changed = asyncio.Event()
    conductor._topic_name_index[ONE.topic].add(cast("Any", "agent"))
    channel = cast("Any", _Channel())
    conductor.add(channel)
    assert channel in conductor
    conductor.discard(channel)
    assert channel not in conductor
    assert not conductor._subscription_changed.is_set()
    assert conductor._subscription_done is None


def test_a_request_to_join_outlasts_what_the_group_waits_for() -> None:
    assert transport.REQUEST_MS > transport.REBALANCE_TIMEOUT_MS > transport.SESSION_TIMEOUT_MS


def test_keys_and_values_pass_untouched() -> None:
    message = SimpleNamespace(key=b"\xff", value=[object()])
    schema = PassThrough()
    assert schema.loads_key(None, message) is message.key
    assert schema.loads_value(None, message) is message.value


class _Assignments:
    """Remembers what the app tells."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def expected(self) -> dict[int, int]:
        return {}

    def hand_over(self) -> None:
        self.told.append("hand over")

    def keep_only(self, partitions: set[int]) -> None:
        self.told.append(("keep", partitions))

    def take(self, partitions: set[int]) -> None:
        self.told.append(("take", partitions))


async def test_a_rebalance_is_told_from_its_start_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = _Assignments()
    app = StageApp(settings(), told, id="told")

    async def noted(_app: StageApp, found: set[TP], *_generation: int) -> None:
        told.told.append(("faust", len(found)))

    with monkeypatch.context() as patch:
        patch.setattr("faust.App._on_partitions_revoked", noted)
        patch.setattr("faust.App._on_partitions_assigned", noted)
        await app._on_partitions_revoked({ONE})
        await app._on_partitions_assigned({ONE, TP(ONE.topic, 5)}, 2)
    assert told.told == [
        "hand over",
        ("faust", 1),
        ("keep", {3, 5}),
        ("faust", 2),
        ("take", {3, 5}),
    ]
