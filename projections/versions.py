"""Versions of a projection: begun beside the live one, switched to in one transaction, dropped.

The live version's tables are always in the schema that the code names, so queries and migrations
know one name. A switch renames schemas: readers that have begun a statement finish it on the tables
they found, whose content is the same up to that position; every later one finds the new tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg import sql
from psycopg.rows import class_row

from infra.errors import InfrastructureError
from infra.postgres import Connection
from projections.clones import clone_tables, copy_rows, make_tables
from projections.erasure import lock_positions
from projections.layouts import strangers
from projections.shells import Projection
from projections.store import BUILD, Target, load_places

State = Literal["live", "building", "kept"]
_SET: Final = "UPDATE projection_version SET {} WHERE projection = %s AND version = %s"


class VersionRefused(InfrastructureError):
    """The version is not there, or may not be touched; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a projection."""

    projection: str
    version: int
    state: State
    begun_at: datetime
    live_from: datetime | None
    live_until: datetime | None
    content_hash: str | None
    """As verified at the switch."""
    layout: int
    set_aside: int
    """Events that it left out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One partition of a version that is being built; all three are offsets."""

    partition: int
    beginning: int
    position: int
    mark: int


def schema_of(schema: str, version: int) -> str:
    """Where a version's tables are while it is not live."""
    return f"{schema}_b{version}"


async def versions(connection: Connection, projection: str | None = None) -> list[Version]:
    """All versions, of one projection or of all."""
    async with connection.cursor(row_factory=class_row(Version)) as cursor:
        await cursor.execute(
            "SELECT projection, version, state, begun_at, live_from, live_until, content_hash,"
            " layout,"
            " (SELECT count(*) FROM projection_set_aside AS a WHERE a.projection = v.projection"
            " AND a.version = v.version) AS set_aside FROM projection_version AS v"
            " WHERE %(one)s::text IS NULL OR projection = %(one)s ORDER BY projection, version",
            {"one": projection},
        )
        return await cursor.fetchall()


async def building(connection: Connection, projection: Projection) -> Target | None:
    """The version that is being built, if one is."""
    for one in await versions(connection, projection.name):
        if one.state == "building":
            return _built(projection, one.version)
    return None


async def begin(
    connection: Connection,
    projection: Projection,
    beginnings: Mapping[int, int],
    *,
    newest: bool = False,
) -> Target:
    """A new version with empty tables, its positions at the beginning of the log.

    Its columns are those of the live one, or with `newest` those of the last layout there is.
    """
    async with connection.transaction():
        target = await _made(connection, projection, "building", newest=newest)
        await connection.execute(
            "INSERT INTO projection_build_position"
            " (projection, topic, version, partition, position, beginning, mark)"
            " SELECT %s, %s, %s, b.partition, b.position, b.position,"
            " greatest(b.position, coalesce(p.position, 0))"
            " FROM unnest(%s::int[], %s::bigint[]) AS b(partition, position)"
            " LEFT JOIN projection_position AS p ON p.projection = %s AND p.topic = %s"
            " AND p.partition = b.partition",
            (
                target.projection,
                target.topic,
                target.version,
                list(beginnings),
                list(beginnings.values()),
                target.projection,
                target.topic,
            ),
        )
    return target


async def scratch(connection: Connection, projection: Projection) -> Target:
    """Empty tables for an audit, as a version that is never read, built on, or switched to.

    Being a version it can be dropped like others, and erasures and retention reach it meanwhile.
    """
    async with connection.transaction():
        return await _made(connection, projection, "kept")


async def _made(
    connection: Connection, projection: Projection, state: State, *, newest: bool = False
) -> Target:
    live = await live_layout(connection, projection)
    layout = projection.layouts.last if newest else live
    cursor = await connection.execute(
        "INSERT INTO projection_version (projection, version, state, layout)"
        " SELECT %(one)s, coalesce(max(version), 0) + 1, %(state)s, %(layout)s"
        " FROM projection_version WHERE projection = %(one)s RETURNING version",
        {"one": projection.name, "state": state, "layout": layout},
    )
    row = await cursor.fetchone()
    target = _built(projection, int(row[0]) if row else 1)
    if layout == live:
        await clone_tables(connection, projection.schema, target.schema)
    else:
        await make_tables(connection, target.schema, projection.layouts)
    return target


