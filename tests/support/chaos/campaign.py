"""One campaign: a stage under load, a fault again and again, and the checker's verdict.

A run is one injection of the fault. Its recovery is the time until everything that the broker had
acknowledged when the fault ended has its receipt.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from tests.support.chaos.checker import Violation, check
from tests.support.chaos.fleet import Fleet
from tests.support.chaos.ground import Ground
from tests.support.chaos.load import Load, Progress, Subject
from tests.support.chaos.outcome import Outcome

RECOVERY_SECONDS: Final = 120.0
"""What is not answered after this long counts as lost."""
SETTLE_SECONDS: Final = 30.0
"""A commit is answered before all of its partitions show it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How often and how long: the short form in `make test`, the long one in `make chaos`."""

    runs: int
    broker_seconds: float
    vault_seconds: float
    calm_seconds: float
    """Longest time between two faults."""
    pause_seconds: float
    """Longest pause of a publisher."""


SHORT: Final = Scale(
    runs=3, broker_seconds=2.0, vault_seconds=2.0, calm_seconds=0.7, pause_seconds=1.0
)
LONG: Final = Scale(
    runs=5, broker_seconds=30.0, vault_seconds=10.0, calm_seconds=3.0, pause_seconds=0.6
)


class Loading(Protocol):
    """What keeps writers busy."""

    @property
    def marks(self) -> dict[int, int]:
        """How far each partition is written."""
        ...

    async def start(self) -> None:
        """Begins, and returns when something is written."""
        ...


class Following(Protocol):
    """What knows how far the work is done."""

    async def until(self, marks: dict[int, int], patience: float) -> None:
        """Returns when everything up to these marks is done.

        Raises:
            TimeoutError: it is not, after `patience` seconds.
        """
        ...


class UnderLoad(Protocol):
    """What faults of a process need, of whichever kind its work is."""

    @property
    def scale(self) -> Scale: ...
    @property
    def draw(self) -> random.Random: ...
    @property
    def fleet(self) -> Fleet: ...
    @property
    def load(self) -> Loading: ...
    @property
    def progress(self) -> Following: ...

    async def calm(self) -> None:
        """Some time under load, by chance."""
        ...

    async def recovered(self, since: float | None = None) -> None:
        """Ends a run."""
        ...


@dataclass(slots=True)
class Campaign:
    """A stage under load on the ground; what a fault needs at hand."""

    ground: Ground
    subject: Subject
    scale: Scale
    draw: random.Random
    fleet: Fleet
    load: Load
    progress: Progress
    recoveries: list[float] = field(default_factory=list)
    """Seconds of each run."""

    async def calm(self) -> None:
        """Some time under load, by chance: it decides where the next fault hits."""
        await asyncio.sleep(self.draw.uniform(0.05, self.scale.calm_seconds))

    async def recovered(self, since: float | None = None) -> None:
        """Ends a run: waits until everything acknowledged by now is answered.

        `since` is when the fault ended (monotonic); by default it ends now.
        """
        began = time.monotonic() if since is None else since
        answering = asyncio.create_task(
            self.progress.until(dict(self.load.marks), RECOVERY_SECONDS)
        )
        while not answering.done():
            await asyncio.wait([answering], timeout=0.5)
            self.fleet.check()
        answering.result()
        self.recoveries.append(time.monotonic() - began)


Fault = Callable[[Campaign], Awaitable[None]]


async def run(
    fault: str, inject: Fault, subject: Subject, *, ground: Ground, seed: int, scale: Scale
) -> Outcome:
    """Runs a fault as often as the scale says, and judges what is in the log afterwards."""
    async with _campaign(ground, subject, seed, scale) as campaign:
        await inject(campaign)
        await campaign.load.stop()
        trouble = await _settled(campaign)
        await campaign.fleet.stop(*campaign.fleet.workers)
        violations, submissions = await _verdict(campaign)
    return Outcome(
        fault,
        subject.kind,
        seed,
        submissions,
        (*trouble, *violations),
        tuple(round(seconds, 3) for seconds in campaign.recoveries),
    )


@asynccontextmanager
async def _campaign(
    ground: Ground, subject: Subject, seed: int, scale: Scale
) -> AsyncIterator[Campaign]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    fleet = Fleet(ground.settings, subject.name)
    load = Load(ground.settings, subject, draw, scale.pause_seconds)
    progress = Progress(ground.settings, subject)
    following = asyncio.create_task(progress.follow())
    try:
        yield Campaign(ground, subject, scale, draw, fleet, load, progress)
    finally:
        await load.stop()
        await fleet.close()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _settled(campaign: Campaign) -> tuple[Violation, ...]:
    """Waits for the last answers; what does not come is found by the checker."""
    try:
        await campaign.progress.until(dict(campaign.load.marks), RECOVERY_SECONDS)
    except TimeoutError:
        return (Violation("lost", "the stage stands still"),)
    return ()


async def _verdict(campaign: Campaign) -> tuple[tuple[Violation, ...], int]:
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        history, answers = await campaign.subject.history(campaign.load.told)
        violations = check(history, answers)
        late = any(one.kind in ("lost", "torn") for one in violations)
        if not late or time.monotonic() > until:
            return violations, len(history.submitted)
        await asyncio.sleep(0.5)
