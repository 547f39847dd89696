"""How fast projections follow: in this process, or shared by runner processes of their own."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Final

from infra.kafka import reader
from infra.keys.opening import opened_vault
from infra.postgres import pool
from infra.settings import Settings
from projections.health import ProjectionHealth
from projections.positions import PositionWaiter
from projections.runner import run_projections
from projections.shells import History, Projection

RUNNERS: Final = 2
WAIT_SECONDS: Final = 600.0
_Ends = Mapping[str, Mapping[int, int]]


async def followed(settings: Settings, projections: Sequence[Projection]) -> float:
    """Records a second, each counted once however many projections read it."""
    ends = await _ends(settings, projections)
    stop, health = asyncio.Event(), ProjectionHealth()
    async with (
        pool(settings.dsn) as connections,
        PositionWaiter(settings.dsn, connections) as waiter,
    ):
        running = asyncio.create_task(
            run_projections(settings, stop=stop, projections=projections, health=health)
        )
        await asyncio.wait(
            [asyncio.create_task(health.until(one.name, "running")) for one in projections],
            return_when=asyncio.FIRST_COMPLETED,
        )
        started = time.perf_counter()
        await _caught_up(waiter, projections, ends)
        spent = time.perf_counter() - started
        stop.set()
        await running
    return _total(ends) / spent


async def shared(settings: Settings, history: History) -> float:
    """Records a second that runner processes apply, from when each has partitions of its own.

    Raises:
        AssertionError: a runner came to nothing.
    """
    ends = await _ends(settings, [history])
    context = get_context("spawn")
    stop, ready = context.Event(), [context.Event() for _ in range(RUNNERS)]
    runners = [
        context.Process(target=_run, args=(settings, one, stop), daemon=True) for one in ready
    ]
    async with (
        pool(settings.dsn) as connections,
        PositionWaiter(settings.dsn, connections) as waiter,
    ):
        for runner in runners:
            runner.start()
        try:
            for one in ready:
                if not await asyncio.to_thread(one.wait, WAIT_SECONDS):
                    raise AssertionError("a runner has no partitions")
            started = time.perf_counter()
            place = (history.name, history.topic)
            before = sum(waiter.current(*place, one) for one in ends[history.topic])
            await _caught_up(waiter, [history], ends)
            spent = time.perf_counter() - started
        finally:
            stop.set()
            for runner in runners:
                await asyncio.to_thread(runner.join)
    return (_total(ends) - before) / spent


def _run(settings: Settings, ready: Event, stop: Event) -> None:
    asyncio.run(_follow(settings, ready, stop))


async def _follow(settings: Settings, ready: Event, stop: Event) -> None:
    """A runner's life: `ready` once it has partitions, until `stop`."""
    stopped, health = asyncio.Event(), ProjectionHealth()
    async with opened_vault(settings) as vault, asyncio.TaskGroup() as group:
        history = History(vault)
        group.create_task(
            run_projections(settings, stop=stopped, projections=[history], health=health)
        )
        await health.until(history.name, "running")
        ready.set()
        await asyncio.to_thread(stop.wait)
        stopped.set()


async def _ends(settings: Settings, projections: Sequence[Projection]) -> _Ends:
    ends: dict[str, dict[int, int]] = {}
    async with reader(settings) as source:
        for name in {one.topic for one in projections}:
            found = await source.end_offsets(await source.partitions(name))
            ends[name] = {one.partition: end for one, end in found.items()}
    return ends


async def _caught_up(
    waiter: PositionWaiter, projections: Sequence[Projection], ends: _Ends
) -> None:
    for one in projections:
        for partition, end in ends[one.topic].items():
            await waiter.wait(one.name, one.topic, partition, end, WAIT_SECONDS)


def _total(ends: _Ends) -> int:
    return sum(sum(partitions.values()) for partitions in ends.values())
