"""The rounds of `dpp bench quality`: every contender in turn, on the same broker and input."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.bench.benches import Run
from consumers.bench.quality import quix
from consumers.bench.quality.contender import CONTENDERS, OF_TRANSPORT
from consumers.bench.quality.counting import NotAnswered, Written, settled, until_answered, written
from consumers.bench.quality.latency import measure_latency
from consumers.bench.quality.process import running
from consumers.bench.quality.stage import Work, own_topics
from consumers.bench.quality.world import World, opened
from consumers.bench.result import Findings
from infra import topics
from infra.kafka import reader
from schemas.topics import DISPENSATION_RECEIPTS

_MIB: Final = 2**20
_TRANSPORT: Final = "transport_"
"""Before the figures of contenders that have nothing to decide."""
RATE: Final = "submissions/s"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: submissions of a round, and seconds at each rate of submissions/s.

    `warm_ups` are rounds that do not count: page cache, broker and files are cold in the first.
    """

    count: int
    rates: tuple[tuple[int, float], ...]
    warm_ups: int = 1

    @property
    def spare(self) -> int:
        """Submissions that latency takes."""
        return sum(round(rate * seconds) for rate, seconds in self.rates)


FULL: Final = Size(count=5_000, rates=((10, 20.0), (100, 10.0), (1_000, 10.0)))


def measure(run: Run) -> Findings:
    """All rounds at full size.

    Raises:
        InfrastructureError: a server or Quix Streams is missing, or a contender fails.
    """
    return asyncio.run(measure_quality(run, FULL))


async def measure_quality(run: Run, size: Size) -> Findings:
    """Opens a world of this size and measures in it."""
    quix.load()
    findings = Findings()
    async with opened(run.folder, size.count, size.spare, run.progress) as world:
        await measure_in(world, run, size, findings)
    return findings


async def measure_in(world: World, run: Run, size: Size, findings: Findings) -> None:
    """All contenders, then some of them with nothing to decide, then latencies."""
    await _rounds(world, "quality", size, run, findings)
    await _rounds(world, "nothing", size, run, findings)
    await measure_latency(world, size.rates, run, findings)
    _conclude(findings)


async def _rounds(
    world: World,
    work: Work,
    size: Size,
    run: Run,
    findings: Findings,
) -> None:
    """Rounds to warm up, then `run.rounds` rounds that count, of all contenders in turn."""
    rounds = size.warm_ups + run.rounds
    whole = work == "quality"
    contenders = tuple(CONTENDERS) if whole else OF_TRANSPORT
    step = "rounds" if whole else "rounds with nothing to decide"
    wanted: Written | None = None
    for number in range(rounds):
        for place, contender in enumerate(_order(contenders, number)):
            run.progress(step, number * len(contenders) + place, rounds * len(contenders))
            race = _Race(world, contender, number, work)
            found = await race.run(findings if number >= size.warm_ups else None, wanted)
            wanted = wanted or found
    run.progress(step, rounds * len(contenders), rounds * len(contenders))


def _order(contenders: Sequence[str], number: int) -> Iterator[str]:
    """Another contender begins in each round, so that no place in the row favours one."""
    turn = number % len(contenders)
    yield from contenders[turn:]
    yield from contenders[:turn]


def _conclude(findings: Findings) -> None:
    for rival, goal in (
        ("stock_faust", 8.0),
        ("quix_exactly_once", 1.0),
        ("quix_at_least_once", None),
        ("raw_aiokafka", 0.75),
    ):
        name = f"engine_vs_{rival}"
        median = findings.ratio(name, "engine", rival)
        if goal is not None:
            findings.at_least(name, goal, median)
    for rival in OF_TRANSPORT[1:]:
        findings.ratio(
            f"{_TRANSPORT}engine_vs_{rival}", f"{_TRANSPORT}engine", f"{_TRANSPORT}{rival}"
        )


class _Race:
    """One contender in one round, in a process of its own, with topics of its own."""

    def __init__(self, world: World, contender: str, number: int, work: Work) -> None:
        self._world = world
        self._contender = contender
        self._work: Work = work
        self._figure = contender if work == "quality" else f"{_TRANSPORT}{contender}"
        self._name = f"{self._figure}-{number}"
        self._topics = own_topics(self._name)

    async def run(self, findings: Findings | None, wanted: Written | None) -> Written:
        """What was written; measured only with `findings`, compared with `wanted`.

        Raises:
            NotAnswered: the contender ended, was too slow, or wrote something else.
        """
        world = self._world
        await topics.apply(
            world.settings, partitions=world.partitions, topics=self._topics.values()
        )
        async with reader(world.settings) as reading:
            await reading.assign_all(self._topics[DISPENSATION_RECEIPTS.name].name)
            broker = world.broker_seconds()
            async with running(world, self._contender, self._name, work=self._work) as process:
                last = await until_answered(reading, world.count, process.require_running)
                broker_after = world.broker_seconds()
        report = process.report()
        if findings is not None:
            thousands = world.count / 1_000
            findings.sample(self._figure, RATE, world.count / (last - report.started_at))
            self._sample(findings, "cpu", "s/1000", report.cpu_seconds / thousands)
            deciding = report.deciding_seconds / thousands
            self._sample(findings, "deciding_cpu", "s/1000", deciding)
            if broker is not None and broker_after is not None:
                used = (broker_after - broker) / thousands
                self._sample(findings, "broker_cpu", "s/1000", used)
            self._sample(findings, "peak_memory", "MiB", report.peak_bytes / _MIB)
        names = [one.name for one in self._topics.values()]
        return await self._compared(names, wanted)

    def _sample(self, findings: Findings, what: str, unit: str, value: float) -> None:
        findings.sample(f"{self._figure}_{what}", unit, value)

    async def _compared(self, names: list[str], wanted: Written | None) -> Written:
        try:
            if wanted is None:
                return await written(self._world.settings, names)
            return await settled(self._world.settings, names, wanted)
        except NotAnswered as error:
            raise NotAnswered(f"{self._contender}: {error}.") from None
