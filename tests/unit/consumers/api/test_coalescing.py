"""One question for many readers, and none is given an end older than its own read."""

import asyncio
from collections.abc import Iterable

import pytest

from consumers.api.coalescing import Coalesced
from infra.kafka import Partition

ONE, TWO = Partition("t", 1), Partition("t", 2)


class Broker:
    """Answers when it is let; the end at the moment of asking is what it answers."""

    def __init__(self) -> None:
        self.end = 1
        self.asked: list[set[Partition]] = []
        self.on_its_way = asyncio.Event()
        self.let = asyncio.Event()
        self.failure: Exception | None = None

    async def ends(self, wanted: Iterable[Partition]) -> dict[Partition, int]:
        found = dict.fromkeys(wanted, self.end)
        self.asked.append(set(found))
        self.on_its_way.set()
        await self.let.wait()
        if self.failure is not None:
            raise self.failure
        return found


async def test_readers_of_the_same_moment_share_a_question() -> None:
    broker = Broker()
    broker.let.set()
    ends = Coalesced(broker.ends)
    found = await asyncio.gather(ends.ends([ONE]), ends.ends([TWO]), ends.ends([ONE, TWO]))
    assert list(found) == [{ONE: 1}, {TWO: 1}, {ONE: 1, TWO: 1}]
    assert broker.asked == [{ONE, TWO}]


async def test_who_comes_while_a_question_is_on_its_way_gets_a_newer_end() -> None:
    broker = Broker()
    ends = Coalesced(broker.ends)
    first = asyncio.create_task(ends.ends([ONE]))
    await broker.on_its_way.wait()
    broker.end = 2
    later = [asyncio.create_task(ends.ends([ONE])) for _ in range(5)]
    await asyncio.sleep(0)
    broker.let.set()
    assert await first == {ONE: 1}
    assert await asyncio.gather(*later) == [{ONE: 2}] * 5
    assert len(broker.asked) == 2


async def test_a_failed_question_fails_its_readers_and_nobody_later() -> None:
    broker = Broker()
    broker.let.set()
    broker.failure = ConnectionError("gone")
    ends = Coalesced(broker.ends)
    found = await asyncio.gather(ends.ends([ONE]), ends.ends([TWO]), return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError, ConnectionError]
    broker.failure = None
    assert await ends.ends([ONE]) == {ONE: 1}


async def test_a_reader_that_leaves_takes_the_answer_from_nobody() -> None:
    broker = Broker()
    ends = Coalesced(broker.ends)
    leaving, staying = (asyncio.create_task(ends.ends([ONE])) for _ in range(2))
    await broker.on_its_way.wait()
    leaving.cancel()
    broker.let.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == {ONE: 1}
