"""The story of the demo, from an empty folder to a verdict."""

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import httpx

from consumers.demo.cast import personas
from consumers.demo.checks import Checks
from consumers.demo.erasing import erasing, officers
from consumers.demo.portal import Portal
from consumers.demo.reading import Readers, Told
from consumers.demo.transparency import transparency
from consumers.progress import Progress
from consumers.simulation.population import SimulationSize
from consumers.simulation.simulate import Simulated, Year, plan_year, simulate
from consumers.stack.stack import PERSONAS_FILE, Stack
from infra.errors import InfrastructureError
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the demo found; everything is as planned only if `holds`."""

    simulated: Simulated
    checks: Checks
    told: Told
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took, and all of it."""

    @property
    def holds(self) -> bool:
        """Whether every count and every expectation is as planned."""
        return self.simulated.agrees and self.checks.hold


async def tell(
    settings: Settings, data: Path | None, seed: int, size: SimulationSize, progress: Progress
) -> Verdict:
    """Runs everything in `data`, or in a folder that is removed afterwards.

    Raises:
        InfrastructureError: a server or a part did not start, or `data` was used before.
        ValueError: a size too small to plant every kind of defect once.
    """
    started = perf_counter()
    if data is not None and (data / PERSONAS_FILE).exists():
        raise InfrastructureError(
            f"{data} holds a demo already: give a folder that does not exist yet, or start on it "
            "with dpp up --data."
        )
    year = plan_year(seed, size, datetime.now(UTC))
    async with AsyncExitStack() as closing:
        folder = data or Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="dpp-")))
        update = {"data": folder, "dev_issuer": True, "api_port": 0}
        stack = Stack(
            settings.model_copy(update=update), progress=lambda step: progress(step, 0, 0)
        )
        await closing.enter_async_context(stack)
        client = httpx.AsyncClient(base_url=stack.api_url, timeout=60.0)
        api = await closing.enter_async_context(client)
        ready = perf_counter() - started
        simulated = await simulate(stack.settings, api, year, progress)
        checks = Checks()
        told = await _read(stack, api, year, checks, progress)
        progress("everything stops", 0, 0)
    seconds = {"ready": ready, **simulated.seconds, "all": perf_counter() - started}
    rounded = {step: round(value, 1) for step, value in seconds.items()}
    return Verdict(simulated, checks, told, rounded)


async def _read(
    stack: Stack, api: httpx.AsyncClient, year: Year, checks: Checks, progress: Progress
) -> Told:
    cast = year.registrations.personas
    people = personas(cast) | officers(cast)
    claims = {name: one.request() for name, one in people.items()}
    portal = Portal(api, await stack.publish_personas(claims))
    readers = Readers(portal, year.plan, cast, checks)
    steps: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
        ("everybody who may reads", readers.everybody_who_may),
        ("everybody who may not tries", readers.everybody_who_may_not),
        ("consent is withdrawn", readers.withdrawing),
        ("a visit at the counter", lambda: readers.counter(stack.settings, stack.api_url)),
        ("the access log", readers.access_log),
        (
            "the transparency log",
            lambda: transparency(stack.settings, stack.api_url, cast.patient.niss, checks),
        ),
        (
            "a person is erased",
            lambda: erasing(stack.settings, portal, cast.withdrawing.niss, checks),
        ),
    )
    for what, step in steps:
        progress(what, 0, 0)
        await step()
    return readers.told
