"""Builds a new version beside the live one, verifies it, and lets it take over in one transaction.

Until the switch nobody is told and nobody reads it. It can be stopped at any batch, and goes on
from there when it is asked for again. Readers see the old tables or the new ones, both exactly at
the position that the switch was made at.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

from infra.kafka import reader
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.batch import strict
from projections.building import Pace, fill
from projections.clones import clone_indexes, make_indexes, primary_keys
from projections.content import content_hash
from projections.erasure import forget_erased
from projections.hashing import Difference, first_difference, stored_content, unshared_columns
from projections.shells import Projection
from projections.store import Failure, Target, load_places, set_aside_of
from projections.versions import (
    VersionRefused,
    begin,
    building,
    copy_live,
    hold_live,
    layout_of,
    live_layout,
    live_version,
    progress,
    switch,
)
from projections.workers import Crew

REBUILD_LOCK: Final = 0x6470_7062
"""Class of the advisory lock under which one process builds a projection ("dppb")."""
LOOK_SECONDS: Final = 0.5
CLOSE: Final = 2000
"""So few records behind, the rest is caught up with while the live version is held."""
SWITCH_SECONDS: Final = 30
Outcome = Literal["live", "cancelled", "differs", "stopped"]
Told = Callable[["Standing"], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a rebuild is: records applied, of those up to the mark, and records per second."""

    step: str
    done: int
    total: int
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """At the present rate, None before it is known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


@dataclass(frozen=True, slots=True)
class Options:
    """How to rebuild: `cap` is in records per second, over all workers."""

    workers: int = 1
    cap: float | None = None
    set_aside: bool = False
    """Leave out events with wrong content, and count them, instead of stopping."""
    from_snapshot: bool = False
    """Begin with a copy of the live version's rows, and read only what comes after."""
    changed: frozenset[str] = frozenset()
    """Columns that this release fills in another way than the live rows: they are not compared."""


@dataclass(slots=True)
class Report:
    """What became of a rebuild; `positions` are where the version stands."""

    projection: str
    version: int
    outcome: Outcome = "cancelled"
    resumed: bool = False
    records: int = 0
    seconds: float = 0.0
    set_aside: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    content_hash: str | None = None
    difference: Difference | None = None
    failure: Failure | None = None

    @property
    def rate(self) -> float:
        """Records per second, over everything."""
        return self.records / self.seconds if self.seconds else 0.0


async def rebuild(
    settings: Settings,
    projection: Projection,
    *,
    options: Options | None = None,
    told: Told = lambda _: None,
    stop: asyncio.Event | None = None,
) -> Report:
    """Rebuilds one projection; setting `stop` leaves the new version at a true position.

    Raises:
        VersionRefused: somebody rebuilds it already, or it was never run.
        BrokerUnavailable, DatabaseUnavailable, psycopg.Error: run it again, and it goes on.
    """
    stopped = stop or asyncio.Event()
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        await _only_one(connection, projection)
        await live_version(connection, projection)
        target, report = await _started(settings, connection, projection, options or Options())
        work = _Rebuild(settings, projection, target, options or Options(), told, stopped, report)
        await work.run(connection)
        return report


async def _only_one(connection: Connection, projection: Projection) -> None:
    cursor = await connection.execute(
        "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (REBUILD_LOCK, projection.name)
    )
    row = await cursor.fetchone()
    if not (row and row[0]):
        raise VersionRefused(
            f"The projection {projection.name} is being rebuilt by another process: wait for it, "
            "or end that one."
        )


async def _started(
    settings: Settings, connection: Connection, projection: Projection, options: Options
) -> tuple[Target, Report]:
    target = await building(connection, projection)
    if target is not None:
        if not projection.layouts.know(await layout_of(connection, target)):
            raise VersionRefused(
                f"Version {target.version} of {projection.name} was begun by another release: run "
                f"that one, or dpp projections drop {projection.name} {target.version}."
            )
        return target, Report(projection.name, target.version, resumed=True)
    async with reader(settings) as source:
        partitions = await source.partitions(projection.topic)
        beginnings = await source.beginning_offsets(partitions)
    found = {one.partition: offset for one, offset in beginnings.items()}
    layout = projection.layouts.last
    if options.from_snapshot and layout != await live_layout(connection, projection):
        raise VersionRefused(
            f"The new version of {projection.name} has other columns (layout {layout}): build it "
            "from the log, without --from-snapshot."
        )
    target = await begin(connection, projection, found, newest=True)
    if options.from_snapshot:
        await copy_live(connection, projection, target)
    return target, Report(projection.name, target.version)


