"""One projection's life in one process: follow, commit, wait out trouble, stop and be retried."""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Final

import psycopg
import structlog

from infra.errors import InfrastructureError
from infra.kafka import (
    BrokerRefused,
    BrokerUnavailable,
    Partition,
    PartitionReader,
    PositionLost,
    Record,
    reader,
)
from infra.postgres import Connection, DatabaseUnavailable, connect
from infra.settings import Settings
from infra.waiting import pause
from projections.batch import Batch, failure_of, fold_batch, moves
from projections.copies import Copies
from projections.health import (
    BATCH_SECONDS,
    DROPPED,
    EVENTS,
    RETRIES,
    ROWS,
    SET_ASIDE,
    ProjectionHealth,
)
from projections.landing import Landing
from projections.layouts import LayoutUnknown, come_in
from projections.leases import Leases
from projections.shells import Projection, Writer
from projections.store import (
    RETRY_CHANNEL,
    Failure,
    Move,
    Place,
    Superseded,
    Target,
    VersionChanged,
    commit,
    live_target,
    load_places,
    set_aside_of,
    store_failure,
    use_schema,
)
from schemas.keyvault import VaultUnavailable

BATCH_RECORDS: Final = 5000
POLL_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 1.0
"""How often the end of the log is looked up, for the lag, and the leases are settled."""
LISTEN_SECONDS: Final = 600.0
"""How long a stopped projection listens on one connection for the call to try again."""
BACKOFF_SECONDS: Final = (0.2, 5.0)
MAX_SET_ASIDE: Final = 100
"""Events that a projection may have left out at a time; one more stops it."""
TROUBLE: Final = (
    DatabaseUnavailable,
    BrokerUnavailable,
    BrokerRefused,
    VaultUnavailable,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # Not among the operational ones: the server ended the session of a runner that was frozen.
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""What passes by itself, sooner or later; serialization failures and a full disk are among it."""
_log = structlog.get_logger(__name__)


class _Halt(Exception):
    """An event stopped the projection; everything before it is committed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.category)
        self.failure = failure


