"""What was fetched and not answered: joined in order, bounded for the process."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import Record
from streams.engine import inbox
from streams.engine.inbox import Inbox, InFlight, size_of
from tests.support.engine_fakes import submitted


def _records(first: int, count: int, size: int = 1) -> list[Record]:
    return submitted([b"x" * size] * count, first=first)


def _offsets(taken: tuple[Sequence[Record], int]) -> list[int]:
    return [record.offset for record in taken[0]]


async def test_batches_that_wait_are_taken_as_one() -> None:
    box = Inbox()
    waiting = [box.put(_records(first, 3)) for first in (0, 3, 6)]
    assert _offsets(box.take(0)) == list(range(9))
    assert _offsets(box.take(9)) == []
    box.answer(6)
    assert [one.done() for one in waiting] == [True, True, False]
    box.answer(9)
    assert [await one for one in waiting] == [True, True, True]
    assert not box


async def test_what_is_taken_ends_where_the_fetcher_left_something_out() -> None:
    box = Inbox()
    box.put(_records(0, 3))
    box.put(_records(7, 2))
    assert _offsets(box.take(0)) == [0, 1, 2]
    assert _offsets(box.take(3)) == [7, 8]


async def test_what_was_decided_already_is_passed_over_and_counted() -> None:
    box = Inbox()
    box.put(_records(0, 5))
    box.put(_records(2, 5))
    taken, passed = box.take(3)
    assert ([one.offset for one in taken], passed) == ([3, 4, 5, 6], 6)


@pytest.mark.parametrize(
    ("records", "bytes_", "lengths"),
    [(4, 10**6, [4, 4, 2]), (100, 30, [3, 3, 3, 1]), (100, 5, [1] * 10)],
    ids=["of records", "of bytes", "of bytes, each larger than it"],
)
async def test_what_is_taken_stays_within_a_limit(
    monkeypatch: pytest.MonkeyPatch, records: int, bytes_: int, lengths: list[int]
) -> None:
    monkeypatch.setattr(inbox, "MAX_CHUNK_RECORDS", records)
    monkeypatch.setattr(inbox, "MAX_CHUNK_BYTES", bytes_)
    box = Inbox()
    for first in (0, 3, 6, 9):
        box.put(_records(first, 3, size=10) if first < 9 else _records(9, 1, size=10))
    expected = 0
    for length in lengths:
        taken = _offsets(box.take(expected))
        assert taken == list(range(expected, expected + length))
        expected += length
    assert _offsets(box.take(expected)) == []


async def test_after_a_failure_everything_that_is_not_answered_is_taken_again() -> None:
    box = Inbox()
    box.put(_records(0, 3))
    box.put(_records(3, 3))
    box.take(0)
    box.answer(3)
    box.rewind()
    assert _offsets(box.take(4)) == [4, 5]


async def test_whoever_leaves_ends_what_was_begun_and_gives_up_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "MAX_CHUNK_RECORDS", 4)
    box = Inbox()
    begun, also, rest = [box.put(_records(first, 3)) for first in (0, 3, 6)]
    box.take(0)
    box.leave_rest()
    assert await rest is False
    assert _offsets(box.take(4)) == [4, 5]
    box.answer(6)
    assert [await begun, await also] == [True, True]


async def test_giving_up_tells_everybody_who_waits() -> None:
    box = Inbox()
    one, other = box.put(_records(0, 3)), box.put(_records(3, 3))
    box.give_up()
    assert [await one, await other] == [False, False]
    last = box.put(_records(6, 3))
    box.give_up(ValueError("fatal"))
    with pytest.raises(ValueError, match="fatal"):
        await last


async def test_an_arrival_is_what_nobody_has_looked_for_yet() -> None:
    box = Inbox()
    waiting = asyncio.create_task(box.arrival())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.put(_records(0, 1))
    await waiting
    await box.arrival()
    box.take(0)
    later = asyncio.create_task(box.arrival())
    await asyncio.sleep(0)
    assert not later.done()
    later.cancel()


def test_the_size_of_a_batch_counts_keys_values_and_headers() -> None:
    record = Record("t", 0, 0, 0, b"kk", (("abc", b"de"),), b"value")
    none = Record("t", 0, 1, 0, None, (), None)
    assert size_of([record, none, record]) == 2 * (2 + 3 + 2 + 5)


async def test_a_partition_waits_for_room_unless_nothing_of_it_is_in_flight() -> None:
    flight = InFlight("s", batches=2, size=100)
    await flight.enter(0, 40)
    await flight.enter(0, 40)
    third = asyncio.create_task(flight.enter(0, 1))
    await flight.enter(1, 500)
    await asyncio.sleep(0)
    assert not third.done()
    flight.leave(1, 500)
    await asyncio.sleep(0)
    assert not third.done()
    flight.leave(0, 40)
    await third
    assert (flight.batches, flight.size) == (2, 41)


ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=60)


@given(ENTRIES, st.lists(st.booleans(), max_size=120))
def test_whoever_enters_and_leaves_the_bound_holds_and_nobody_waits_for_ever(
    entries: list[tuple[int, int]], leaving: list[bool]
) -> None:
    async def run() -> None:
        flight = InFlight("s", batches=5, size=100)
        inside: list[tuple[int, int]] = []

        async def enter(partition: int, size: int) -> None:
            await flight.enter(partition, size)
            inside.append((partition, size))

        tasks = []
        for place, entry in enumerate(entries):
            tasks.append(asyncio.create_task(enter(*entry)))
            await asyncio.sleep(0)
            if leaving[place : place + 1] == [True] and inside:
                flight.leave(*inside.pop(0))
                await asyncio.sleep(0)
            held = len({partition for partition, _ in inside})
            assert flight.batches == len(inside) <= 5 + held
            assert flight.size == sum(size for _, size in inside) <= 100 + 50 * held
        while inside:
            flight.leave(*inside.pop(0))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert (flight.batches, flight.size) == (0, 0)

    asyncio.run(run())
