"""How soon the partitions of the quality stage run again: from the log alone, and with a store.

An engine process answers sealed submissions, then a second one, with a folder of its own, the rest:
so the folder of the first holds stores that lack a tail. One process restores all partitions at
once, as at an assignment. The rival reads the same outputs and does nothing with them.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumers.bench.benches import Run
from consumers.bench.quality.counting import NotAnswered, until_answered
from consumers.bench.quality.latency import publish
from consumers.bench.quality.process import running
from consumers.bench.quality.stage import BenchStage, open_stage, own_topics
from consumers.bench.quality.world import World, opened
from consumers.bench.result import Findings
from infra import topics
from infra.kafka import Partition, producer, reader
from infra.settings import Settings
from streams.engine.memory import rarely_collected
from streams.engine.restore import restore
from streams.engine.store import open_store

GOAL: Final = 100_000
NAME: Final = "restored"
_PUBLISHED_A_SECOND: Final = 2_000
_POLL_RECORDS: Final = 5_000
_STORES: Final = "stages"


@dataclass(frozen=True, slots=True)
class Size:
    """Submissions that the kept stores reflect, and those of the tail behind them."""

    count: int
    tail: int


FULL: Final = Size(count=12_000, tail=600)


def measure(run: Run) -> Findings:
    """All of it at full size.

    Raises:
        InfrastructureError: a server does not start, or the engine fails.
    """
    return asyncio.run(_measure(run, FULL))


async def _measure(run: Run, size: Size) -> Findings:
    findings = Findings()
    async with opened(run.folder, size.count, size.tail, run.progress) as world:
        await measure_restore(world, run, findings)
    return findings


async def measure_restore(world: World, run: Run, findings: Findings) -> None:
    """`run.rounds` rounds of reading, restoring from nothing, and restoring from store and tail.

    Raises:
        NotAnswered: the engine failed, or a restore folded something else than was written.
    """
    stage = await open_stage(world.settings, NAME, world.seed, world.partitions, "quality")
    kept = await _answer(world, stage, run)
    with rarely_collected():
        for number in range(run.rounds):
            run.progress("rounds", number, run.rounds)
            await _round(world, stage, kept, findings)
    run.progress("rounds", run.rounds, run.rounds)
    findings.ratio("from_nothing_vs_read_log", "from_nothing", "read_log")
    findings.ratio(
        "from_nothing_vs_read_log_processor", "from_nothing_processor", "read_log_processor"
    )
    findings.at_least("restored_outputs_per_second", GOAL, findings.median("from_nothing"))


async def _answer(world: World, stage: BenchStage, run: Run) -> Path:
    """Has the input answered, then the spare submissions: the folder of the stores that lack them.

    Raises:
        NotAnswered: a process ended or was too slow.
    """
    step = "the engine answers"
    await topics.apply(
        world.settings, partitions=world.partitions, topics=own_topics(NAME).values()
    )
    async with reader(world.settings) as reading, producer(world.settings) as sender:
        await reading.assign_all(stage.receipts)
        run.progress(step, 0, 2)
        async with running(world, "engine", NAME) as first:
            await until_answered(reading, world.count, first.require_running)
        run.progress(step, 1, 2)
        await publish(sender, world.spare, _PUBLISHED_A_SECOND, world.partitions)
        async with running(world, "engine", NAME, instance=1) as second:
            await until_answered(reading, len(world.spare), second.require_running)
    run.progress(step, 2, 2)
    return first.folder / _STORES


async def _round(world: World, stage: BenchStage, kept: Path, findings: Findings) -> None:
    folder = world.folder / NAME
    own = world.settings.model_copy(update={"data": folder})
    partitions = range(world.partitions)
    timer = _Timer()
    counts = await _read(world.settings, stage.outputs, partitions)
    written = sum(counts.values())
    timer.sample(findings, "read_log", written)

    timer = _Timer()
    folded = await _restore(own, stage, partitions)
    timer.sample(findings, "from_nothing", folded)
    if folded != written:
        raise NotAnswered(f"{folded} outputs were restored, {written} are in the log.")
    lines = counts[stage.outputs[0]]
    findings.sample("disk", "MB/million lines", _bytes(folder) / lines)
    shutil.rmtree(folder)

    shutil.copytree(kept, folder / _STORES)
    timer = _Timer()
    findings.sample("tail", "outputs", await _restore(own, stage, partitions))
    findings.sample("store_and_tail", "ms", timer.seconds * 1_000)
    shutil.rmtree(folder)


class _Timer:
    """Seconds, and processor seconds of this process, since it was made."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._used = time.process_time()

    @property
    def seconds(self) -> float:
        """By the clock on the wall."""
        return time.perf_counter() - self._begun

    def sample(self, findings: Findings, name: str, outputs: int) -> None:
        """Outputs a second, of the wall and of the processor."""
        used = time.process_time() - self._used
        findings.sample(name, "outputs/s", outputs / self.seconds)
        findings.sample(f"{name}_processor", "outputs/s", outputs / used)


async def _restore(settings: Settings, stage: BenchStage, partitions: Sequence[int]) -> int:
    """How many outputs were folded, over all partitions, until all of them could run."""
    return sum(await asyncio.gather(*(_restored(settings, stage, one) for one in partitions)))


async def _restored(settings: Settings, stage: BenchStage, partition: int) -> int:
    store = await open_store(settings, stage.name, partition, stage.fold)
    try:
        return (await restore(settings, stage, partition, store)).outputs
    finally:
        await store.close()


async def _read(
    settings: Settings, names: Sequence[str], partitions: Sequence[int]
) -> dict[str, int]:
    """Reads all outputs, partitions beside each other, and counts those of each topic."""
    counts = dict.fromkeys(names, 0)

    async def read(one: Partition) -> None:
        async with reader(settings) as reading:
            end = (await reading.end_offsets([one]))[one]
            await reading.assign({one: -1})
            while await reading.position(one) < end:
                found = await reading.poll(max_records=_POLL_RECORDS)
                counts[one.topic] += len(found.get(one, []))

    await asyncio.gather(*(read(Partition(name, n)) for name in names for n in partitions))
    return counts


def _bytes(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
