"""Two engine processes against one on eight partitions, then one that joins and leaves."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumers.bench.benches import Run
from consumers.bench.quality.counting import NotAnswered, until_answered
from consumers.bench.quality.engine import HELD
from consumers.bench.quality.process import Contending, running
from consumers.bench.quality.stage import own_topics
from consumers.bench.quality.world import World, opened
from consumers.bench.result import Findings
from consumers.bench.scaling.rebalance import measure_rebalance
from infra import topics
from infra.kafka import reader
from schemas.topics import DISPENSATION_RECEIPTS

PARTITIONS: Final = 8
_JOIN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """Submissions of a round; then submissions a second, and seconds of each phase of a rebalance.

    The phases: one process alone, with a second one, alone again.
    """

    count: int
    rate: int
    phase: float

    @property
    def spare(self) -> int:
        """Submissions that the rebalance takes."""
        return round(3 * self.phase * self.rate)


FULL: Final = Size(count=5_000, rate=300, phase=8.0)


def measure(run: Run) -> Findings:
    """All of it at full size.

    Raises:
        InfrastructureError: a server does not start, or a process fails.
    """
    return asyncio.run(measure_scaling(run, FULL))


async def measure_scaling(run: Run, size: Size) -> Findings:
    """`run.rounds` rounds of one process and of two, then a process that joins and leaves."""
    findings = Findings()
    async with opened(
        run.folder, size.count, size.spare, run.progress, partitions=PARTITIONS
    ) as world:
        for number in range(run.rounds):
            for processes in (1, 2) if number % 2 else (2, 1):
                run.progress("rounds", number, run.rounds)
                rate = await _rate(world, f"scaling-{number}-{processes}", processes)
                findings.sample(f"processes_{processes}", "submissions/s", rate)
        run.progress("rounds", run.rounds, run.rounds)
        findings.ratio("two_processes_vs_one", "processes_2", "processes_1")
        await measure_rebalance(world, size.rate, size.phase, run, findings)
    return findings


async def _rate(world: World, name: str, processes: int) -> float:
    """Submissions answered a second, counted from when all processes hold their partitions.

    Raises:
        NotAnswered: a process ended, or they take too long.
    """
    own = own_topics(name)
    gate = world.folder / f"{name}.gate"
    await topics.apply(world.settings, partitions=world.partitions, topics=own.values())
    async with AsyncExitStack() as stack:
        reading = await stack.enter_async_context(reader(world.settings))
        await reading.assign_all(own[DISPENSATION_RECEIPTS.name].name)
        started = [
            await stack.enter_async_context(running(world, "engine", name, instance, gate))
            for instance in range(processes)
        ]

        def alive() -> None:
            for one in started:
                one.require_running()

        await _shared(started, world.partitions, alive)
        gate.touch()
        begun = time.time()
        return world.count / (await until_answered(reading, world.count, alive) - begun)


async def _shared(
    started: Sequence[Contending], partitions: int, alive: Callable[[], None]
) -> None:
    """Waits until every process has its share of the partitions."""
    until = time.monotonic() + _JOIN_SECONDS
    while time.monotonic() < until:
        alive()
        held = [_held(one.folder / HELD) for one in started]
        if all(held) and sorted(one for some in held for one in some) == list(range(partitions)):
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise NotAnswered(f"{len(started)} processes do not share the partitions.")


def _held(file: Path) -> list[int]:
    try:
        held: list[int] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return held
