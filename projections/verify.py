"""Compares a live projection with what the log says: built anew by SQL, and folded in memory.

Everything is compared at the positions of one snapshot of the database, while runners go on. The
fold in memory shares no code with what writes to PostgreSQL, so a fault of either shows.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from psycopg import sql
from psycopg.rows import dict_row

from infra.errors import InfrastructureError
from infra.kafka import Partition, Record, reader
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.batch import MaySetAside, fold_batch
from projections.building import Pace, before, fill
from projections.comparing import Cut, Version, compare, difference, unlike_columns
from projections.content import RowDigests, TableContent, content_hash, table_content
from projections.copies import Copies
from projections.erasure import forget_erased
from projections.hashing import Difference, columns_of, stored_content
from projections.memory import Tables
from projections.shells import Projection
from projections.store import Target, kept_from, load_places, set_aside_of
from projections.versions import (
    VersionRefused,
    begin,
    building,
    drop,
    live_version,
)

BATCH_RECORDS: Final = 5000
CURSOR_ROWS: Final = 2000
MEMORY: Final = "memory"
REBUILT: Final = "rebuilt"
LIVE: Final = "live"


class NotFolded(InfrastructureError):
    """The log holds an event that the projection cannot take over and has not set aside."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the versions that are compared."""

    content: Mapping[str, TableContent]

    @property
    def digest(self) -> str:
        """Its content hash."""
        return content_hash(self.content)

    @property
    def rows(self) -> int:
        """Rows of all its tables."""
        return sum(one.rows for one in self.content.values())


@dataclass(slots=True)
class Verification:
    """What the comparison found, at `positions`; `public` is the hash for those without keys."""

    projection: str
    version: int
    positions: dict[int, int]
    live: Side
    public: str
    rebuilt: Side | None = None
    memory: Side | None = None
    differences: dict[str, Difference] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether all that was compared is the same."""
        sides = [one for one in (self.rebuilt, self.memory) if one is not None]
        return all(one.content == self.live.content for one in sides)


async def verify(
    settings: Settings, projection: Projection, *, rebuilt: bool = True, memory: bool = True
) -> Verification:
    """Compares the live version with one built anew, and with a fold in memory.

    Raises:
        VersionRefused: it was never run, or a rebuild is under way and `rebuilt` is wanted.
        NotFolded: an event of the log cannot be folded.
    """
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as snapshot:
        await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        live = await live_version(snapshot, projection)
        positions = {one: at.position for one, at in (await load_places(snapshot, live)).items()}
        aside = {(one.partition, one.position) for one in await set_aside_of(snapshot, live)}

        def may_set_aside(record: Record, _: int) -> bool:
            return (record.partition, record.offset) in aside

        stored = Side(await stored_content(snapshot, live.schema))
        public = await stored_content(snapshot, live.schema, projection.key_derived)
        found = Verification(projection.name, live.version, positions, stored, content_hash(public))
        if memory:
            tables = await _folded(settings, snapshot, projection, positions, may_set_aside)
            await _compare_memory(snapshot, live, projection, tables, found)
        if rebuilt:
            await _compare_rebuilt(
                settings, snapshot, live, projection, found, may_set_aside=may_set_aside
            )
        return found


async def _folded(
    settings: Settings,
    snapshot: Connection,
    projection: Projection,
    positions: Mapping[int, int],
    may_set_aside: MaySetAside,
) -> Tables:
    erased: dict[str, int] = {}
    if projection.forgets:
        cursor = await snapshot.execute("SELECT subject, generation FROM projection_erased")
        erased = dict(await cursor.fetchall())
    tables = Tables(projection.primary_keys, erased, await kept_from(snapshot, projection.name))
    copies = {number: Copies() for number in positions}
    async with reader(settings) as source:
        wanted = [Partition(projection.topic, number) for number in positions]
        begin_at = await source.beginning_offsets(wanted)
        left = {one: at for one, at in begin_at.items() if at < positions[one.partition]}
        while left:
            if set(left) != set(source.assigned):
                await source.assign(left)
            polled = before(await source.poll(max_records=BATCH_RECORDS), positions)
            batch = await fold_batch(projection, copies, polled, may_set_aside)
            if batch.ended is not None:
                record, category = batch.ended
                raise NotFolded(
                    f"{record.topic}-{record.partition} at {record.offset} cannot be folded "
                    f"({category}), and was not set aside."
                )
            tables.apply(batch.changes)
            reached = await source.positions()
            left = {one: reached[one] for one in left if reached[one] < positions[one.partition]}
    return tables


async def _compare_memory(
    snapshot: Connection,
    live: Target,
    projection: Projection,
    tables: Tables,
    found: Verification,
) -> None:
    content = {}
    for one in await columns_of(snapshot, live.schema):
        rows = tables.rows.get(one.table, {}).values()
        content[one.table] = table_content(map(RowDigests(one.types).of_row, rows))
    found.memory = Side(content)
    if content != found.live.content:
        first = await _first_unlike(snapshot, live, projection, tables)
        if first is not None:
            found.differences[MEMORY] = first


async def _first_unlike(
    snapshot: Connection, live: Target, projection: Projection, tables: Tables
) -> Difference | None:
    """The first by subject of the rows that the live version and the tables do not share."""
    unlike: list[Difference] = []
    for one in await columns_of(snapshot, live.schema):
        key = projection.primary_keys[one.table]
        expected = dict(tables.rows.get(one.table, {}))
        digests = RowDigests(one.types)
        async with snapshot.cursor(name="verify", row_factory=dict_row) as cursor:
            cursor.itersize = CURSOR_ROWS
            await cursor.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(live.schema, one.table))
            )
            async for row in cursor:
                wanted = expected.pop(tuple(row[name] for name in key), None)
                if wanted is None:
                    unlike.append(difference(one.table, key, row, (), MEMORY))
                elif columns := unlike_columns(row, wanted, one.types, digests):
                    unlike.append(difference(one.table, key, row, columns, None))
        unlike += [difference(one.table, key, row, (), LIVE) for row in expected.values()]
    return min(unlike, key=lambda one: (one.subject or "", one.table, str(one.key)), default=None)


async def _compare_rebuilt(
    settings: Settings,
    snapshot: Connection,
    live: Target,
    projection: Projection,
    found: Verification,
    *,
    may_set_aside: MaySetAside,
) -> None:
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        if await building(connection, projection) is not None:
            raise VersionRefused(
                f"The projection {projection.name} is being rebuilt: verify it when that is done, "
                "or drop that version."
            )
        async with reader(settings) as source:
            wanted = await source.partitions(projection.topic)
            first = await source.beginning_offsets(wanted)
        target = await begin(
            connection, projection, {one.partition: offset for one, offset in first.items()}
        )
        try:
            await fill(
                settings,
                projection,
                target,
                found.positions,
                stop=asyncio.Event(),
                pace=Pace(),
                may_set_aside=may_set_aside,
            )
            if projection.forgets:
                await forget_erased(connection, target.schema)
            found.rebuilt = Side(await stored_content(connection, target.schema))
            if found.rebuilt.content != found.live.content:
                compared = await compare(
                    Version(snapshot, live.schema, LIVE),
                    Version(connection, target.schema, REBUILT),
                    projection.primary_keys,
                    Cut(found.positions, found.positions),
                )
                if compared.told:
                    found.differences[REBUILT] = compared.told[0]
        finally:
            await drop(connection, projection, target.version)