async def copy_live(connection: Connection, projection: Projection, target: Target) -> None:
    """Takes rows and positions of the live version over, as of one moment of the database."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await copy_rows(connection, projection.schema, target.schema)
        await connection.execute(
            "UPDATE projection_build_position AS b SET position = p.position,"
            " source_offset = p.source_offset, source_ordinal = p.source_ordinal"
            " FROM projection_position AS p WHERE b.projection = %s AND b.topic = %s"
            " AND p.projection = b.projection AND p.topic = b.topic AND p.partition = b.partition",
            (target.projection, target.topic),
        )


async def progress(connection: Connection, target: Target) -> list[Progress]:
    """How far the version that is being built has come."""
    async with connection.cursor(row_factory=class_row(Progress)) as cursor:
        await cursor.execute(
            "SELECT partition, beginning, position, mark FROM projection_build_position"
            " WHERE projection = %s AND topic = %s AND version = %s ORDER BY partition",
            (target.projection, target.topic, target.version),
        )
        return await cursor.fetchall()


async def hold_live(connection: Connection) -> None:
    """Holds the next commit of every live runner back until the caller's transaction ends."""
    await connection.execute("LOCK TABLE projection_position IN SHARE ROW EXCLUSIVE MODE")


async def live_layout(connection: Connection, projection: Projection) -> int:
    """The layout of the version that readers see; of one that was never run, the first."""
    found = await versions(connection, projection.name)
    return next((one.layout for one in found if one.state == "live"), 1)


async def layout_of(connection: Connection, target: Target) -> int:
    """The layout of a version."""
    found = await versions(connection, target.projection)
    return next(one.layout for one in found if one.version == target.version)


async def live_version(connection: Connection, projection: Projection) -> Target:
    """The version that readers see.

    Raises:
        VersionRefused: the projection was never run.
    """
    for one in await versions(connection, projection.name):
        if one.state == "live":
            return Target(projection.name, projection.topic, one.version, projection.schema)
    raise VersionRefused(
        f"The projection {projection.name} has no live version yet: start dpp run projections."
    )


async def switch(
    connection: Connection, projection: Projection, target: Target, content_hash: str
) -> None:
    """Makes the built version the live one, inside the caller's transaction.

    The caller holds the live positions (`hold_live`) and has brought the version to them.

    Raises:
        VersionRefused: it is not exactly where the live one is, or has a layout that somebody who
            is connected does not know.
    """
    await _require_known(connection, projection, await layout_of(connection, target))
    live = await live_version(connection, projection)
    former = live.version
    built = await load_places(connection, target)
    stored = await load_places(connection, live)
    if {one: at.position for one, at in stored.items()} != {
        one: at.position for one, at in built.items()
    }:
        raise VersionRefused(
            f"Version {target.version} of {target.projection} is not where the live one is: "
            "run dpp projections rebuild again."
        )
    for old, new in (
        (projection.schema, schema_of(projection.schema, former)),
        (target.schema, projection.schema),
    ):
        await connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
        )
    for version, change in (
        (former, "state = 'kept', live_until = now()"),
        (target.version, "state = 'live', live_from = now()"),
    ):
        await connection.execute(
            sql.SQL(_SET).format(sql.SQL(change)), (target.projection, version)
        )
    await connection.execute(
        "UPDATE projection_version SET content_hash = %s WHERE projection = %s AND version = %s",
        (content_hash, target.projection, target.version),
    )
    await connection.execute(
        "UPDATE projection_position AS p SET version = b.version, source_offset = b.source_offset,"
        " source_ordinal = b.source_ordinal FROM projection_build_position AS b"
        " WHERE p.projection = %s AND b.projection = p.projection AND b.topic = p.topic"
        " AND b.partition = p.partition",
        (target.projection,),
    )
    await connection.execute(
        "DELETE FROM projection_build_position WHERE projection = %s", (target.projection,)
    )


async def _require_known(connection: Connection, projection: Projection, layout: int) -> None:
    if layout == await live_layout(connection, projection):
        return
    number = await strangers(connection, projection.name, layout)
    if number:
        raise VersionRefused(
            f"{number} processes that read or follow {projection.name} run a release that does not "
            f"know its layout {layout}: end them or run a later release of them, then run dpp "
            "projections rebuild again."
        )


async def drop(connection: Connection, projection: Projection, version: int) -> None:
    """Takes a version that is not live away, with its rows.

    Raises:
        VersionRefused: there is no such version, or it is live.
    """
    async with connection.transaction():
        await lock_positions(connection)
        known = {one.version: one for one in await versions(connection, projection.name)}
        if version not in known or known[version].state == "live":
            what = "is live" if version in known else "does not exist"
            raise VersionRefused(
                f"Version {version} of {projection.name} {what}: dpp projections status lists "
                "those that can be dropped."
            )
        schema = schema_of(projection.schema, version)
        await connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        )
        if known[version].state == "building":
            await connection.execute(
                "DELETE FROM projection_build_position WHERE projection = %s", (projection.name,)
            )
        for table in ("projection_set_aside", "projection_version"):
            await connection.execute(
                sql.SQL("DELETE FROM {} WHERE projection = %s AND version = %s").format(
                    sql.Identifier(table)
                ),
                (projection.name, version),
            )


def _built(projection: Projection, version: int) -> Target:
    schema = schema_of(projection.schema, version)
    return Target(projection.name, projection.topic, version, schema, BUILD)
