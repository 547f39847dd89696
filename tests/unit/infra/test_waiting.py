"""A pause ends early with a stop; a task is waited for until it is on, or tells why it is not."""

import asyncio

import pytest

from infra.waiting import pause, under_way


async def test_a_pause_ends_with_its_time_or_with_a_stop() -> None:
    stop = asyncio.Event()
    await pause(stop, 0.001)
    stop.set()
    await asyncio.wait_for(pause(stop, 3600), 30)


async def test_a_task_is_waited_for_until_it_has_begun() -> None:
    begun, ending = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await ending.wait()

    task = asyncio.create_task(work())
    await under_way(task, begun)
    assert not task.done()
    ending.set()
    await task


async def test_a_task_that_ends_before_it_has_begun_tells_why() -> None:
    async def work() -> None:
        raise ValueError("no server")

    with pytest.raises(ValueError, match="no server"):
        await under_way(asyncio.create_task(work()), asyncio.Event())
