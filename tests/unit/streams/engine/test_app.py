"""Which partitions a process holds, and what ends it."""

import asyncio
from collections import deque
from functools import partial

import pytest

from streams.engine.app import Workers
from streams.engine.failure import FatalStageError
from streams.engine.health import Health
from streams.engine.inbox import InFlight
from tests.support.engine_fakes import FakeBroker, FakeWriter, Workbench, settings, submitted
from tests.support.engine_stage import CountingStage, Counts, answers, good


class _World:
    """The workers of a process on a broker in memory; partition 0 has six submissions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broker = FakeBroker(submitted(good(number) for number in range(6)))
        self.stage = CountingStage("s")
        Workbench(monkeypatch).on(self.broker)
        self.health = Health("s")
        self.workers: Workers[Counts, None] = Workers(settings(), self.stage, self.health)

    async def settle(self) -> None:
        """Lets the tasks that were started end."""
        await asyncio.gather(*self.workers._tasks)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> _World:
    return _World(monkeypatch)


async def test_a_partition_taken_is_fenced_and_restored_at_once(world: _World) -> None:
    world.workers.keep_only({0})
    world.workers.take({0})
    assert world.health.snapshot()["partitions"]["0"]["state"] == "initialising"
    assert (world.workers.held(), world.workers.expected()) == ({0: None}, {})
    await world.settle()
    assert (world.workers.held(), world.workers.expected()) == ({0: 0}, {0: 0})
    assert world.health.ready
    assert len(world.broker.opened) == 1
    await world.workers.close()


async def test_a_partition_that_stays_keeps_its_writer_and_state(world: _World) -> None:
    world.workers.take({0})
    assert await world.workers.answer(0, world.broker.records[:3])
    world.workers.hand_over()
    world.workers.keep_only({0})
    world.workers.take({0})
    assert await world.workers.answer(0, world.broker.records)
    assert world.broker.outputs == answers(world.stage, world.broker.records)
    assert len(world.broker.opened) == 1
    await world.workers.close()


async def test_a_partition_that_goes_is_closed_and_answered_no_more(world: _World) -> None:
    world.workers.take({0})
    assert await world.workers.answer(0, world.broker.records[:3])
    world.workers.hand_over()
    world.workers.keep_only(set())
    world.workers.take(set())
    await world.settle()
    assert world.broker.closed == 1
    assert world.workers.held() == {}
    assert not await world.workers.answer(0, world.broker.records)
    assert len(world.broker.transactions) == 1
    assert world.health.ready


async def test_a_batch_under_way_when_its_partition_goes_is_not_acknowledged(
    world: _World,
) -> None:
    world.broker.hold = asyncio.Event()
    world.workers.take({0})
    batch = asyncio.create_task(world.workers.answer(0, world.broker.records))
    await world.broker.writing.wait()
    world.workers.hand_over()
    world.workers.keep_only(set())
    assert not await batch
    assert world.broker.outputs == []


async def test_what_is_in_flight_is_bounded_and_the_fetcher_waits(world: _World) -> None:
    world.broker.records = submitted(good(number) for number in range(200))
    world.broker.hold = asyncio.Event()
    flight = InFlight("s", batches=4, size=10_000)
    world.workers._in_flight = flight
    acknowledged: list[int] = []
    handed_over: list[int] = []

    async def fetch() -> None:
        for place in range(0, 200, 2):
            batch = world.broker.records[place : place + 2]
            await world.workers.accept(0, batch, partial(acknowledged.append, place))
            handed_over.append(place)
            assert flight.batches <= 4
            assert flight.size <= 10_000

    world.workers.take({0})
    fetching = asyncio.create_task(fetch())
    await world.broker.writing.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    assert handed_over == [0, 2, 4, 6]
    assert (flight.batches, acknowledged) == (4, [])
    world.broker.hold.set()
    await fetching
    await world.settle()
    assert acknowledged == list(range(0, 200, 2))
    assert (flight.batches, flight.size) == (0, 0)
    assert world.broker.outputs == answers(world.stage, world.broker.records)
    await world.workers.close()


async def test_batches_of_a_partition_that_goes_make_room_and_are_not_acknowledged(
    world: _World,
) -> None:
    world.broker.hold = asyncio.Event()
    flight = InFlight("s")
    world.workers._in_flight = flight
    acknowledged: list[int] = []
    world.workers.take({0})
    await world.workers.accept(0, world.broker.records, lambda: acknowledged.append(0))
    await world.broker.writing.wait()
    world.workers.hand_over()
    world.workers.keep_only(set())
    await world.settle()
    assert (flight.batches, acknowledged) == (0, [])


async def test_a_fatal_error_is_kept_and_nothing_is_answered_after_it(world: _World) -> None:
    world.workers.take({0})
    await world.settle()
    world.broker.faults = deque(["fenced"])
    assert not await world.workers.answer(0, world.broker.records)
    assert not await world.workers.answer(0, world.broker.records)
    world.workers.fail(FatalStageError("a later one"))
    with pytest.raises(FatalStageError, match="written by another process"):
        world.workers.fatal.result()
    assert world.broker.outputs == []
    await world.workers.close()


async def test_a_fatal_error_while_a_partition_is_initialised_is_kept(world: _World) -> None:
    world.broker.outputs = answers(world.stage, world.broker.records)
    world.broker.records.clear()
    world.workers.take({0})
    await world.settle()
    with pytest.raises(FatalStageError, match=r"s\.submitted ends at 0"):
        world.workers.fatal.result()
    await world.workers.close()


async def test_closing_lets_a_batch_under_way_end_first(world: _World) -> None:
    world.broker.hold = asyncio.Event()
    world.workers.take({0})
    batch = asyncio.create_task(world.workers.answer(0, world.broker.records))
    await world.broker.writing.wait()
    closing = asyncio.create_task(world.workers.close())
    world.broker.hold.set()
    assert await batch
    await closing
    assert world.broker.outputs == answers(world.stage, world.broker.records)


async def test_closing_gives_up_a_batch_that_does_not_end(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.engine.app._DRAIN_SECONDS", 0.01)
    world.broker.hold = asyncio.Event()
    world.workers.take({0})
    batch = asyncio.create_task(world.workers.answer(0, world.broker.records))
    await world.broker.writing.wait()
    await world.workers.close()
    assert not await batch
    assert (world.broker.outputs, world.broker.closed) == ([], 1)


async def test_a_process_that_ends_takes_no_partition_that_the_group_still_gives_it(
    world: _World,
) -> None:
    world.broker.hold = asyncio.Event()
    world.workers.take({0})
    batch = asyncio.create_task(world.workers.answer(0, world.broker.records))
    await world.broker.writing.wait()
    closing = asyncio.create_task(world.workers.close())
    await asyncio.sleep(0)
    world.workers.hand_over()
    world.workers.keep_only({1})
    world.workers.take({1})
    world.broker.hold.set()
    await closing
    assert not await batch
    assert world.workers.held() == {}
    assert len(world.broker.opened) == 1


async def test_partitions_that_go_while_others_are_let_go_do_not_stop_the_end(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = FakeWriter.close

    async def close(writer: FakeWriter) -> None:
        world.workers.keep_only(set())
        await intact(writer)

    monkeypatch.setattr(FakeWriter, "close", close)
    world.workers.take({0, 1})
    await world.settle()
    await world.workers.close()
    assert world.workers.held() == {}
    assert world.broker.closed == 2