@dataclass(slots=True)
class _Rebuild:
    settings: Settings
    projection: Projection
    target: Target
    options: Options
    told: Told
    stop: asyncio.Event
    report: Report

    async def run(self, connection: Connection) -> None:
        started = time.monotonic()
        before = await self._applied(connection)
        try:
            self.report.outcome = await self._run(connection)
        finally:
            places = await load_places(connection, self.target)
            if places:
                self.report.positions = {one: at.position for one, at in places.items()}
            self.report.set_aside = len(await set_aside_of(connection, self.target))
            applied = sum(self.report.positions.values()) if self.report.positions else before
            self.report.records = applied - before
            self.report.seconds = time.monotonic() - started

    async def _applied(self, connection: Connection) -> int:
        return sum(one.position for one in await progress(connection, self.target))

    async def _run(self, connection: Connection) -> Outcome:
        while True:
            live = await self._live(connection)
            behind = await self._behind(connection, live)
            if behind <= CLOSE:
                break
            async with self._shown(live):
                self.report.failure = await self._crew(live)
            if self.report.failure is not None:
                return "stopped"
            if self.stop.is_set():
                return "cancelled"
        self.told(Standing("indexes", 0, 0, 0.0))
        await self._index(connection)
        if self.projection.forgets:
            await forget_erased(connection, self.target.schema)
        if not await self._verified(connection):
            return self._unlike()
        self.told(Standing("switch", 0, 0, 0.0))
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{SWITCH_SECONDS}s'")
            await hold_live(connection)
            self.report.failure = await self._catch_up(await self._live(connection))
            if self.report.failure is not None or self.stop.is_set():
                return self._unlike()
            self.report.positions = await self._live(connection)
            await switch(connection, self.projection, self.target, self.report.content_hash or "")
        return "live"

    async def _index(self, connection: Connection) -> None:
        live, made = self.projection.schema, self.target.schema
        layout = await layout_of(connection, self.target)
        if layout == await live_layout(connection, self.projection):
            await clone_indexes(connection, live, made)
        else:
            await make_indexes(connection, made, self.projection.layouts)

    def _unlike(self) -> Outcome:
        if self.report.failure is not None:
            return "stopped"
        return "cancelled" if self.stop.is_set() else "differs"

    async def _live(self, connection: Connection) -> dict[int, int]:
        live = await live_version(connection, self.projection)
        return {one: at.position for one, at in (await load_places(connection, live)).items()}

    async def _behind(self, connection: Connection, live: Mapping[int, int]) -> int:
        built = {one.partition: one.position for one in await progress(connection, self.target)}
        return sum(max(0, position - built.get(one, 0)) for one, position in live.items())

    async def _crew(self, live: Mapping[int, int]) -> Failure | None:
        crew = Crew(self.settings, self.projection, self.target, self.stop, self.options.set_aside)
        return await crew.fill(live, workers=self.options.workers, cap=self.options.cap)

    async def _catch_up(self, live: Mapping[int, int]) -> Failure | None:
        return await fill(
            self.settings,
            self.projection,
            self.target,
            live,
            stop=self.stop,
            pace=Pace(),
            may_set_aside=(lambda *_: True) if self.options.set_aside else strict,
        )

    async def _verified(self, connection: Connection) -> bool:
        """Whether both versions hold the same at one position, which is held but for a moment."""
        self.told(Standing("verification", 0, 0, 0.0))
        async with connect(self.settings.dsn, autocommit=True, statement_ms=0) as other:
            async with connection.transaction():
                await hold_live(connection)
                self.report.failure = await self._catch_up(await self._live(connection))
                if self.report.failure is not None or self.stop.is_set():
                    return False
                await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                await other.execute("SELECT FROM projection_version")
            former, made = self.projection.schema, self.target.schema
            changed = self.options.changed | await unshared_columns(other, former, made)
            live = await stored_content(other, former, changed)
            built = await stored_content(other, made, changed)
            whole = await stored_content(other, made) if changed else built
            self.report.content_hash = content_hash(whole)
            shared = live.keys() & built.keys()
            equal = all(live[one] == built[one] for one in shared)
            if not equal:
                found = await primary_keys(other, former)
                keys = {table: key for table, key in found.items() if table in shared}
                self.report.difference = await first_difference(other, former, made, keys, changed)
            await other.execute("COMMIT")
            return equal

    @asynccontextmanager
    async def _shown(self, live: Mapping[int, int]) -> AsyncIterator[None]:
        showing = asyncio.create_task(self._show(live))
        try:
            yield
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing

    async def _show(self, live: Mapping[int, int]) -> None:
        started = None
        async with connect(self.settings.dsn, autocommit=True) as connection:
            while True:
                now = time.monotonic()
                parts = await progress(connection, self.target)
                done = sum(one.position - one.beginning for one in parts)
                total = sum(live.get(one.partition, 0) - one.beginning for one in parts)
                started = started or (now, done)
                seconds = now - started[0]
                rate = (done - started[1]) / seconds if seconds else 0.0
                self.told(Standing("rebuild", done, max(done, total), rate))
                await asyncio.sleep(LOOK_SECONDS)
