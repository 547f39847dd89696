"""What is done to a stage under load. Each fault runs as often as the campaign's scale says."""

import asyncio
import functools
import resource
import signal
import time
from typing import Final

from tests.support.chaos.campaign import Campaign, Fault, UnderLoad
from tests.support.chaos.fleet import Worker
from tests.support.chaos.points import ARM, POINTS
from tests.support.chaos.worker import SESSION_MS

PASSAGES: Final = (1, 2, 3, 5, 8, 13)
"""Which passage of a named point is the fatal one."""
HOUR: Final = 3600
DISK_BYTES: Final = 4096
"""Most bytes of one file on a full disk."""


async def kill_at(point: str, campaign: UnderLoad) -> None:
    """A worker kills itself at a named point of its work; a new one takes over."""
    fleet = campaign.fleet
    await fleet.start(0, *_deadly(point, campaign))
    await campaign.load.start()
    await fleet.holding(0)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        await campaign.recovered(await _killed_at(point, campaign))


async def _killed_at(point: str, campaign: UnderLoad) -> float:
    """Arms workers until one has killed itself; one that was fenced or left before is no kill."""
    fleet = campaign.fleet
    while True:
        # Before it holds a partition, a worker may not know the signal yet and die of that.
        await fleet.holding(0)
        doomed = fleet.workers[0]
        fleet.arguments[0] = _deadly(point, campaign)
        doomed.send(ARM)
        ended = await fleet.ended(doomed)
        if doomed.killed:
            return ended
        await fleet.replaced(0, doomed)


async def kill_restoring(campaign: Campaign) -> None:
    """A worker that restores from nothing kills itself meanwhile; the next one takes over."""
    await _loaded(campaign, 1)
    # A restore that reads less than this would not get to the point where it dies.
    while sum(campaign.load.marks.values()) < max(PASSAGES):  # noqa: ASYNC110 - others write
        await asyncio.sleep(0.02)
    await campaign.progress.until(dict(campaign.load.marks), 120.0)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        while not (doomed := await _emptied(campaign)).killed:
            pass
        await campaign.recovered(doomed.ended_at)


async def _emptied(campaign: Campaign) -> Worker:
    """Kills a worker, takes its disk, and waits until the next one has ended too."""
    fleet = campaign.fleet
    hit = fleet.workers[0]
    fleet.arguments[0] = [*_deadly("during restore", campaign), "--armed"]
    hit.send(signal.SIGKILL)
    await fleet.ended(hit)
    fleet.forget(0)
    await fleet.replaced(0, hit)
    doomed = fleet.workers[0]
    await fleet.ended(doomed)
    return doomed


def _deadly(point: str, campaign: UnderLoad) -> list[str]:
    return ["--point", point, "--passage", str(campaign.draw.choice(PASSAGES))]


async def zombie(campaign: UnderLoad) -> None:
    """A worker is frozen past its session, another takes over, then the first one wakes up."""
    fleet = campaign.fleet
    await fleet.start(0)
    await fleet.start(1)
    await campaign.load.start()
    await fleet.holding(0, 1)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        slot = campaign.draw.randrange(2)
        frozen = fleet.workers[slot]
        frozen.send(signal.SIGSTOP)
        began = time.monotonic()
        await campaign.recovered(began)
        past = began + SESSION_MS / 1000 + campaign.draw.uniform(0.2, 1.5) - time.monotonic()
        await asyncio.sleep(max(0.0, past))
        frozen.send(signal.SIGCONT)
        await campaign.calm()
        await campaign.progress.until(dict(campaign.load.marks), 120.0)


async def broker_killed(campaign: Campaign) -> None:
    """The broker dies without a word and is started again at once."""
    await _loaded(campaign, 2)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        campaign.ground.kill_broker()
        await campaign.ground.start_broker()
        await _served(campaign)


async def broker_stopped(campaign: Campaign) -> None:
    """The broker is stopped in order, and stays away."""
    await _loaded(campaign, 2)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        await campaign.ground.stop_broker()
        await asyncio.sleep(campaign.scale.broker_seconds)
        await campaign.ground.start_broker()
        await _served(campaign)


