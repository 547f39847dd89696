"""Takes the rows of an erased subject out of every projection and version, for good.

Whoever destroys a subject's secret calls this with the generation that ended. Later generations of
the same subject are somebody who came back, and stay. The access log keeps its rows: their sealed
parts cannot be read any more. So does what the surveillance of use counts, until its days leave.
Source: DESIGN section 4.2.
"""

from collections.abc import Mapping
from typing import Final

from psycopg import sql

from infra.postgres import Connection
from projections.store import schemas_of

KEPT: Final = ("access_log", "erasures", "surveillance")
"""Projections that outlive an erasure."""
_TABLES: Final = """
SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname ~ '^[a-z_]+_v[0-9]+(_b[0-9]+)?$' AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition
    AND EXISTS (SELECT FROM projection_version AS v
        WHERE v.projection <> ALL (%s) AND n.nspname LIKE v.projection || '\\_v%%')
    AND 2 = (SELECT count(*) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname IN ('subject', 'generation'))
ORDER BY 1, 2
"""
_COUNTED: Final = "consumption"
"""The projection that counts lines and names no subject."""
_TABLES_OF: Final = """
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND 2 = (SELECT count(*) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname IN ('subject', 'generation'))
"""


async def erase(connection: Connection, subject: str, generation: int) -> int:
    """Removes the subject's rows of generations up to this one; answers how many there were.

    Runners wait meanwhile, so that no batch under way can bring a row back. Doing it again changes
    nothing.
    """
    removed = 0
    async with connection.transaction():
        await lock_positions(connection)
        await connection.execute(
            "INSERT INTO projection_erased AS e (subject, generation) VALUES (%s, %s)"
            " ON CONFLICT (subject) DO UPDATE"
            " SET generation = greatest(e.generation, EXCLUDED.generation)",
            (subject, generation),
        )
        removed += await _uncount(connection, subject, generation)
        cursor = await connection.execute(_TABLES, (list(KEPT),))
        for schema, table in await cursor.fetchall():
            done = await connection.execute(
                sql.SQL("DELETE FROM {} WHERE subject = %s AND generation <= %s").format(
                    sql.Identifier(schema, table)
                ),
                (subject, generation),
            )
            removed += done.rowcount
    return removed


async def _uncount(connection: Connection, subject: str, generation: int) -> int:
    """Takes the lines out that are counted without naming the subject, while they can be told."""
    removed = 0
    for schema in await schemas_of(connection, _COUNTED):
        done = await connection.execute(
            sql.SQL(
                "DELETE FROM {} AS c USING history_v1.dispensation AS h"
                " WHERE h.subject = %s AND h.generation <= %s"
                " AND (h.pharmacy, h.dguid, h.version) = (c.pharmacy, c.dguid, c.version)"
            ).format(sql.Identifier(schema, "line")),
            (subject, generation),
        )
        removed += done.rowcount
    return removed


async def rows_left(connection: Connection, subject: str, generation: int) -> int:
    """Rows that `erase` would still remove: none once an erasure was carried out."""
    left = 0
    cursor = await connection.execute(_TABLES, (list(KEPT),))
    for schema, table in await cursor.fetchall():
        counted = await connection.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE subject = %s AND generation <= %s").format(
                sql.Identifier(schema, table)
            ),
            (subject, generation),
        )
        row = await counted.fetchone()
        left += row[0] if row else 0
    return left


async def forget_erased(
    connection: Connection, schema: str, erased: Mapping[str, int] | None = None
) -> None:
    """Takes every row of an erased generation out of a version that was filled without looking.

    `erased` is the last erased generation of each subject, if not what was carried out here.
    """
    source = sql.SQL("projection_erased")
    values: tuple[list[str], list[int]] | None = None
    if erased is not None:
        source = sql.SQL("unnest(%s::text[], %s::int[])")
        values = list(erased), list(erased.values())
    tables = await connection.execute(_TABLES_OF, (schema,))
    for (table,) in await tables.fetchall():
        await connection.execute(
            sql.SQL(
                "DELETE FROM {} AS t USING {} AS e(subject, generation)"
                " WHERE t.subject = e.subject AND t.generation <= e.generation"
            ).format(sql.Identifier(schema, table), source),
            values,
        )


async def lock_positions(connection: Connection) -> None:
    """Holds every runner's next commit back until the end of the caller's transaction."""
    await connection.execute(
        "LOCK TABLE projection_position, projection_build_position IN SHARE ROW EXCLUSIVE MODE"
    )
