"""Follows the log: one task per projection, each batch one transaction with its position.

A projection that meets an event it cannot take over applies everything before it, stores why it
stopped, and stands still until a restart; the others go on. Trouble with a server is waited out:
what was not committed is read again from the stored position. One process runs a projection at a
time; a second one loses at its next commit and stops.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from infra.keys.kek import load_kek
from infra.keys.postgres import PostgresVault
from infra.migrations import Source, require_current
from infra.postgres import Connection, DatabaseUnavailable, connect, pool
from infra.settings import Settings
from projections.copies import Copies, source_place
from projections.health import BATCH_SECONDS, DROPPED, EVENTS, RETRIES, ROWS, ProjectionHealth
from projections.shells import (
    AccessLog,
    AccessState,
    Event,
    Folded,
    History,
    Projection,
    Quality,
    Unfoldable,
)
from projections.store import (
    Failure,
    Move,
    Place,
    SourcePlace,
    Superseded,
    commit,
    load_places,
    store_failure,
)
from schemas.envelope import EnvelopeFault, parse
from schemas.keyvault import KeyVault, VaultUnavailable

BATCH: Final = 2000
POLL_SECONDS: Final = 0.5
END_SECONDS: Final = 1.0
"""How often the end of the log is looked up, for the lag."""
BACKOFF_SECONDS: Final = (0.2, 5.0)
TROUBLE: Final = (
    DatabaseUnavailable,
    BrokerUnavailable,
    BrokerRefused,
    VaultUnavailable,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""What passes by itself, sooner or later."""
_log = structlog.get_logger(__name__)


class ProjectionsStopped(InfrastructureError):
    """Every projection of this process has stopped."""


class _Halt(Exception):
    """An event stopped the projection; everything before it is committed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.category)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class _Admitted:
    """Events of one poll that are new, in order, and the record that ended it, if one did."""

    events: list[Event]
    sources: list[SourcePlace | None]
    unreadable: tuple[Record, str] | None


def migrations(settings: Settings) -> Source:
    """Where the projections' SQL is, for `infra.migrations`."""
    return Source("projections", "sql", settings.dsn)


def standard(vault: KeyVault) -> tuple[Projection, ...]:
    """Every projection there is."""
    return (History(vault), AccessState(), AccessLog(), Quality())


async def run_projections(
    settings: Settings,
    *,
    stop: asyncio.Event,
    vault: KeyVault | None = None,
    health: ProjectionHealth | None = None,
    projections: Sequence[Projection] | None = None,
) -> None:
    """Runs all projections until `stop` is set.

    Raises:
        DatabaseUnavailable, MigrationRefused: at the start, with what to do.
        ProjectionsStopped: none is left running; the reasons are stored.
    """
    await require_current([migrations(settings)])
    shown = health or ProjectionHealth()
    async with AsyncExitStack() as stack:
        if projections is None:
            if vault is None:
                vault = await stack.enter_async_context(_open_vault(settings))
            projections = standard(vault)
        followers = [_Follower(settings, one, shown, stop) for one in projections]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run()) for one in followers]
    if not stop.is_set():
        reasons = "; ".join(task.result() or "ended" for task in tasks)
        raise ProjectionsStopped(f"No projection is running any more: {reasons}")


@asynccontextmanager
async def _open_vault(settings: Settings) -> AsyncIterator[KeyVault]:
    async with pool(settings.vault) as connections:
        yield PostgresVault(connections, load_kek(settings))


