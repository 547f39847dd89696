"""kill -9 of every part while a simulated year goes through: nothing lost, nothing doubled."""

import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import pytest

from consumers.simulation.population import SimulationSize
from consumers.simulation.simulate import plan_year, simulate
from consumers.stack.stack import Stack
from infra.settings import load_settings

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]
SIZE: Final = SimulationSize(12, 240, 2_400)


class Killer:
    """Kills a part each time that the work has come so far; it is started again by the stack."""

    PLAN: Final = (
        ("quality control answers", 0.1, "quality"),
        ("quality control answers", 0.3, "projections"),
        ("quality control answers", 0.5, "quality"),
        ("registrations", 0.1, "subject"),
        ("registrations", 0.3, "api"),
        ("registrations", 0.5, "projections"),
        ("registrations", 0.7, "subject"),
    )
    """During which step, at which part of it, whom."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._left = list(self.PLAN)
        self.killed: Counter[str] = Counter()

    def __call__(self, step: str, done: int, total: int) -> None:
        for one in [one for one in self._left if one[0] == step and done > one[1] * total > 0]:
            self._left.remove(one)
            part = self._stack.parts[one[2]]
            if part.running:
                part.send(signal.SIGKILL)
                self.killed[part.name] += 1


async def test_a_year_survives_the_death_of_every_part(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path, dev_issuer=True, api_port=0)
    async with Stack(settings) as stack:
        killer = Killer(stack)
        year = plan_year(9, SIZE, datetime.now(UTC))
        async with httpx.AsyncClient(base_url=stack.api_url, timeout=120) as api:
            simulated = await simulate(stack.settings, api, year, killer)

    assert set(killer.killed) == {"quality", "subject", "projections", "api"}
    assert simulated.differences == ()
    assert [row for row in simulated.rows if row.injected != row.observed] == []
