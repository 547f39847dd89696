"""Projections that are killed, frozen and cut off from their database hold what the model holds.

The short form: three timings of each fault, by a seed that a failure prints. The long one is
`make chaos ARGS="--stage projections"`. Faults that leave the server alone run beside each other.
"""

import asyncio
import secrets
from typing import Final

import pytest

from tests.support.chaos.campaign import SHORT
from tests.support.chaos.ground import Ground
from tests.support.chaos.outcome import Outcome
from tests.support.chaos.projecting import FAULTS, OF_DATABASE, run

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(800)]

SEED: Final = secrets.randbelow(10**6)
AT_ONCE: Final = 7


def _require_kept(one: Outcome) -> None:
    assert one.violations == (), f"{one.fault}, seed {one.seed}"
    assert one.runs == SHORT.runs
    assert one.submissions > 0


async def test_projections_that_are_hurt_hold_the_rows_of_the_model(ground: Ground) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(fault: str) -> Outcome:
        async with room:
            return await run(fault, ground=ground, seed=SEED, scale=SHORT)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(fault)) for fault in FAULTS if fault not in OF_DATABASE]
    for task in tasks:
        _require_kept(task.result())


@pytest.mark.parametrize("fault", sorted(OF_DATABASE))
async def test_a_database_that_dies_and_recovers_takes_nothing_with_it(
    ground: Ground, fault: str
) -> None:
    _require_kept(await run(fault, ground=ground, seed=SEED, scale=SHORT))
