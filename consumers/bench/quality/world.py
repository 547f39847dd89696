"""Servers and input of the benchmark: real ones, made once for all rounds and contenders."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from consumers.bench.processor import processor_seconds
from consumers.bench.quality.stage import SeededVault
from consumers.catalogue.sample import ensure_sample
from consumers.progress import Progress
from consumers.simulation.defects import make_plan
from consumers.simulation.population import SimulationSize
from consumers.simulation.publish import interleaved, introduce, send_all, sending
from consumers.simulation.records import Outgoing, outgoing
from consumers.stack.office import first_keys, init_office
from consumers.stack.stack import migration_sources
from infra import migrations, topics
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.embedded.processes import read_pid
from infra.errors import InfrastructureError
from infra.keys.opening import opened_vault
from infra.settings import Settings

PARTITIONS: Final = 4
SEED: Final = 1
LINES_PER_SUBMISSION: Final = 2.6
"""Of the simulated year, rounded up, with some to spare."""
LEFT_OUT: Final = frozenset({"oversize", "no_key", "wrong_partition"})
"""Damage that is not measured: five mebibytes of noise, and records whose outputs a client that
partitions by key would put elsewhere, so that bytes could not be compared."""


@dataclass(frozen=True, slots=True)
class World:
    """Running servers; `count` submissions are published, `spare` are sealed and wait."""

    settings: Settings
    folder: Path
    seed: bytes
    partitions: int
    count: int
    spare: Sequence[Outgoing]

    def broker_seconds(self) -> float | None:
        """Processor seconds that the broker has used; None where the system does not tell."""
        return processor_seconds(read_pid(self.folder / "kafka" / "broker.pid"))


@asynccontextmanager
async def opened(
    folder: Path, count: int, spare: int, progress: Progress, *, partitions: int = PARTITIONS
) -> AsyncIterator[World]:
    """Starts broker and database, enrols pharmacies, publishes `count` sealed submissions.

    Raises:
        InfrastructureError: a server does not start.
    """
    progress("broker and database", 0, 0)
    async with EmbeddedInfrastructure(folder) as running:
        settings = first_keys(running.endpoints.settings(folder, log_format="console"))
        seed = secrets.token_bytes(32)
        await _prepare(settings, seed, partitions)
        progress("broker and database", 1, 1)
        sealed = await _publish(settings, count, spare, progress)
        yield World(settings, folder, seed, partitions, count, sealed)


async def _prepare(settings: Settings, seed: bytes, partitions: int) -> None:
    await topics.apply(settings, partitions=partitions)
    await migrations.migrate(migration_sources(settings))
    await ensure_sample(settings.dsn)
    async with opened_vault(settings, maximum=2) as vault:
        # The stage as production runs it opens the same input as the contenders.
        await vault.put_intake_key(SeededVault(seed).intake)
    await init_office(settings)


async def _publish(
    settings: Settings, count: int, spare: int, progress: Progress
) -> tuple[Outgoing, ...]:
    step = "sealed submissions"
    progress(step, 0, 0)
    # Copies are not among the spare ones: their originals are in the input already.
    lines = round((count + spare) * LINES_PER_SUBMISSION)
    plan = make_plan(SEED, SimulationSize(lines=max(lines, _SMALLEST)), datetime.now(UTC))
    planned = [one for one in interleaved(plan) if one.mutation not in LEFT_OUT]
    kept = [one for one in planned[count:] if one.mutation == "none"][:spare]
    if len(kept) < spare:
        raise InfrastructureError(
            f"The simulated year has {len(planned)} submissions, {count + spare} are needed."
        )
    async with sending(settings) as sender:
        sessions = await introduce(sender, settings, plan)
        await send_all(
            sender, planned[:count], sessions, lambda done, total: progress(step, done, total)
        )
    now = datetime.now(UTC)
    return tuple(outgoing(one, sessions, now) for one in kept)


_SMALLEST: Final = 1_000
"""Lines of a year in which every kind of defect has its place."""
