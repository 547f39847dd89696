"""Tables of a version to be built: those of the live one, without rows and without read indexes.

Taken from the catalogue, so that a version always has the shape that the migrations gave the live
one; only another layout (`projections.layouts`) brings its own. Indexes that serve reads only are
made when the rows are in.
"""

import re
from typing import Final

from psycopg import sql

from infra.postgres import Connection
from projections.layouts import Layouts

_TABLES: Final = """
SELECT c.relname, pg_get_partkeydef(c.oid) FROM pg_class AS c
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1
"""
_KEYS: Final = """
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
WHERE k.connamespace = %s::regnamespace AND k.contype IN ('p', 'u') AND NOT c.relispartition
ORDER BY 1, 2
"""
_CHILDREN: Final = """
SELECT p.relname, c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS p ON p.oid = i.inhparent
WHERE p.relnamespace = %s::regnamespace AND c.relispartition AND c.relkind = 'r' ORDER BY 1, 2
"""
_INDEXES: Final = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace = %s::regnamespace AND NOT c.relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
ORDER BY 1, 2
"""
_PRIMARY: Final = """
SELECT c.relname, array_agg(a.attname ORDER BY array_position(k.conkey, a.attnum))
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
WHERE c.relnamespace = %s::regnamespace AND k.contype = 'p' AND NOT c.relispartition
GROUP BY 1
"""
_ON: Final = re.compile(r"^(CREATE (?:UNIQUE )?INDEX \S+) ON (?:ONLY )?\S+ ")


async def clone_tables(connection: Connection, live: str, made: str) -> None:
    """Makes the schema and its empty tables with their primary keys and checks."""
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(made)))
    for table, partitioning in await (await connection.execute(_TABLES, (live,))).fetchall():
        by = sql.SQL(f" PARTITION BY {partitioning}" if partitioning else "")
        await connection.execute(
            sql.SQL(
                "CREATE TABLE {} (LIKE {} INCLUDING CONSTRAINTS INCLUDING DEFAULTS"
                " INCLUDING GENERATED INCLUDING STORAGE){}"
            ).format(sql.Identifier(made, table), sql.Identifier(live, table), by)
        )
    for table, name, definition in await (await connection.execute(_KEYS, (live,))).fetchall():
        await connection.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                sql.Identifier(made, table), sql.Identifier(name), sql.SQL(definition)
            )
        )


async def make_tables(connection: Connection, made: str, layouts: Layouts) -> None:
    """Makes the schema and the empty tables of a layout of its own."""
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(made)))
    await _inside(connection, made, layouts.tables)


async def make_indexes(connection: Connection, made: str, layouts: Layouts) -> None:
    """Makes the indexes that serve reads of a layout of its own; those that exist stay."""
    async with connection.transaction():
        await _inside(connection, made, layouts.indexes)


async def _inside(connection: Connection, schema: str, statements: sql.SQL | None) -> None:
    if statements is not None:
        await connection.execute(
            sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema))
        )
        await connection.execute(statements)
        await connection.execute("SET LOCAL search_path TO DEFAULT")


async def copy_rows(connection: Connection, live: str, made: str) -> None:
    """Copies every row, into the same partitions."""
    for table, child, bound in await (await connection.execute(_CHILDREN, (live,))).fetchall():
        await connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} {}").format(
                sql.Identifier(made, child), sql.Identifier(made, table), sql.SQL(bound)
            )
        )
    for table, _ in await (await connection.execute(_TABLES, (live,))).fetchall():
        await connection.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
                sql.Identifier(made, table), sql.Identifier(live, table)
            )
        )


async def clone_indexes(connection: Connection, live: str, made: str) -> None:
    """Makes the indexes that the live version has besides; those that exist stay."""
    existing = {_ON.sub(r"\1 ", one) for _, one in await _indexes(connection, made)}
    for table, definition in await _indexes(connection, live):
        if _ON.sub(r"\1 ", definition) not in existing:
            on = sql.Identifier(made, table).as_string(connection)
            await connection.execute(sql.SQL(_ON.sub(rf"\1 ON {on} ", definition)))


async def _indexes(connection: Connection, schema: str) -> list[tuple[str, str]]:
    found = await (await connection.execute(_INDEXES, (schema,))).fetchall()
    return [(table, definition) for table, definition in found]


async def primary_keys(connection: Connection, schema: str) -> dict[str, list[str]]:
    """The primary key of every table of a version."""
    found = await (await connection.execute(_PRIMARY, (schema,))).fetchall()
    return {table: list(names) for table, names in found}
