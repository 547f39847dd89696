"""What partitions notice when a process joins the group and leaves it, under a steady load.

Two processes run as production runs them. For each partition the longest time between two receipts
is taken, while submissions are due in every partition many times a second.
"""

import asyncio
import time
from collections import defaultdict
from itertools import pairwise
from typing import Final

import httpx

from consumers.bench.benches import Run
from consumers.bench.quality.counting import NotAnswered, is_receipt, until_answered
from consumers.bench.quality.latency import publish
from consumers.bench.quality.world import World
from consumers.bench.result import Findings
from consumers.stack.parts import Part
from infra.embedded.processes import free_ports
from infra.kafka import PartitionReader, producer, reader
from schemas.topics import DISPENSATION_RECEIPTS

GOAL_MS: Final = 1_000.0
_READY_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_WAIT_SECONDS: Final = 60.0


async def measure_rebalance(
    world: World, rate: int, phase: float, run: Run, findings: Findings
) -> None:
    """The longest gap of partitions that stay with the first process, and of those that move.

    Raises:
        NotAnswered: a process does not start or ended, or a receipt is missing.
    """
    step = "a process joins and leaves"
    run.progress(step, 0, 0)
    first, second = (_part(world, number) for number in (1, 2))
    watch = _Watch()
    try:
        async with reader(world.settings) as reading, producer(world.settings) as sender:
            await reading.assign_all(DISPENSATION_RECEIPTS.name)
            first.start()
            await until_answered(reading, world.count, lambda: _alive(first))
            watching = asyncio.create_task(watch.follow(reading, len(world.spare)))
            load = asyncio.create_task(publish(sender, world.spare, rate, world.partitions))
            await asyncio.sleep(phase)
            second.start()
            kept = await _shared(first, second, world.partitions)
            await asyncio.sleep(phase)
            second.request_stop()
            await second.stopped()
            await load
            async with asyncio.timeout(_WAIT_SECONDS):
                await watching
    except TimeoutError:
        raise NotAnswered(f"{watch.seen} of {len(world.spare)} receipts came.") from None
    finally:
        for part in (first, second):
            part.request_stop()
        for part in (first, second):
            await part.stopped()
    gaps = watch.gaps()
    unmoved = max(gaps[one] for one in kept) * 1_000
    findings.sample("gap_of_partitions_that_stay", "ms", unmoved)
    moved = max(gap for one, gap in gaps.items() if one not in kept) * 1_000
    findings.sample("gap_of_partitions_that_move", "ms", moved)
    findings.at_most("gap_of_partitions_that_stay", GOAL_MS, unmoved)
    run.progress(step, 1, 1)


class _Watch:
    """When receipts of each partition came."""

    def __init__(self) -> None:
        self._times: dict[int, list[float]] = defaultdict(list)

    @property
    def seen(self) -> int:
        """How many came."""
        return sum(len(times) for times in self._times.values())

    async def follow(self, reading: PartitionReader, count: int) -> None:
        """Returns when so many have come."""
        while self.seen < count:
            found = await reading.poll(max_records=5_000)
            at = time.perf_counter()
            for one, records in found.items():
                self._times[one.partition] += [at for record in records if is_receipt(record)]

    def gaps(self) -> dict[int, float]:
        """The longest time between two receipts of each partition, in seconds."""
        return {
            one: max((later - earlier for earlier, later in pairwise(times)), default=0.0)
            for one, times in self._times.items()
        }


def _part(world: World, number: int) -> Part:
    port = free_ports(1)[0]
    folder = world.folder / f"process-{number}"
    folder.mkdir()
    own = world.settings.model_copy(update={"data": folder})
    return Part("quality", port, {**own.environment(), "DPP_METRICS_PORT": str(port)}, folder)


def _alive(part: Part) -> None:
    if not part.running:
        raise NotAnswered(f"dpp run quality ended: {part.last_words}")


async def _shared(first: Part, second: Part, partitions: int) -> frozenset[int]:
    """The partitions that the first process still has once the second has the others.

    Raises:
        NotAnswered: they do not share them in time.
    """
    until = time.monotonic() + _READY_SECONDS
    async with httpx.AsyncClient(timeout=2.0) as client:
        while time.monotonic() < until:
            ours, theirs = await _held(client, first), await _held(client, second)
            if ours and theirs and not ours & theirs and len(ours | theirs) == partitions:
                return ours
            _alive(second)
            await asyncio.sleep(_LOOK_SECONDS)
    raise NotAnswered("the processes do not share the partitions.")


async def _held(client: httpx.AsyncClient, part: Part) -> frozenset[int]:
    """The partitions that a process runs; none while it is not up."""
    try:
        answer = (await client.get(part.ready_url)).json()
    except (httpx.HTTPError, ValueError):
        return frozenset()
    states = answer.get("partitions", {})
    return frozenset(int(one) for one, state in states.items() if state["state"] == "running")
