"""A whole simulated year: published, registered, awaited, and held against its plan."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Final

import httpx

from consumers.api.ports import ApiSettings
from consumers.api.tokens_dev import DevIssuer, TokenRequest
from consumers.progress import Progress
from consumers.simulation.defects import make_plan
from consumers.simulation.plan import Counts, Plan, expected_counts
from consumers.simulation.population import SimulationSize
from consumers.simulation.publish import Published, publish
from consumers.simulation.register import Registered, register
from consumers.simulation.registrations import (
    RegistrationPlan,
    TokenPersona,
    plan_registrations,
)
from consumers.simulation.stored import (
    await_projected,
    expected_rows,
    registered_facts,
    stored_rows,
)
from consumers.simulation.verify import Observed, await_decided, differences, mark
from infra.kafka import Partition
from infra.settings import Settings
from schemas.topics import SUBJECT_REGISTERED

CONCURRENCY: Final = 24
"""Registrations that are under way at the same time."""
DECIDE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Year:
    """Everything that is to happen."""

    plan: Plan
    registrations: RegistrationPlan


@dataclass(frozen=True, slots=True)
class Row:
    """One count: what was planted, or has to follow from it, and what was seen."""

    group: str
    what: str
    injected: int
    observed: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of a year; `differences` says in sentences what is not as planned."""

    rows: tuple[Row, ...]
    differences: tuple[str, ...]
    seconds: Mapping[str, float]
    """How long each step took."""

    @property
    def agrees(self) -> bool:
        """Whether every receipt and every count is as planned."""
        return not self.differences and all(row.injected == row.observed for row in self.rows)


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - started, 2)


def plan_year(seed: int, size: SimulationSize, now: datetime) -> Year:
    """The plan of a seed as it is to be published at `now`.

    Raises:
        ValueError: a size too small to plant every kind once.
    """
    plan = make_plan(seed, size, now)
    return Year(plan, plan_registrations(plan))


async def simulate(
    settings: Settings, api: httpx.AsyncClient, year: Year, progress: Progress
) -> Simulated:
    """Carries a year out on a running backbone, and compares all of it.

    `settings` reach the servers and the office's key; `api` has the base URL of an API with the
    development issuer.

    Raises:
        AlreadySimulated: the people of this seed are in the record already.
        NotDecided: a submission has no receipt in time.
        RegistrationFailed: the API does not answer a registration.
        InfrastructureError: a server does not answer, or a projection does not follow.
    """
    clock = _Clock()
    outputs, subjects = await mark(settings), await mark(settings, SUBJECT_REGISTERED.name)
    before = await stored_rows(settings)
    published, observed = await _dispense(settings, year, outputs, progress, clock)
    with clock.timed("registered"):
        registered = await _register(settings, api, year.registrations, progress)
    progress("projections follow", 0, 0)
    with clock.timed("projected"):
        await await_projected(settings)
        stored = await stored_rows(settings)
        stored.subtract(before)
        facts = await registered_facts(settings, subjects)
    progress("projections follow", 1, 1)
    rows = (
        *_dispensed_rows(expected_counts(year.plan), observed.counts()),
        *_rows("registrations", year.registrations.expected(), registered.outcomes),
        *_rows("history rows", expected_rows(year.plan), stored),
        Row("registered facts", "all", year.registrations.accepted, facts.total()),
        Row("registered facts", "different", year.registrations.accepted, len(facts)),
    )
    found = [*differences(year.plan, published, observed), *registered.differences]
    return Simulated(rows, tuple(found), clock.seconds)


async def _dispense(
    settings: Settings,
    year: Year,
    start: Mapping[Partition, int],
    progress: Progress,
    clock: _Clock,
) -> tuple[list[Published], Observed]:
    count = expected_counts(year.plan).submissions
    progress("pharmacies publish", 0, count)
    with clock.timed("published"):
        published = await publish(settings, year.plan, _step(progress, "pharmacies publish"))
    progress("quality control answers", 0, count)
    with clock.timed("decided"):
        observed = await await_decided(
            settings,
            [(one.partition, one.offset) for one in published],
            start=start,
            limit_seconds=DECIDE_SECONDS,
            progress=_step(progress, "quality control answers"),
        )
    return published, observed


async def _register(
    settings: Settings, api: httpx.AsyncClient, plan: RegistrationPlan, progress: Progress
) -> Registered:
    progress("registrations", 0, sum(map(len, plan.chains)))
    return await register(
        plan,
        api,
        dev_tokens(settings),
        concurrency=CONCURRENCY,
        progress=_step(progress, "registrations"),
    )


def dev_tokens(settings: Settings) -> Callable[[TokenPersona], str]:
    """Issues development tokens under the key that the API of this data folder trusts."""
    issuer = DevIssuer.open(settings.data / "keys", ApiSettings().audience)

    @cache
    def token(persona: TokenPersona) -> str:
        return issuer.issue(TokenRequest.model_validate(persona.request()), datetime.now(UTC))

    return token


def _step(progress: Progress, step: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(step, done, total)


def _dispensed_rows(expected: Counts, observed: Counts) -> Iterator[Row]:
    yield Row("submissions", "published", expected.submissions, observed.submissions)
    yield from _rows("receipts", expected.outcomes, observed.outcomes)
    yield from _rows("refused", expected.rejects, observed.rejects)
    yield from _rows("warned", expected.warnings, observed.warnings)
    yield from _rows("lines", expected.lines, observed.lines)
    yield from _rows("facts", expected.facts, observed.facts)
    yield from _rows("dead letters", expected.dead_letters, observed.dead_letters)
    yield Row("gaps", "noticed", expected.gaps_noticed, observed.gaps_noticed)
    yield Row("gaps", "closed", expected.gaps_closed, observed.gaps_closed)


def _rows(group: str, expected: Mapping[str, int], observed: Mapping[str, int]) -> Iterator[Row]:
    for what in sorted(expected.keys() | observed.keys()):
        yield Row(group, what, expected.get(what, 0), observed.get(what, 0))