async def broker_frozen(campaign: Campaign) -> None:
    """The broker answers nothing for a while; its connections stay open."""
    await _loaded(campaign, 2)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        campaign.ground.signal_broker(signal.SIGSTOP)
        await asyncio.sleep(campaign.scale.broker_seconds)
        campaign.ground.signal_broker(signal.SIGCONT)
        await _served(campaign)


async def rebalance(campaign: Campaign) -> None:
    """One worker becomes three, and three become one."""
    await _loaded(campaign, 1)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        began = time.monotonic()
        joining = [slot for slot in range(3) if slot not in campaign.fleet.workers]
        for slot in joining:
            await campaign.fleet.start(slot)
        await campaign.fleet.holding(*joining)
        await campaign.calm()
        leaving = campaign.draw.sample(range(3), 2)
        for slot in leaving:
            await campaign.fleet.stop(slot)
        await campaign.recovered(began)


async def rolling_restart(campaign: Campaign) -> None:
    """Each worker in turn is stopped in order and started again."""
    await _loaded(campaign, 2)
    for turn in range(campaign.scale.runs):
        await campaign.calm()
        began = time.monotonic()
        await campaign.fleet.stop(turn % 2)
        await campaign.fleet.start(turn % 2)
        await campaign.fleet.holding(turn % 2)
        await campaign.recovered(began)


async def disk_full(campaign: Campaign) -> None:
    """No file of a worker can grow for a while."""
    await _loaded(campaign, 1)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        process = campaign.fleet.workers[0].process
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (DISK_BYTES, hard))
        await asyncio.sleep(campaign.draw.uniform(0.5, campaign.scale.vault_seconds))
        if process.returncode is None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await campaign.recovered()


async def vault_away(campaign: Campaign) -> None:
    """The key vault answers nobody for a while."""
    await _loaded(campaign, 2)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        campaign.ground.close_vault()
        try:
            await asyncio.sleep(campaign.scale.vault_seconds)
        finally:
            campaign.ground.open_vault()
        await campaign.recovered()


async def wrong_clock(campaign: Campaign) -> None:
    """Each worker in turn is killed and comes back with a clock that is an hour off."""
    await _loaded(campaign, 1)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        wrong = campaign.draw.choice((-HOUR, HOUR))
        hit = campaign.fleet.workers[0]
        campaign.fleet.arguments[0] = [f"--clock={wrong}"]
        hit.send(signal.SIGKILL)
        await campaign.fleet.replaced(0, hit)
        await campaign.recovered(hit.ended_at)


async def hostile(campaign: Campaign) -> None:
    """Poison and oversize stand at the head of every partition when a worker starts."""
    await campaign.load.hostile(3)
    await _loaded(campaign, 1)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        hit = campaign.fleet.workers[0]
        hit.send(signal.SIGKILL)
        await campaign.load.hostile(campaign.draw.randint(1, 3))
        await campaign.fleet.replaced(0, hit)
        await campaign.recovered(hit.ended_at)


async def _served(campaign: Campaign) -> None:
    """Ends a run without a broker: what it takes in first when it is back is answered too."""
    back = time.monotonic()
    await campaign.load.acknowledged()
    await campaign.recovered(back)


async def _loaded(campaign: Campaign, workers: int) -> None:
    """That many workers hold partitions, and the load is on."""
    for slot in range(workers):
        await campaign.fleet.start(slot)
    await campaign.load.start()
    await campaign.fleet.holding(*range(workers))


FAULTS: Final[dict[str, Fault]] = {
    **{
        f"kill -9 {point}": functools.partial(kill_at, point)
        for point in POINTS
        if point != "during restore"
    },
    "kill -9 during restore": kill_restoring,
    "zombie": zombie,
    "broker killed": broker_killed,
    "broker stopped": broker_stopped,
    "broker frozen": broker_frozen,
    "rebalance 1-3-1": rebalance,
    "rolling restart": rolling_restart,
    "disk full": disk_full,
    "vault away": vault_away,
    "clock wrong by an hour": wrong_clock,
    "hostile records first": hostile,
}
OF_BROKER: Final = frozenset({"broker killed", "broker stopped", "broker frozen"})
"""These hit whatever else runs on the ground, so they run alone."""
