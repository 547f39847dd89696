"""One batch, one transaction: positions checked and moved, rows applied, listeners told.

Moving the positions comes first, because it locks them: a second runner that believes to own the
same projection waits there, then finds a position that it did not expect, and loses.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple, assert_never

from psycopg import sql

from infra.postgres import Connection
from projections.folds import changes as row_changes
from projections.folds import history
from projections.folds.changes import SUPERSEDED, Close, Fill, Upsert
from schemas.brussels import shift_months

CHANNEL: Final = "dpp_position"
"""One notification per batch: `projection topic partition:position ...`."""
MONTHS_LOCK: Final = 0x6470_706D
"""Key of the advisory lock under which a month is added ("dppm")."""


class Superseded(Exception):
    """Somebody else moved this projection: this runner is a zombie, and nothing was written."""


class SourcePlace(NamedTuple):
    """Which output of which submission: a stage writes them in rising order per partition."""

    offset: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Place:
    """How far a partition is applied, and the last stage output among it."""

    position: int
    source: SourcePlace | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's step from what the runner believes stored to what it wants stored."""

    partition: int
    expected: int
    to: Place


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a projection stands still, without a word of content."""

    category: str
    topic: str
    partition: int | None = None
    position: int | None = None
    event_type: str | None = None


async def load_places(
    connection: Connection, projection: str, topic: str, beginnings: Mapping[int, int]
) -> dict[int, Place]:
    """The stored place of every partition; one seen for the first time starts at its beginning."""
    await connection.execute(
        "INSERT INTO projection_position (projection, topic, partition, position)"
        " SELECT %s, %s, * FROM unnest(%s::int[], %s::bigint[]) ON CONFLICT DO NOTHING",
        (projection, topic, list(beginnings), list(beginnings.values())),
    )
    cursor = await connection.execute(
        "SELECT partition, position, source_offset, source_ordinal FROM projection_position"
        " WHERE projection = %s AND topic = %s",
        (projection, topic),
    )
    return {
        partition: Place(position, None if offset is None else SourcePlace(offset, ordinal))
        async for partition, position, offset, ordinal in cursor
    }


async def commit(
    connection: Connection,
    projection: str,
    topic: str,
    moves: Sequence[Move],
    apply: Callable[[Connection], Awaitable[None]],
) -> None:
    """Moves the positions, lets `apply` write the rows, and tells the listeners: all or nothing.

    Raises:
        Superseded: a stored position is not the expected one.
    """
    async with connection.transaction():
        await _move(connection, projection, topic, moves)
        await apply(connection)
        await connection.execute(
            "DELETE FROM projection_failure WHERE projection = %s", (projection,)
        )
        await connection.execute(
            "SELECT pg_notify(%s, %s)", (CHANNEL, notification(projection, topic, moves))
        )


def notification(projection: str, topic: str, moves: Iterable[Move]) -> str:
    """The payload that says how far a batch has brought which partitions."""
    return " ".join((projection, topic, *(f"{m.partition}:{m.to.position}" for m in moves)))


async def _move(connection: Connection, projection: str, topic: str, moves: Sequence[Move]) -> None:
    sources = [move.to.source for move in moves]
    cursor = await connection.execute(
        "UPDATE projection_position AS p SET position = m.position, moved_at = now(),"
        " source_offset = m.source_offset, source_ordinal = m.source_ordinal"
        " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[])"
        " AS m(partition, expected, position, source_offset, source_ordinal)"
        " WHERE p.projection = %s AND p.topic = %s"
        " AND p.partition = m.partition AND p.position = m.expected",
        (
            [move.partition for move in moves],
            [move.expected for move in moves],
            [move.to.position for move in moves],
            [None if source is None else source.offset for source in sources],
            [None if source is None else source.ordinal for source in sources],
            projection,
            topic,
        ),
    )
    if cursor.rowcount != len(moves):
        raise Superseded(
            f"Another runner moved the projection {projection} meanwhile: this one stops. Run one "
            "projections process only."
        )


async def store_failure(connection: Connection, projection: str, failure: Failure) -> None:
    """Keeps why a projection stopped; the first reason keeps its time if it is the same again."""
    await connection.execute(
        "INSERT INTO projection_failure AS f"
        " (projection, category, topic, partition, position, event_type)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (projection) DO UPDATE SET"
        " category = EXCLUDED.category, topic = EXCLUDED.topic, partition = EXCLUDED.partition,"
        " position = EXCLUDED.position, event_type = EXCLUDED.event_type, since = CASE"
        " WHEN (f.category, f.partition, f.position) IS NOT DISTINCT FROM"
        " (EXCLUDED.category, EXCLUDED.partition, EXCLUDED.position)"
        " THEN f.since ELSE EXCLUDED.since END",
        (
            projection,
            failure.category,
            failure.topic,
            failure.partition,
            failure.position,
            failure.event_type,
        ),
    )


async def apply_rows(
    connection: Connection,
    schema: str,
    primary_keys: Mapping[str, Sequence[str]],
    changes: Iterable[row_changes.Change],
) -> None:
    """Applies row changes in their order; neighbours of one shape travel together."""
    for statement, group in itertools.groupby(
        ((_statement(schema, primary_keys, change), _values(change)) for change in changes),
        key=lambda pair: pair[0],
    ):
        async with connection.cursor() as cursor:
            await cursor.executemany(statement, [values for _, values in group])


def _statement(
    schema: str, primary_keys: Mapping[str, Sequence[str]], change: row_changes.Change
) -> sql.Composed:
    table = sql.Identifier(schema, change.table)
    match change:
        case Upsert(row=row):
            key = primary_keys[change.table]
            return sql.SQL(
                "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}"
            ).format(
                table,
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
                sql.SQL(", ").join(map(sql.Identifier, key)),
                sql.SQL(", ").join(
                    sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
                    for name in row
                    if name not in key
                ),
            )
        case Fill(key=where, values=values):
            return _update(table, list(values), list(where))
        case Close(key=where, values=values):
            return _update(table, [SUPERSEDED, *values], list(where))
        case _:
            assert_never(change)


def _update(table: sql.Identifier, columns: list[str], where: list[str]) -> sql.Composed:
    return sql.SQL("UPDATE {} SET {} WHERE {} AND {} IS NULL").format(
        table,
        sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns),
        sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in where),
        sql.Identifier(SUPERSEDED),
    )


def _values(change: row_changes.Change) -> list[Any]:
    match change:
        case Upsert(row=row):
            return list(row.values())
        case Fill(key=where, values=values):
            return [*values.values(), *where.values()]
        case Close(key=where, position=position, values=values):
            return [position, *values.values(), *where.values()]
        case _:
            assert_never(change)


async def ensure_months(connection: Connection, months: Iterable[date]) -> None:
    """Adds the partitions of these months (first days) to the history, where they are missing.

    A table is made apart and attached, which readers do not notice; making it in place would lock
    them out for a moment.
    """
    for month in sorted(months):
        name = f"dispensation_{month:%Y_%m}"
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MONTHS_LOCK,))
            cursor = await connection.execute(
                "SELECT to_regclass(%s) IS NOT NULL", (f"{history.SCHEMA}.{name}",)
            )
            row = await cursor.fetchone()
            if row is not None and row[0]:
                continue
            parent = sql.Identifier(history.SCHEMA, "dispensation")
            table = sql.Identifier(history.SCHEMA, name)
            await connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING CONSTRAINTS)").format(table, parent)
            )
            await connection.execute(
                sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                    parent, table, sql.Literal(month), sql.Literal(shift_months(month, 1))
                )
            )
