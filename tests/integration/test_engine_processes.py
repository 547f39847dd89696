"""Stages in processes of their own that are killed, frozen and joined by others under load."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.settings import Settings
from streams.engine.failure import EXIT_CODE
from tests.support.engine_stage import CountingStage
from tests.support.engine_world import Child, Watch, new_stage, require_exact, submit, watching

pytestmark = pytest.mark.integration

PARTITIONS = 4
COUNT = 3_000


@asynccontextmanager
async def _stage(
    settings: Settings, submitted: int = 0
) -> AsyncIterator[tuple[CountingStage, Watch]]:
    """A stage with work waiting for it, and a watch on what it answers."""
    stage = await new_stage(settings, PARTITIONS)
    await submit(settings, stage, range(submitted), keys=40)
    async with watching(settings, stage) as watch:
        yield stage, watch


async def test_a_process_killed_again_and_again_under_load_loses_and_doubles_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    async with _stage(settings, COUNT) as (stage, watch):
        for _ in range(5):
            async with Child(settings, stage, "direct", tmp_path) as child:
                await watch.until(watch.seen + COUNT // 10)
                await child.kill()
            assert watch.seen < COUNT, "it was killed when all was done"
        async with Child(settings, stage, "direct", tmp_path):
            await watch.until(COUNT)
        assert await require_exact(settings, stage) == COUNT


async def test_when_one_of_two_processes_is_killed_the_other_takes_over(
    settings: Settings, tmp_path: Path
) -> None:
    async with (
        _stage(settings) as (stage, watch),
        Child(settings, stage, "app", tmp_path) as killed,
        Child(settings, stage, "app", tmp_path) as other,
    ):
        await asyncio.gather(killed.holding(), other.holding())
        load = asyncio.create_task(submit(settings, stage, range(COUNT), keys=40))
        await watch.until(COUNT // 10)
        await killed.kill()
        await load
        await watch.until(COUNT)
        assert await require_exact(settings, stage) == COUNT


async def test_processes_that_join_and_leave_under_load_lose_and_double_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    async with (
        _stage(settings, COUNT) as (stage, watch),
        Child(settings, stage, "app", tmp_path) as first,
    ):
        await watch.until(COUNT // 10)
        async with Child(settings, stage, "app", tmp_path) as second:
            await submit(settings, stage, range(COUNT, 2 * COUNT), keys=40)
            await second.holding()
            first.signal(signal.SIGTERM)
            assert await first.ended() == 0, first.log
            await submit(settings, stage, range(2 * COUNT, 2 * COUNT + 500), keys=40)
            await watch.until(2 * COUNT + 500)
            second.signal(signal.SIGTERM)
            assert await second.ended() == 0, second.log
        assert await require_exact(settings, stage) == 2 * COUNT + 500


async def test_a_process_that_wakes_up_after_its_partitions_went_elsewhere_writes_nothing_of_them(
    settings: Settings, tmp_path: Path
) -> None:
    async with (
        _stage(settings) as (stage, watch),
        Child(settings, stage, "app", tmp_path) as zombie,
        Child(settings, stage, "app", tmp_path) as owner,
    ):
        await asyncio.gather(zombie.holding(), owner.holding())
        load = asyncio.create_task(submit(settings, stage, range(COUNT), keys=40))
        await watch.until(COUNT // 10)
        zombie.signal(signal.SIGSTOP)
        await load
        await watch.until(COUNT)
        zombie.signal(signal.SIGCONT)
        await submit(settings, stage, range(COUNT, COUNT + 500), keys=40)
        await watch.until(COUNT + 500)
        assert zombie.running.returncode in (None, EXIT_CODE), zombie.log
        owner.signal(signal.SIGTERM)
        assert await owner.ended() == 0, owner.log
        assert await require_exact(settings, stage) == COUNT + 500
