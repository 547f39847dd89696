"""Silence as of now: the publishers' table and the projection, brought together."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from infra.errors import InfrastructureError
from infra.kafka import PartitionReader, reader
from infra.postgres import Connection, Pool, pool
from infra.settings import Settings
from projections import quality_overview, queries, silence
from projections.broadcast import BroadcastTables
from projections.folds.publishers import PublisherEntry
from projections.positions import PositionTimeout, PositionWaiter
from projections.silence import Silent
from schemas.topics import DISPENSATION_RECEIPTS, DISPENSATION_SUBMITTED

PROJECTION: Final = "quality"
CATCH_UP_SECONDS: Final = 15.0


class Publishers(Protocol):
    """The broadcast tables, as far as silence needs them."""

    def publishers(self) -> dict[str, PublisherEntry]:
        """Every publisher by id, as of now."""
        ...


class Stale(InfrastructureError):
    """The projection is not where the log is, so that nobody can say who is silent."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Who is silent among how many that should be heard, as of a time."""

    at: datetime
    expected: int
    silent: tuple[Silent, ...]
    undecided: int = 0
    """Submissions that have no receipt yet: as long as there are many, silence may be ours."""


async def ask(settings: Settings, *, days: int, at: datetime) -> Silence:
    """The same from outside, once the projection has caught up with the log.

    Raises:
        InfrastructureError: a server does not answer, or the projection is `Stale`.
    """
    office = settings.office_keys
    async with pool(settings.dsn, maximum=2) as connections, reader(settings) as log:
        await require_current(settings, log, connections)
        tables = BroadcastTables(settings, office)
        await tables.start()
        try:
            async with connections.connection() as connection:
                found = await find(tables, connection, days=days, at=at)
                return replace(found, undecided=await _undecided(log, connection))
        finally:
            await tables.stop()


async def find(tables: Publishers, connection: Connection, *, days: int, at: datetime) -> Silence:
    """Pharmacies under contract that have been silent for `days` whole days or longer."""
    since = silence.expected(tables.publishers(), at)
    heard = await quality_overview.heard(connection, since)
    return Silence(at, len(since), silence.silent(since, heard, days=days, at=at))


async def require_current(settings: Settings, log: PartitionReader, connections: Pool) -> None:
    """Returns once the projection has every receipt that the log had at the call.

    Raises:
        Stale: it stands still, or did not get there in time.
    """
    async with connections.connection() as connection:
        failure = await queries.failure(connection, projection=PROJECTION)
    if failure is not None:
        raise Stale(
            f"The projection {PROJECTION} stands still ({failure.category}), so silence cannot be "
            "told from it: see its part's /readyz."
        )
    topic = DISPENSATION_RECEIPTS.name
    ends = await log.end_offsets(await log.partitions(topic))
    try:
        async with PositionWaiter(settings.dsn, connections) as waiter:
            for one, end in ends.items():
                await waiter.wait(PROJECTION, topic, one.partition, end, CATCH_UP_SECONDS)
    except PositionTimeout:
        raise Stale(
            f"The projection {PROJECTION} is behind the log, so silence cannot be told from it: "
            "run dpp run projections and ask again."
        ) from None


async def _undecided(log: PartitionReader, connection: Connection) -> int:
    cursor = await connection.execute(
        "SELECT partition, source_offset FROM projection_position"
        " WHERE projection = %s AND topic = %s AND source_offset IS NOT NULL",
        (PROJECTION, DISPENSATION_RECEIPTS.name),
    )
    decided = {partition: offset + 1 async for partition, offset in cursor}
    ends = await log.end_offsets(await log.partitions(DISPENSATION_SUBMITTED.name))
    return sum(max(0, end - decided.get(one.partition, 0)) for one, end in ends.items())
