"""Waiting: a pause that a stop cuts short, a task until it is on, several things at once."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Returns after so many seconds, or as soon as `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def under_way(task: asyncio.Task[None], begun: asyncio.Event) -> None:
    """Returns once the task has set `begun`; raises why it ended if it ended before."""
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


async def together(each: Sequence[Coroutine[Any, Any, ResultT]]) -> list[ResultT]:
    """The results of all, in their order, awaited at the same time; one alone needs no task.

    Raises:
        Exception: what one of them raises; the others go on.
    """
    if len(each) == 1:
        return [await each[0]]
    return await asyncio.gather(*each)
