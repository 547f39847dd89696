"""Waiting that ends early: a pause that a stop cuts short, a task awaited until it is on."""

import asyncio
from contextlib import suppress


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
