"""Fills a version that is being built, up to given positions and not one record further."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from infra.kafka import Partition, Record, reader
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.batch import Batch, MaySetAside, failure_of, fold_batch, moves, strict
from projections.copies import Copies
from projections.landing import Landing
from projections.shells import Projection, Writer
from projections.store import Failure, Move, Target, commit, load_places, use_schema

BATCH_RECORDS: Final = 5000
POLL_SECONDS: Final = 0.5


class Pace:
    """At most so many events a second, shared by who fills at the same time."""

    def __init__(self, events_per_second: float | None = None) -> None:
        self._rate = events_per_second
        self._free_at = 0.0

    async def spend(self, events: int) -> None:
        """Waits until the events before these have had their time."""
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + events / self._rate
        await asyncio.sleep(self._free_at - now)


async def fill(
    settings: Settings,
    projection: Projection,
    target: Target,
    limits: Mapping[int, int],
    *,
    stop: asyncio.Event,
    pace: Pace,
    may_set_aside: MaySetAside = strict,
) -> Failure | None:
    """Applies each partition from its stored position up to its limit, batch by batch.

    It may be stopped between batches, and goes on another time from where it was. Answers the
    event that it cannot take over, after everything before it.

    Raises:
        Superseded: somebody else fills the same version.
        BrokerUnavailable, DatabaseUnavailable, psycopg.Error: the last batch was not applied.
    """
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        places = {
            number: place
            for number, place in (await load_places(connection, target)).items()
            if place.position < limits.get(number, 0)
        }
        if not places:
            return None
        await use_schema(connection, target.schema)
        writer = projection.writer(connection, fresh=True)
        await writer.prepare()
        copies = {number: Copies(place.source) for number, place in places.items()}
        async with reader(settings) as source, Landing() as landing:
            await source.assign(
                {Partition(target.topic, one): place.position for one, place in places.items()}
            )
            while places and not stop.is_set():
                polled = before(
                    await source.poll(max_records=BATCH_RECORDS, timeout=POLL_SECONDS), limits
                )
                positions = {
                    one: min(position, limits[one.partition])
                    for one, position in (await source.positions()).items()
                }
                batch = await fold_batch(projection, copies, polled, may_set_aside)
                steps = moves(batch, polled, positions, places)
                if steps:
                    await landing.begin(_land(connection, target, writer, batch, steps))
                    places |= {move.partition: move.to for move in steps}
                    await pace.spend(batch.events)
                if batch.ended is not None:
                    await landing.done()
                    return failure_of(*batch.ended)
                reached = [one for one in places if places[one].position >= limits[one]]
                places = {one: at for one, at in places.items() if one not in reached}
                if reached and places:
                    await source.assign(
                        {Partition(target.topic, one): at.position for one, at in places.items()}
                    )
            await landing.done()
    return None


async def _land(
    connection: Connection, target: Target, writer: Writer, batch: Batch, steps: Sequence[Move]
) -> None:
    await writer.before(batch.changes)
    await commit(connection, target, steps, lambda _: writer.write(batch.changes), batch.set_aside)


def before(
    polled: Mapping[Partition, Sequence[Record]], limits: Mapping[int, int]
) -> dict[Partition, list[Record]]:
    """What lies before the limits of the partitions."""
    return {
        one: [record for record in records if record.offset < limits[one.partition]]
        for one, records in polled.items()
    }