class _Follower:
    """One projection's life in this process."""

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
        self._copies: dict[int, Copies] = {}
        self._ends_due = 0.0
        health.enter(projection.name, "starting")

    async def run(self) -> str | None:
        """Follows until told to stop, or until it has to: then the answer says why."""
        while not self._stop.is_set():
            try:
                await self._follow()
            except TROUBLE as error:
                await self._back_off(error)
            except Superseded as error:
                return self._halted(str(error))
            except _Halt as halt:
                return await self._fail(halt.failure)
            except PositionLost:
                return await self._fail(self._failure("position_lost"))
            except psycopg.Error as error:
                return await self._fail(
                    self._failure(f"database_{type(error).__name__}".lower()), error
                )
            except Exception as error:  # noqa: BLE001 - no projection may take the others along
                return await self._fail(
                    self._failure(f"unexpected_{type(error).__name__}".lower()), error
                )
        return None

    async def _follow(self) -> None:
        projection = self._projection
        async with (
            connect(self._settings.dsn, autocommit=True) as connection,
            reader(self._settings) as source,
        ):
            await projection.prepare(connection)
            await self._begin(connection, source)
            self._health.enter(projection.name, "running")
            while not self._stop.is_set():
                polled = await source.poll(max_records=BATCH, timeout=POLL_SECONDS)
                started = time.perf_counter()
                if await self._apply(connection, polled, await source.positions()):
                    BATCH_SECONDS.labels(projection.name).observe(time.perf_counter() - started)
                    self._delay = BACKOFF_SECONDS[0]
                await self._look_at_ends(source)

    async def _begin(self, connection: Connection, source: PartitionReader) -> None:
        projection = self._projection
        partitions = await source.partitions(projection.topic)
        beginnings = await source.beginning_offsets(partitions)
        self._places = await load_places(
            connection,
            projection.name,
            projection.topic,
            {one.partition: offset for one, offset in beginnings.items()},
        )
        self._copies = {number: Copies(place.source) for number, place in self._places.items()}
        await source.assign({one: self._places[one.partition].position for one in partitions})
        for number, place in self._places.items():
            self._health.moved(projection.name, number, place.position)

    async def _apply(
        self,
        connection: Connection,
        polled: Mapping[Partition, Sequence[Record]],
        positions: Mapping[Partition, int],
    ) -> bool:
        """Folds and commits what was polled; False if nothing had moved.

        Raises:
            _Halt: after committing everything before an event that cannot be taken over.
        """
        admitted = self._admit(polled)
        folded = await self._projection.fold(admitted.events)
        ended = admitted.unreadable
        if folded.failure is not None:
            ended = (admitted.events[folded.events].record, folded.failure)
        moves = self._moves(polled, positions, admitted, ended)
        if moves:
            await self._commit(connection, folded, moves)
        if ended is not None:
            record, category = ended
            raise _Halt(self._failure(category, record))
        return bool(moves)

    def _admit(self, polled: Mapping[Partition, Sequence[Record]]) -> _Admitted:
        admitted = _Admitted([], [], None)
        for record in (record for records in polled.values() for record in records):
            try:
                event, source = self._open(record)
            except Unfoldable as error:
                return _Admitted(admitted.events, admitted.sources, (record, error.category))
            if event is not None:
                admitted.events.append(event)
                admitted.sources.append(source)
        return admitted

    def _open(self, record: Record) -> tuple[Event | None, SourcePlace | None]:
        """The event of a record, None for a copy of one that was passed."""
        envelope = parse(record.headers)
        if isinstance(envelope, EnvelopeFault):
            raise Unfoldable(f"envelope_{envelope.reason}")
        if not self._projection.from_stage:
            return Event(record, envelope), None
        source = source_place(envelope)
        if source is None:
            raise Unfoldable("source_place_missing")
        verdict = self._copies[record.partition].judge(source, record.key, record.value)
        if verdict == "new":
            return Event(record, envelope), source
        DROPPED.labels(self._projection.name, verdict).inc()
        if verdict == "copy_differs":
            _log.error(
                "a stage wrote another outcome for a submission that had one",
                projection=self._projection.name,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
            )
        return None, None

    def _moves(
        self,
        polled: Mapping[Partition, Sequence[Record]],
        positions: Mapping[Partition, int],
        admitted: _Admitted,
        ended: tuple[Record, str] | None,
    ) -> list[Move]:
        """The step of each partition: to the reader's position, or to the event that ended it."""
        sources = {
            event.record.partition: source
            for event, source in zip(admitted.events, admitted.sources, strict=True)
            if event.record.offset < _limit(event.record.partition, ended)
        }
        passed = _passed(polled, ended)
        moves = []
        for one, reached in positions.items():
            place = self._places[one.partition]
            if one in polled and one.partition not in passed:
                continue
            position = min(reached, _limit(one.partition, ended))
            if position != place.position:
                to = Place(position, sources.get(one.partition) or place.source)
                moves.append(Move(one.partition, place.position, to))
        return sorted(moves, key=lambda move: move.partition)

    async def _commit(self, connection: Connection, folded: Folded, moves: Sequence[Move]) -> None:
        projection = self._projection
        await projection.before(connection, folded)
        await commit(
            connection,
            projection.name,
            projection.topic,
            moves,
            lambda inside: projection.write(inside, folded),
        )
        for move in moves:
            self._places[move.partition] = move.to
            self._health.moved(projection.name, move.partition, move.to.position)
        EVENTS.labels(projection.name).inc(folded.events)
        ROWS.labels(projection.name).inc(len(folded.changes))
        DROPPED.labels(projection.name, "shredded").inc(folded.shredded)

    async def _look_at_ends(self, source: PartitionReader) -> None:
        if time.monotonic() < self._ends_due:
            return
        self._ends_due = time.monotonic() + END_SECONDS
        for one, end in (await source.end_offsets(source.assigned)).items():
            self._health.ends(self._projection.name, one.partition, end)

    async def _back_off(self, error: Exception) -> None:
        name = self._projection.name
        reason = str(error) if isinstance(error, InfrastructureError) else type(error).__name__
        self._health.enter(name, "retrying", reason)
        RETRIES.labels(name).inc()
        _log.warning("projection waits for a server", projection=name, reason=reason)
        try:
            async with asyncio.timeout(self._delay):
                await self._stop.wait()
        except TimeoutError:
            self._delay = min(2 * self._delay, BACKOFF_SECONDS[1])

    def _failure(self, category: str, record: Record | None = None) -> Failure:
        topic = self._projection.topic
        if record is None:
            return Failure(category, topic)
        envelope = parse(record.headers)
        kind = None if isinstance(envelope, EnvelopeFault) else envelope.type
        return Failure(category, topic, record.partition, record.offset, kind)

    async def _fail(self, failure: Failure, error: Exception | None = None) -> str:
        """Stores and tells why the projection stopped."""
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
        return self._halted(f"{failure.category} ({failure.topic}{place})")

    def _halted(self, reason: str) -> str:
        name = self._projection.name
        self._health.enter(name, "stopped", reason)
        return f"{name}: {reason}"


def _limit(partition: int, ended: tuple[Record, str] | None) -> int:
    """The offset before which a partition may be counted as applied."""
    if ended is None or ended[0].partition != partition:
        return 2**63 - 1
    return ended[0].offset


def _passed(
    polled: Mapping[Partition, Sequence[Record]], ended: tuple[Record, str] | None
) -> set[int]:
    """The polled partitions that were worked on: those after the one that ended are not."""
    passed = set()
    for one in polled:
        passed.add(one.partition)
        if ended is not None and ended[0].partition == one.partition:
            break
    return passed
