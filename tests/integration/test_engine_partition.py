"""Partitions of a stage on the real broker, without a consumer group."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from infra.kafka import Fenced, Record
from infra.settings import Settings
from streams.engine.failure import FatalStageError
from streams.engine.partition import PartitionWorker
from streams.engine.producer import PartitionWriter
from streams.engine.restore import restore
from streams.engine.stage import Output
from streams.engine.tables import MemoryStore
from tests.support.engine_stage import CountingStage, Counts, answers
from tests.support.engine_world import (
    lone_worker,
    new_stage,
    read_to_end,
    require_exact,
    submit,
    watching,
)

pytestmark = pytest.mark.integration


async def _loaded(settings: Settings, count: int = 40) -> tuple[CountingStage, list[Record]]:
    stage = await new_stage(settings)
    await submit(settings, stage, range(count))
    return stage, (await read_to_end(settings, stage.submitted))[0]


async def _require_visible(settings: Settings, stage: CountingStage, count: int) -> None:
    async with watching(settings, stage) as watch:
        await watch.until(count)
    assert len((await read_to_end(settings, stage.receipts))[0]) == count


async def test_a_new_worker_resumes_exactly_after_the_last_transaction(settings: Settings) -> None:
    stage, records = await _loaded(settings)
    for upto in (7, 8, 25, 40):
        async with lone_worker(settings, stage) as worker:
            assert await worker.run_batch(records[:upto])
        await _require_visible(settings, stage, upto)
    assert await require_exact(settings, stage) == 40


async def test_the_restored_state_is_the_state_that_was_lived(settings: Settings) -> None:
    stage, records = await _loaded(settings)
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records)
        lived = worker._live
        assert lived is not None
        restored = await restore(settings, stage, 0, MemoryStore())
        assert restored.state.digest == lived.state.digest != b""
    assert restored.position == lived.position == 39
    assert (restored.doubled, restored.foreign, restored.torn) == (0, 0, 0)


async def test_gaps_of_the_fetcher_are_read_from_the_broker(settings: Settings) -> None:
    stage, records = await _loaded(settings)
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records[5:9])
        assert await worker.run_batch(records[30:])
    assert await require_exact(settings, stage) == 40


async def test_what_a_dead_writer_left_open_is_never_visible(settings: Settings) -> None:
    stage, records = await _loaded(settings)
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records[:10])
    async with _writer(settings, stage) as dead:
        await _write_without_commit(dead, answers(stage, records)[20:])
        async with lone_worker(settings, stage) as worker:
            assert await worker.run_batch(records)
        assert await require_exact(settings, stage) == 40


async def test_a_writer_that_was_followed_by_another_is_fenced(settings: Settings) -> None:
    stage, records = await _loaded(settings)
    outputs = answers(stage, records)
    async with _writer(settings, stage) as old:
        await old.write(0, outputs[:4])
        async with _writer(settings, stage) as new:
            with pytest.raises(Fenced):
                await old.write(0, outputs[4:])
            await new.write(0, outputs[4:])
    assert await require_exact(settings, stage) == 40


async def test_a_zombie_stops_and_writes_nothing_beside_the_partitions_new_owner(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    # What earlier tests of this process left behind is not this one's.
    gc.collect()
    caplog.clear()
    stage, records = await _loaded(settings)
    async with lone_worker(settings, stage) as zombie, lone_worker(settings, stage) as owner:
        assert await zombie.run_batch(records[:10])
        assert await owner.run_batch(records[:20])
        with pytest.raises(FatalStageError, match="written by another process"):
            await zombie.run_batch(records)
        gc.collect()
        assert "never retrieved" not in caplog.text
        await _require_visible(settings, stage, 20)
        assert await owner.run_batch(records)
    assert await require_exact(settings, stage) == 40


async def test_two_workers_that_both_believe_to_own_a_partition_double_nothing(
    settings: Settings,
) -> None:
    stage, records = await _loaded(settings)
    async with lone_worker(settings, stage) as one, lone_worker(settings, stage) as other:
        ended = await asyncio.gather(
            *(_in_steps(worker, records) for worker in (one, other)), return_exceptions=True
        )
    assert all(isinstance(found, FatalStageError | None) for found in ended), ended
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records)
    assert await require_exact(settings, stage) == 40


async def _in_steps(worker: PartitionWorker[Counts, None], records: Sequence[Record]) -> None:
    for upto in range(4, len(records), 4):
        await worker.run_batch(records[:upto])


@asynccontextmanager
async def _writer(settings: Settings, stage: CountingStage) -> AsyncIterator[PartitionWriter]:
    writer = await PartitionWriter.open(settings, f"dpp-{stage.name}-0")
    try:
        yield writer
    finally:
        await writer.close()


async def _write_without_commit(writer: PartitionWriter, outputs: Sequence[Output]) -> None:
    """As a process does that dies before it commits: all of it has reached the broker."""
    await writer._client.begin_transaction()
    for one in outputs:
        await writer._client.send(
            one.topic, one.value, one.key, partition=0, headers=list(one.headers)
        )
    await writer._client.flush()
