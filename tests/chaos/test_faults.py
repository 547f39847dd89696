"""Stages under load that are killed, frozen, cut off and fed poison: no promise is broken.

The short form: three timings of each fault, by a seed that a failure prints. `make chaos` is the
long one. Faults that hit one stage only run beside each other, on stages of their own.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

import pytest

from tests.support.chaos.campaign import SHORT, run
from tests.support.chaos.faults import FAULTS, OF_BROKER
from tests.support.chaos.ground import Ground
from tests.support.chaos.outcome import Outcome
from tests.support.chaos.subjects import Counting, Dispensing

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(800)]

SEED: Final = secrets.randbelow(10**6)
AT_ONCE: Final = 4
OF_QUALITY: Final = ("vault away", "clock wrong by an hour", "hostile records first", "disk full")
"""These need the real stage: its vault, its clock, its records, all that it keeps."""
OF_WORKERS: Final = tuple(one for one in FAULTS if one not in OF_BROKER and one not in OF_QUALITY)


def _require_kept(outcomes: Sequence[Outcome]) -> None:
    for one in outcomes:
        assert one.violations == (), f"{one.fault} of {one.stage}, seed {one.seed}"
        assert one.runs == SHORT.runs
        assert one.submissions > 0


async def _small(ground: Ground, fault: str) -> Outcome:
    subject = await Counting.new(ground)
    return await run(fault, FAULTS[fault], subject, ground=ground, seed=SEED, scale=SHORT)


async def test_workers_that_die_freeze_join_and_leave_lose_and_double_nothing(
    ground: Ground,
) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(fault: str) -> Outcome:
        async with room:
            return await _small(ground, fault)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(fault)) for fault in OF_WORKERS]
    _require_kept([task.result() for task in tasks])


@pytest.mark.parametrize("fault", OF_QUALITY)
async def test_quality_control_loses_and_doubles_nothing_whatever_it_meets(
    ground: Ground, fault: str
) -> None:
    subject = Dispensing(ground)
    outcome = await run(fault, FAULTS[fault], subject, ground=ground, seed=SEED, scale=SHORT)
    _require_kept([outcome])


@pytest.mark.parametrize("fault", sorted(OF_BROKER))
async def test_a_broker_that_goes_away_and_comes_back_takes_nothing_with_it(
    ground: Ground, fault: str
) -> None:
    _require_kept([await _small(ground, fault)])
