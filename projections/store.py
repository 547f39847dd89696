"""One batch, one transaction: positions checked and moved, rows applied, listeners told.

Moving the positions comes first, because it locks them: a second runner that believes to own the
same partition waits there, then finds a position that it did not expect, and loses. The position
names the version that it accounts for, so a runner that writes for another one loses as well.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, NamedTuple

from psycopg import sql

from infra.postgres import Connection

CHANNEL: Final = "dpp_position"
"""One notification per batch: `projection topic partition:position ...`."""
RETRY_CHANNEL: Final = "dpp_projection_retry"
"""Tells runners that a stopped projection shall try again; the payload is its name."""
LIVE: Final = "projection_position"
BUILD: Final = "projection_build_position"


class Superseded(Exception):
    """Somebody else moved this projection: this runner is a zombie, and nothing was written."""


class VersionChanged(Superseded):
    """Another version of the projection went live: follow that one."""


class SourcePlace(NamedTuple):
    """Which output of which submission: a stage writes them in rising order per partition."""

    offset: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Target:
    """The version that a runner writes: its number, its schema, and the table of its positions."""

    projection: str
    topic: str
    version: int
    schema: str
    positions: Literal["projection_position", "projection_build_position"] = LIVE

    @property
    def live(self) -> bool:
        """Whether readers see it."""
        return self.positions == LIVE


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
    """Why a projection stands still or left an event out, without a word of content."""

    category: str
    topic: str
    partition: int | None = None
    position: int | None = None
    event_type: str | None = None


async def live_target(
    connection: Connection, projection: str, topic: str, schema: str, beginnings: Mapping[int, int]
) -> Target:
    """The version that is live; a projection that was never run before begins with its first.

    Partitions that are seen for the first time start at their beginning.
    """
    await connection.execute(
        "INSERT INTO projection_version (projection, version, state, live_from)"
        " VALUES (%s, 1, 'live', now()) ON CONFLICT DO NOTHING",
        (projection,),
    )
    cursor = await connection.execute(
        "SELECT version FROM projection_version WHERE projection = %s AND state = 'live'",
        (projection,),
    )
    row = await cursor.fetchone()
    version = 1 if row is None else int(row[0])
    await connection.execute(
        "INSERT INTO projection_position (projection, topic, version, partition, position)"
        " SELECT %s, %s, %s, * FROM unnest(%s::int[], %s::bigint[]) ON CONFLICT DO NOTHING",
        (projection, topic, version, list(beginnings), list(beginnings.values())),
    )
    return Target(projection, topic, version, schema)


async def load_places(connection: Connection, target: Target) -> dict[int, Place]:
    """The stored place of every partition of a version."""
    cursor = await connection.execute(
        sql.SQL(
            "SELECT partition, position, source_offset, source_ordinal FROM {}"
            " WHERE projection = %s AND topic = %s AND version = %s ORDER BY partition"
        ).format(sql.Identifier(target.positions)),
        (target.projection, target.topic, target.version),
    )
    return {
        partition: Place(position, None if offset is None else SourcePlace(offset, ordinal))
        async for partition, position, offset, ordinal in cursor
    }


async def kept_from(connection: Connection, projection: str) -> date | None:
    """The first Belgian day that a projection keeps; None if no day has left it."""
    cursor = await connection.execute(
        "SELECT first_day FROM projection_kept_from WHERE projection = %s", (projection,)
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def schemas_of(connection: Connection, projection: str) -> list[str]:
    """The schemas of all versions of a projection: live, former, and being filled."""
    cursor = await connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname ~ %s ORDER BY 1",
        (rf"^{projection}_v[0-9]+(_b[0-9]+)?$",),
    )
    return [schema for (schema,) in await cursor.fetchall()]


async def use_schema(connection: Connection, schema: str) -> None:
    """Lets the statements of this connection mean the tables of this version."""
    await connection.execute(
        sql.SQL("SET search_path TO {}, public").format(sql.Identifier(schema))
    )


async def commit(
    connection: Connection,
    target: Target,
    moves: Sequence[Move],
    apply: Callable[[Connection], Awaitable[None]],
    set_aside: Sequence[Failure] = (),
) -> None:
    """Moves the positions, lets `apply` write the rows, and tells the listeners: all or nothing.

    A version that is being built is quiet: nobody is told.

    Raises:
        Superseded: a stored position, or the version, is not the expected one.
    """
    async with connection.transaction():
        await _move(connection, target, moves)
        await apply(connection)
        await _set_aside(connection, target, set_aside)
        if target.live:
            # The reason goes once the projection moves again; almost always there is none.
            await connection.execute(
                "WITH recovered AS (DELETE FROM projection_failure WHERE projection = %s)"
                " SELECT pg_notify(%s, %s)",
                (target.projection, CHANNEL, notification(target, moves)),
            )


def notification(target: Target, moves: Iterable[Move]) -> str:
    """The payload that says how far a batch has brought which partitions."""
    steps = (f"{move.partition}:{move.to.position}" for move in moves)
    return " ".join((target.projection, target.topic, *steps))


async def _move(connection: Connection, target: Target, moves: Sequence[Move]) -> None:
    sources = [move.to.source for move in moves]
    cursor = await connection.execute(
        sql.SQL(
            "UPDATE {} AS p SET position = m.position, moved_at = now(),"
            " source_offset = m.source_offset, source_ordinal = m.source_ordinal"
            " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::int[])"
            " AS m(partition, expected, position, source_offset, source_ordinal)"
            " WHERE p.projection = %s AND p.topic = %s AND p.version = %s"
            " AND p.partition = m.partition AND p.position = m.expected"
        ).format(sql.Identifier(target.positions)),
        (
            [move.partition for move in moves],
            [move.expected for move in moves],
            [move.to.position for move in moves],
            [None if source is None else source.offset for source in sources],
            [None if source is None else source.ordinal for source in sources],
            target.projection,
            target.topic,
            target.version,
        ),
    )
    if cursor.rowcount != len(moves):
        raise await _superseded(connection, target)


async def _superseded(connection: Connection, target: Target) -> Superseded:
    cursor = await connection.execute(
        "SELECT version FROM projection_version WHERE projection = %s AND state = 'live'",
        (target.projection,),
    )
    row = await cursor.fetchone()
    if row is not None and target.live and row[0] != target.version:
        return VersionChanged(f"version {row[0]} of {target.projection} is live")
    return Superseded(
        f"Another runner moved the projection {target.projection} meanwhile: this one wrote "
        "nothing, and stops."
    )


async def _set_aside(connection: Connection, target: Target, events: Sequence[Failure]) -> None:
    if not events:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO projection_set_aside"
            " (projection, version, topic, partition, position, category, event_type)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (
                    target.projection,
                    target.version,
                    one.topic,
                    one.partition,
                    one.position,
                    one.category,
                    one.event_type,
                )
                for one in events
            ],
        )


async def set_aside_of(connection: Connection, target: Target) -> list[Failure]:
    """The events that a version has left out and not yet applied, in their order."""
    cursor = await connection.execute(
        "SELECT category, topic, partition, position, event_type FROM projection_set_aside"
        " WHERE projection = %s AND version = %s AND topic = %s ORDER BY partition, position",
        (target.projection, target.version, target.topic),
    )
    return [Failure(*row) for row in await cursor.fetchall()]


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
