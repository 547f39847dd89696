"""Makes a partition ready to be answered: fence, read the end of the outputs, restore up to there.

In this order: whatever an earlier holder still writes after the fence fails, so what is restored is
all that there is. Source: DESIGN section 5.
"""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic

from infra.kafka import Partition, PartitionReader, reader
from infra.settings import Settings
from streams.engine import metrics
from streams.engine.failure import FatalStageError, StoreDistrusted
from streams.engine.producer import PartitionWriter
from streams.engine.restore import Restored, restore
from streams.engine.stage import Gathered, Stage, State
from streams.engine.store import open_store
from streams.engine.tables import Store

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Live(Generic[State]):
    """What exists only while a partition runs.

    Everything below offset `expected` is committed, everything below `decided` is folded into the
    state; `position` is the last submission that is. `writing` commits what lies between.
    """

    writer: PartitionWriter
    store: Store
    state: State
    position: int
    expected: int
    decided: int
    writing: asyncio.Task[None] | None = None
    lookups: tuple[int, int] = (0, 0)


async def open_partition(
    settings: Settings, stage: Stage[State, Gathered], number: int
) -> Live[State]:
    """Fences whoever wrote the partition before, and restores what was written.

    Raises:
        FatalStageError: the outputs are ahead of the submitted log.
        StoreDistrusted: the store on disk was set aside; the next attempt does without.
        InfrastructureError: try again.
    """
    started = time.monotonic()
    async with AsyncExitStack() as opened:
        writer = await PartitionWriter.open(settings, f"dpp-{stage.name}-{number}")
        opened.push_async_callback(writer.close)
        store = await open_store(settings, stage.name, number, stage.fold)
        opened.push_async_callback(store.close)
        try:
            restored = await restore(settings, stage, number, store)
        except StoreDistrusted as found:
            opened.pop_all()
            await writer.close()
            await store.set_aside(found.reason)
            raise
        submitted = Partition(stage.submitted, number)
        async with reader(settings) as reading:
            expected = await _first(reading, submitted, restored.position, stage.name)
        opened.pop_all()
    _note(f"{stage.name}/{number}", stage.name, restored, time.monotonic() - started)
    return Live(writer, store, restored.state, restored.position, expected, expected)


async def _first(reading: PartitionReader, submitted: Partition, position: int, stage: str) -> int:
    """The first offset to answer, after checking it against the submitted log."""
    begin = (await reading.beginning_offsets([submitted]))[submitted]
    end = (await reading.end_offsets([submitted]))[submitted]
    name = f"{stage}/{submitted.partition}"
    if position + 1 > end:
        raise FatalStageError(
            f"Outputs of {name} answer offset {position}, but {submitted.topic} ends at {end}:"
            " the topic was cut or made anew. Nothing is written until that is resolved."
        )
    if begin > position + 1:
        metrics.RETENTION_LOSSES.labels(stage).inc(begin - position - 1)
        log.critical(
            "partition %s: retention removed offsets %d to %d before they were answered; "
            "going on from there",
            name,
            position + 1,
            begin - 1,
        )
    return max(begin, position + 1)


def _note(name: str, stage: str, restored: Restored[State], seconds: float) -> None:
    metrics.RESTORES.labels(stage).inc()
    metrics.RESTORED_OUTPUTS.labels(stage).inc(restored.outputs)
    metrics.RESTORE_SECONDS.labels(stage).observe(seconds)
    for reason in ("doubled", "differing", "foreign", "torn"):
        metrics.PASSED_OUTPUTS.labels(stage, reason).inc(getattr(restored, reason))
    if restored.differing:
        log.critical(
            "partition %s: %d outputs were written twice with different bytes; readers go by "
            "the first. Deciding was not the same twice: keep the log and find out why",
            name,
            restored.differing,
        )
    log.info(
        "partition %s restored from %d outputs in %.2f s, position %d",
        name,
        restored.outputs,
        seconds,
        restored.position,
    )
