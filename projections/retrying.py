"""Retrying what stood still or was left out: on command, without a restart of any process.

An event that was set aside may have been followed by others of the same line, so its partition is
folded again from there on; folds change nothing when they are applied again. The live version's
positions do not move, and its runners wait only for the end of it.
"""

from collections.abc import Mapping

from infra.kafka import Partition, Record, reader
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.batch import fold_batch
from projections.building import BATCH_RECORDS, POLL_SECONDS, before
from projections.copies import Copies
from projections.shells import Projection, Writer
from projections.store import (
    RETRY_CHANNEL,
    Failure,
    Target,
    load_places,
    set_aside_of,
    use_schema,
)
from projections.versions import hold_live, live_version


async def retry(connection: Connection, projection: str) -> None:
    """Tells the runners to try again where the projection stopped; harmless where it runs."""
    await connection.execute("SELECT pg_notify(%s, %s)", (RETRY_CHANNEL, projection))


async def retry_set_aside(settings: Settings, projection: Projection) -> list[Failure]:
    """Applies the events that were set aside, and answers those that still cannot be.

    Raises:
        VersionRefused: the projection was never run.
        BrokerUnavailable, DatabaseUnavailable, psycopg.Error: run it again.
    """
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        live = await live_version(connection, projection)
        aside = await set_aside_of(connection, live)
        if not aside:
            return []
        await use_schema(connection, live.schema)
        writer = projection.writer(connection)
        await writer.prepare()
        start = {
            one.partition: one.position
            for one in reversed(aside)
            if one.partition is not None and one.position is not None
        }
        again = _Again(projection, live, writer, {})
        start = await again.apply(settings, connection, start, await _reached(connection, live))
        async with connection.transaction():
            await hold_live(connection)
            await again.apply(settings, connection, start, await _reached(connection, live))
            return await again.settle(connection, aside)


async def _reached(connection: Connection, live: Target) -> dict[int, int]:
    return {one: at.position for one, at in (await load_places(connection, live)).items()}


class _Again:
    """A second application of what the live version has passed."""

    def __init__(
        self,
        projection: Projection,
        live: Target,
        writer: Writer,
        refused: dict[tuple[int, int], str],
    ) -> None:
        self._projection = projection
        self._live = live
        self._writer = writer
        self._refused = refused

    async def apply(
        self,
        settings: Settings,
        connection: Connection,
        start: Mapping[int, int],
        limits: Mapping[int, int],
    ) -> dict[int, int]:
        """Folds each partition from its start to its limit; answers the limits as next starts."""
        topic = self._live.topic
        left = {Partition(topic, one): at for one, at in start.items() if at < limits[one]}
        copies = {one: Copies() for one in start}
        if not left:
            return {one: limits[one] for one in start}
        async with reader(settings) as source:
            while left:
                if set(left) != set(source.assigned):
                    await source.assign(left)
                polled = before(
                    await source.poll(max_records=BATCH_RECORDS, timeout=POLL_SECONDS), limits
                )
                batch = await fold_batch(self._projection, copies, polled, self._leave)
                await self._writer.before(batch.changes)
                async with connection.transaction():
                    await self._writer.write(batch.changes)
                for one in batch.set_aside:
                    self._refused[one.partition or 0, one.position or 0] = one.category
                at = await source.positions()
                left = {one: at[one] for one in left if at[one] < limits[one.partition]}
        return {one: limits[one] for one in start}

    def _leave(self, record: Record, number: int) -> bool:
        del record, number
        return True

    async def settle(self, connection: Connection, aside: list[Failure]) -> list[Failure]:
        """Forgets the events that are applied now; answers the others."""
        rest = [one for one in aside if (one.partition, one.position) in self._refused]
        for one in aside:
            if one not in rest:
                await connection.execute(
                    "DELETE FROM projection_set_aside WHERE projection = %s AND version = %s"
                    " AND topic = %s AND partition = %s AND position = %s",
                    (
                        self._live.projection,
                        self._live.version,
                        one.topic,
                        one.partition,
                        one.position,
                    ),
                )
        await retry(connection, self._live.projection)
        return rest