class Follower:
    """Follows the live version of one projection with the partitions that its leases give it."""

    def __init__(
        self,
        settings: Settings,
        projection: Projection,
        health: ProjectionHealth,
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._projection = projection
        self._health = health
        self._stop = stop
        self._delay = BACKOFF_SECONDS[0]
        self._places: dict[int, Place] = {}
        """How far each partition is folded; at most one batch of it is not yet committed."""
        self._copies: dict[int, Copies] = {}
        self._set_aside = 0
        self._look_due = 0.0
        health.enter(projection.name, "starting")

    async def run(self) -> None:
        """Follows until told to stop; a projection that has to stand still waits to be retried."""
        while not self._stop.is_set():
            try:
                await self._follow()
            except TROUBLE as error:
                await self._back_off(error)
            except VersionChanged as error:
                _log.info(
                    "following the other version", projection=self._projection.name, why=str(error)
                )
            except Superseded as error:
                await self._stand_still(str(error))
            except _Halt as halt:
                await self._fail(halt.failure)
            except PositionLost:
                await self._fail(self._failure("position_lost"))
            except LayoutUnknown as error:
                await self._fail(self._failure("layout_unknown"), error)
            except psycopg.Error as error:
                await self._fail(self._failure(f"database_{type(error).__name__}".lower()), error)
            except Exception as error:  # noqa: BLE001 - no projection may take the others along
                await self._fail(self._failure(f"unexpected_{type(error).__name__}".lower()), error)

    async def _follow(self) -> None:
        projection = self._projection
        async with (
            connect(self._settings.dsn, autocommit=True) as connection,
            reader(self._settings) as source,
            Landing() as landing,
        ):
            await come_in(connection, {projection.name: projection.layouts})
            partitions = await source.partitions(projection.topic)
            target = await self._target(connection, source, partitions)
            await use_schema(connection, target.schema)
            writer = projection.writer(connection)
            await writer.prepare()
            leases = Leases(connection, projection.name)
            await leases.join()
            self._look_due = 0.0
            while not self._stop.is_set():
                if time.monotonic() >= self._look_due:
                    await landing.done()
                    await self._look(connection, source, target, leases)
                if leases.held:
                    await self._step(connection, source, target, writer, landing)
                else:
                    await pause(self._stop, LOOK_SECONDS)
            await landing.done()

    async def _target(
        self, connection: Connection, source: PartitionReader, partitions: Collection[Partition]
    ) -> Target:
        projection = self._projection
        beginnings = await source.beginning_offsets(partitions)
        target = await live_target(
            connection,
            projection.name,
            projection.topic,
            projection.schema,
            {one.partition: offset for one, offset in beginnings.items()},
        )
        self._set_aside = len(await set_aside_of(connection, target))
        self._health.set_aside(projection.name, self._set_aside)
        return target

    async def _look(
        self, connection: Connection, source: PartitionReader, target: Target, leases: Leases
    ) -> None:
        """Settles leases and looks at the log's ends; nothing is being committed."""
        self._look_due = time.monotonic() + LOOK_SECONDS
        all_partitions = await source.partitions(target.topic)
        if await leases.settle([one.partition for one in all_partitions]) or (
            set(self._places) != leases.held
        ):
            await self._assign(connection, source, target, leases.held)
        self._health.enter(target.projection, "running" if leases.held else "standby")
        tops = source.tops()
        for one, end in (await source.end_offsets(source.assigned)).items():
            self._health.ends(target.projection, one.partition, end, tops.get(one, 0))

    async def _assign(
        self,
        connection: Connection,
        source: PartitionReader,
        target: Target,
        held: Collection[int],
    ) -> None:
        stored = await load_places(connection, target)
        self._places = {number: stored[number] for number in held}
        self._copies = {number: Copies(place.source) for number, place in self._places.items()}
        await source.assign(
            {Partition(target.topic, one): place.position for one, place in self._places.items()}
        )
        self._health.holds(target.projection, held)
        for number, place in self._places.items():
            self._health.moved(target.projection, number, place.position)

    async def _step(
        self,
        connection: Connection,
        source: PartitionReader,
        target: Target,
        writer: Writer,
        landing: Landing,
    ) -> None:
        """One batch: read and folded while the one before is committed, then committed itself.

        Under little load a batch is what has just arrived; the more there is to do, the more has
        arrived meanwhile.

        Raises:
            _Halt: after committing everything before an event that cannot be taken over.
        """
        polled = await source.poll(max_records=BATCH_RECORDS, timeout=POLL_SECONDS)
        started = time.perf_counter()
        batch = await fold_batch(self._projection, self._copies, polled, self._may_set_aside)
        steps = moves(batch, polled, await source.positions(), self._places)
        if steps:
            self._places |= {move.partition: move.to for move in steps}
            self._set_aside += len(batch.set_aside)
            await landing.begin(
                self._land(connection, target, writer, batch, steps, started=started)
            )
        if batch.ended is not None:
            await landing.done()
            raise _Halt(failure_of(*batch.ended))

    async def _land(
        self,
        connection: Connection,
        target: Target,
        writer: Writer,
        batch: Batch,
        steps: Sequence[Move],
        *,
        started: float,
    ) -> None:
        await writer.before(batch.changes)
        await commit(
            connection, target, steps, lambda _: writer.write(batch.changes), batch.set_aside
        )
        self._committed(batch, steps)
        BATCH_SECONDS.labels(target.projection).observe(time.perf_counter() - started)

    def _may_set_aside(self, _: Record, number: int) -> bool:
        return self._projection.sets_aside and self._set_aside + number <= MAX_SET_ASIDE

    def _committed(self, batch: Batch, steps: Sequence[Move]) -> None:
        name = self._projection.name
        self._delay = BACKOFF_SECONDS[0]
        for move in steps:
            self._health.moved(name, move.partition, move.to.position)
        EVENTS.labels(name).inc(batch.events)
        ROWS.labels(name).inc(len(batch.changes))
        DROPPED.labels(name, "shredded").inc(batch.shredded)
        for verdict, record in batch.dropped:
            DROPPED.labels(name, verdict).inc()
            if verdict == "copy_differs":
                self._tell("a stage wrote another outcome for a submission that had one", record)
        for one in batch.set_aside:
            SET_ASIDE.labels(name, one.category).inc()
            _log.error(
                "an event was set aside: look at it, and apply it with dpp projections retry",
                projection=name,
                category=one.category,
                topic=one.topic,
                partition=one.partition,
                offset=one.position,
            )
        self._health.set_aside(name, self._set_aside)

    def _tell(self, what: str, record: Record) -> None:
        _log.error(
            what,
            projection=self._projection.name,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )

    async def _back_off(self, error: Exception) -> None:
        name = self._projection.name
        reason = str(error) if isinstance(error, InfrastructureError) else type(error).__name__
        self._health.enter(name, "retrying", reason)
        RETRIES.labels(name).inc()
        _log.warning("projection waits for a server", projection=name, reason=reason)
        await pause(self._stop, self._delay)
        self._delay = min(2 * self._delay, BACKOFF_SECONDS[1])

    def _failure(self, category: str) -> Failure:
        return Failure(category, self._projection.topic)

    async def _fail(self, failure: Failure, error: Exception | None = None) -> None:
        """Stores and tells why the projection stopped, and stands still until it is retried."""
        name = self._projection.name
        try:
            async with connect(self._settings.dsn, autocommit=True) as connection:
                await store_failure(connection, name, failure)
        except TROUBLE as trouble:
            _log.error("the reason could not be stored", projection=name, trouble=type(trouble))
        place = "" if failure.partition is None else f"-{failure.partition} at {failure.position}"
        _log.error(
            "projection stopped",
            projection=name,
            category=failure.category,
            topic=failure.topic,
            partition=failure.partition,
            offset=failure.position,
            sqlstate=getattr(error, "sqlstate", None),
        )
        reason = f"{failure.category} ({failure.topic}{place})"
        self._health.enter(name, "retrying", reason)
        await self._stand_still(reason)

    async def _stand_still(self, reason: str) -> None:
        """Waits until somebody says `dpp projections retry`, or the process ends."""
        self._places = {}
        while not self._stop.is_set():
            waiting = asyncio.create_task(self._called(reason))
            stopping = asyncio.create_task(self._stop.wait())
            done, rest = await asyncio.wait(
                {waiting, stopping}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            if waiting in done and waiting.exception() is None and waiting.result():
                break
            if waiting in done:
                self._health.enter(self._projection.name, "stopped", reason)
                await pause(self._stop, BACKOFF_SECONDS[0])
        self._health.enter(self._projection.name, "starting")

    async def _called(self, reason: str) -> bool:
        """True once a retry is asked for; False after a while of silence."""
        name = self._projection.name
        async with connect(self._settings.dsn, autocommit=True) as connection:
            await connection.execute(f"LISTEN {RETRY_CHANNEL}")
            # Only now: who sees it stopped may call at once, and shall be heard.
            self._health.enter(name, "stopped", reason)
            async for notice in connection.notifies(timeout=LISTEN_SECONDS):
                if notice.payload == name:
                    return True
        return False
