"""Every migration runs on filled tables, keeps their rows, and holds none of them up for long.

What a migration did is asked in its own transaction before it is committed: the locks that it holds
on tables that were there, whether they were written anew, and how many of their rows were read.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql

from infra.migrations import RECORD, files
from infra.postgres import Connection, connect

pytestmark = pytest.mark.integration

ROWS: Final = 50
LONG_LOCKS: Final = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
"""Those that keep writers or readers out."""
BEFORE_THE_FIRST_RELEASE: Final = frozenset(
    {
        "0006_quality_v1_findings.sql",
        "0012_set_aside_by_version.sql",
        "0020_history_returns.sql",
        "0021_history_returns_index.sql",
        "0061_access_log_by_time.sql",
    }
)
"""These read tables under lock; no installation had rows when they were written. No more of them:
add a table or a nullable column, constrain NOT VALID, or let a rebuild make the new shape."""
FILLED: Final = frozenset(
    {
        "projection_position",
        "history_v1.dispensation_2026_03",
        "product_recall_v1.line",
        "quality_v1.receipt",
        "quality_v1.finding",
        "access_log_v1.decision",
        "access_state_v1.consent",
        "access_state_v1.link",
    }
)
"""These at least have rows when a migration is tried."""
_FORM: Final = {
    "text": "'t' || n",
    "int2": "1",
    "int4": "n",
    "int8": "n",
    "bool": "true",
    "date": "date '2026-03-01'",
    "timestamptz": "now()",
    "bytea": "convert_to('{\"issues\": [], \"lines\": []}', 'UTF8')",
    "_text": "'{}'",
    "_int2": "'{}'",
    "_int4": "'{}'",
    "_int8": "'{}'",
    "json": "'{}'",
    "jsonb": "'{}'",
    "numeric": "n",
    "float8": "n",
    "uuid": "gen_random_uuid()",
}
_ONE_OF: Final = {"status": "'registered'", "state": "'kept'", "version": "n"}
_TABLES: Final[LiteralString] = """
SELECT c.oid::regclass::text, c.oid, c.relfilenode, c.relkind = 'p' FROM pg_class AS c
JOIN pg_namespace AS s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND s.nspname !~ '^(pg_|information_schema)' ORDER BY 1
"""
_DONE: Final[LiteralString] = """
SELECT c.oid, c.relfilenode, coalesce(x.seq_tup_read, 0),
    array(SELECT mode FROM pg_locks WHERE relation = c.oid AND pid = pg_backend_pid() AND granted)
FROM pg_class AS c LEFT JOIN pg_stat_xact_all_tables AS x ON x.relid = c.oid
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was there before."""

    name: str
    oid: int
    file: int
    rows: int


async def _fill(connection: Connection) -> list[Table]:
    """Puts rows into every table that has none, and tells what there is."""
    found = []
    for name, oid, file, partitioned in await (await connection.execute(_TABLES)).fetchall():
        if name == "history_v1.dispensation":
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS history_v1.dispensation_2026_03 PARTITION OF"
                " history_v1.dispensation FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
            )
        if await _count(connection, name) == 0:
            # What has conditions of its own on its rows is filled by an entry in `_ONE_OF`.
            with suppress(psycopg.errors.IntegrityError):
                await connection.execute(await _filling(connection, name, oid))
        if not partitioned:
            found.append(Table(name, oid, file, await _count(connection, name)))
    return [one for one in found if one.rows]


async def _count(connection: Connection, name: str) -> int:
    cursor = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_named(name)))
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


def _named(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))


async def _filling(connection: Connection, name: str, oid: int) -> sql.Composed:
    cursor = await connection.execute(
        "SELECT attname, typname FROM pg_attribute JOIN pg_type AS t ON t.oid = atttypid"
        " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        (oid,),
    )
    columns: dict[str, str] = dict(await cursor.fetchall())
    values = [_ONE_OF.get(column) or _FORM[kind] for column, kind in columns.items()]
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, {}) AS n").format(
        _named(name),
        sql.SQL(", ").join(sql.Identifier(column) for column in columns),
        sql.SQL(", ").join(sql.SQL(one) for one in values),
        ROWS,
    )


async def _held_up(connection: Connection, migration: bytes) -> list[str]:
    """Runs a migration, and names the filled tables that it read or rewrote while it held them."""
    before = await _fill(connection)
    async with connection.transaction():
        read = {oid: count for oid, _, count, _ in await _looked(connection)}
        await connection.execute(migration)
        done = {
            oid: (file, count - read.get(oid, 0), locks)
            for oid, file, count, locks in await _looked(connection)
        }
    held = list(_held(before, done))
    for one in before:
        if one.oid in done:
            assert await _count(connection, one.name) == one.rows, one.name
    return held


async def _looked(connection: Connection) -> list[tuple[Any, ...]]:
    return await (await connection.execute(_DONE)).fetchall()


def _held(before: list[Table], done: dict[int, tuple[Any, ...]]) -> Iterator[str]:
    for one in before:
        file, read, locks = done.get(one.oid, (one.file, 0, ()))
        if (file != one.file or read >= one.rows) and any(lock in LONG_LOCKS for lock in locks):
            yield one.name


async def test_each_migration_runs_on_filled_tables_and_holds_none_of_them_long(
    fresh_database: str,
) -> None:
    async with connect(fresh_database, autocommit=True) as connection:
        await connection.execute(sql.SQL(RECORD).format(sql.Identifier("schema_migration")))
        found = {
            one.name: held
            for one in files("projections", "sql")
            if (held := await _held_up(connection, one.content))
        }
        filled = {one.name for one in await _fill(connection)}
    assert {*found} == BEFORE_THE_FIRST_RELEASE, found
    assert filled >= FILLED


QUICK: Final = (
    "ALTER TABLE filled ADD COLUMN more text",
    "ALTER TABLE filled ADD COLUMN more int NOT NULL DEFAULT 1",
    "ALTER TABLE filled ADD CONSTRAINT positive CHECK (number > 0) NOT VALID",
    "CREATE TABLE another (number int); INSERT INTO another SELECT number FROM filled",
    "ALTER TABLE filled DROP COLUMN told",
)
LONG: Final = (
    "CREATE INDEX by_number ON filled (number)",
    "ALTER TABLE filled ALTER COLUMN number TYPE bigint",
    "ALTER TABLE filled ADD CONSTRAINT positive CHECK (number > 0)",
    "ALTER TABLE filled ALTER COLUMN told SET NOT NULL",
    "ALTER TABLE filled ADD UNIQUE (number)",
    "ALTER TABLE filled ADD COLUMN more float NOT NULL DEFAULT random()",
)


@pytest.mark.parametrize("statement", QUICK)
async def test_what_only_touches_the_catalogue_holds_nobody_up(
    fresh_database: str, statement: LiteralString
) -> None:
    assert await _tried(fresh_database, statement) == []


@pytest.mark.parametrize("statement", LONG)
async def test_what_reads_a_filled_table_under_lock_is_found_bad(
    fresh_database: str, statement: LiteralString
) -> None:
    assert await _tried(fresh_database, statement) == ["filled"]


async def _tried(dsn: str, statement: LiteralString) -> list[str]:
    async with connect(dsn, autocommit=True) as connection:
        await connection.execute("CREATE TABLE filled (number int4, told text)")
        return await _held_up(connection, statement.encode())
