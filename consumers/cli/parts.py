"""Composition roots: what each part is made of.

Only here are adapters chosen; the parts themselves know ports.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from consumers.erasure.carrying import keep_carrying_out
from consumers.keys.log_keys import LogKeyFiles
from consumers.keys.rotation import keep_destroying
from consumers.quality import watch as quality_watch
from consumers.stack.office import log_key_path
from consumers.stack.stack import migration_sources
from consumers.stack.watching import Watch
from consumers.surveillance import watch as surveillance_watch
from infra.catalogue.cache import CachedCatalogue
from infra.catalogue.postgres import PostgresCatalogue
from infra.kafka import reader
from infra.keys.opening import opened_vault
from infra.migrations import require_current
from infra.observability.ops import Readiness, serve_ops
from infra.postgres import Pool, pool
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from projections.health import ProjectionHealth
from projections.retention import keep_retaining
from projections.runner import run_projections as follow_projections
from schemas.catalogue import Catalogue
from schemas.keyvault import KeyVault
from schemas.topics import DISPENSATION_SUBMITTED, SUBJECT_SUBMITTED
from streams.engine.app import run_stage
from streams.engine.health import Health
from streams.engine.memory import rarely_collected
from streams.engine.stage import Stage
from streams.notary.cosigning import witnesses_from
from streams.notary.directory import LogDirectory
from streams.notary.sequencer import Sequencer
from streams.notices.publisher import NoticePublisher
from streams.quality.stage import QualityStage
from streams.subject.stage import SubjectStage


@asynccontextmanager
async def opened_catalogue(settings: Settings) -> AsyncIterator[Catalogue]:
    """The medicines catalogue, cached, its pool closed at the end."""
    async with pool(settings.dsn, maximum=2) as connections:
        yield CachedCatalogue(PostgresCatalogue(connections))


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[BroadcastTables]:
    """Publishers, sessions and policies, followed until the end."""
    tables = BroadcastTables(settings, settings.office_keys)
    await tables.start()
    try:
        yield tables
    finally:
        await tables.stop()


@asynccontextmanager
async def _operated(
    settings: Settings, ready: Readiness, stop: asyncio.Event
) -> AsyncIterator[None]:
    serving = asyncio.create_task(
        serve_ops(settings.metrics_host, settings.metrics_port, ready, stop)
    )
    try:
        yield
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await serving


StageFactory = Callable[[BroadcastTables, KeyVault, int], Stage[Any, Any]]


async def _run_stage(
    settings: Settings, stop: asyncio.Event, make: StageFactory, topic: str
) -> None:
    await require_current(migration_sources(settings)[1:])
    async with opened_vault(settings) as vault, following(settings) as tables:
        async with reader(settings) as broker:
            partitions = len(await broker.partitions(topic))
        stage = make(tables, vault, partitions)
        health = Health(stage.name)
        async with _operated(settings, lambda: (health.ready, health.snapshot()), stop):
            with rarely_collected():
                await run_stage(settings, stage, stop=stop, health=health)


async def run_quality(settings: Settings, stop: asyncio.Event) -> None:
    """The quality stage: submissions in; facts, receipts and dead letters out."""
    async with opened_catalogue(settings) as catalogue:

        def make(tables: BroadcastTables, vault: KeyVault, partitions: int) -> QualityStage:
            return QualityStage(tables, vault, catalogue, partitions)

        await _run_stage(settings, stop, make, DISPENSATION_SUBMITTED.name)


async def run_subject(settings: Settings, stop: asyncio.Event) -> None:
    """The subject stage: registrations in; facts and receipts out."""
    await _run_stage(settings, stop, SubjectStage, SUBJECT_SUBMITTED.name)


async def run_projections(settings: Settings, stop: asyncio.Event) -> None:
    """Every projection, each with its own position."""
    await require_current(migration_sources(settings))
    health = ProjectionHealth()
    async with (
        opened_vault(settings) as vault,
        _operated(settings, lambda: (health.ready, health.snapshot()), stop),
    ):
        await follow_projections(settings, stop=stop, vault=vault, health=health)


async def run_notary(settings: Settings, stop: asyncio.Event) -> None:
    """The transparency log: every fact, receipt and access decision becomes a leaf."""
    sequencer = Sequencer(
        settings,
        LogDirectory(settings.log_folder),
        origin=settings.log_origin,
        keys=LogKeyFiles(log_key_path(settings)).held,
        state=settings.data / "notary",
        witnesses=witnesses_from(settings.log_witnesses),
    )
    health = sequencer.health
    async with _operated(settings, lambda: (health.size is not None, health.snapshot()), stop):
        await sequencer.run(stop)


async def run_notices(settings: Settings, stop: asyncio.Event) -> None:
    """Notices: what a patient should be told. Of several processes one publishes at a time."""
    await require_current(migration_sources(settings)[:1])
    publisher = NoticePublisher(settings)
    health = publisher.health
    async with _operated(settings, lambda: (health.ready, health.snapshot()), stop):
        await publisher.run(stop)


async def run_keeper(settings: Settings, stop: asyncio.Event) -> None:
    """Watches silence, gaps and use of the record, takes away what is over, carries erasures out.

    One process is enough; of several, one at a time takes away, and all show the same.
    """
    await require_current(migration_sources(settings)[:1])
    async with (
        pool(settings.dsn, maximum=2) as connections,
        following(settings) as tables,
    ):
        quality, surveillance = _watches(settings, tables, connections)

        def readiness() -> tuple[bool, dict[str, object]]:
            return quality.ready, {**quality.snapshot(), **surveillance.snapshot()}

        async with _operated(settings, readiness, stop), asyncio.TaskGroup() as group:
            group.create_task(keep_retaining(settings, lambda: opened_vault(settings), stop))
            group.create_task(keep_destroying(settings, tables, stop))
            group.create_task(keep_carrying_out(settings, stop))
            group.create_task(surveillance.run(stop))
            await quality.run(stop)


def _watches(settings: Settings, tables: BroadcastTables, connections: Pool) -> tuple[Watch, Watch]:
    async def quality(at: datetime) -> None:
        await quality_watch.look(tables, connections, at)

    opened = partial(opened_vault, settings, maximum=1, listening=False)
    surveillance = surveillance_watch.Looks(connections, opened).take

    def clock() -> datetime:
        return datetime.now(UTC)

    return (
        Watch("quality", quality, clock=clock, seconds=quality_watch.SECONDS),
        Watch("surveillance", surveillance, clock=clock, seconds=surveillance_watch.SECONDS),
    )
