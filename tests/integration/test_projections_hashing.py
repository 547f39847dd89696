"""The database and Python give every row the same digest, of whatever types its columns are."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from pydantic import SecretStr

from infra.migrations import files, migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.content import RowDigests, Value, table_content
from projections.hashing import (
    EncodingUnfit,
    TableColumns,
    columns_of,
    stored_content,
    unshared_columns,
)
from projections.layouts import KNOWN
from projections.runner import migrations
from projections.versions import versions

pytestmark = pytest.mark.integration

# Neither in the order of names nor with names that sort alike everywhere.
TABLE = """
CREATE TABLE {}.t (z text, "É" text, "Upper" int2, i4 int4, i8 int8, yes bool, raw bytea, day date,
    at timestamptz, texts text[], numbers int4[], scores int2[], great int8[],
    lower_case text)
"""
EXTREMES: tuple[Mapping[str, Value], ...] = (
    {},
    {"z": "", "raw": b"", "texts": [], "numbers": [], "i4": 0, "yes": False},
    {"z": "é€😀,:\n", "É": "a'b\"", "raw": bytes(range(256)), "texts": ["", "é,", "null", "{}"]},
    {"Upper": -(2**15), "i4": -(2**31), "numbers": [-(2**31), 2**31 - 1, 0]},
    {"i8": -(2**63), "scores": [-(2**15), 2**15 - 1], "great": [-(2**63), 2**63 - 1]},
    {"Upper": 2**15 - 1, "i4": 2**31 - 1, "i8": 2**63 - 1, "yes": True},
    {"day": date(1, 1, 1), "at": datetime(1, 1, 2, tzinfo=UTC)},
    {"day": date(9999, 12, 31), "at": datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC)},
    {"day": date(1999, 12, 31), "at": datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
    {"day": date(2026, 1, 1), "at": datetime(2025, 12, 31, 23, 0, 0, 1, tzinfo=UTC)},
    {"z": "twice"},
    {"z": "twice"},
)


async def _made(connection: Connection, schema: str) -> TableColumns:
    name = sql.Identifier(schema)
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    await connection.execute(sql.SQL(TABLE).format(name))
    for row in EXTREMES:
        columns = sql.SQL(", ").join(map(sql.Identifier, row))
        values = sql.SQL(", ").join(sql.Placeholder() for _ in row)
        await connection.execute(
            sql.SQL("INSERT INTO {}.t ({}) VALUES ({})").format(name, columns, values)
            if row
            else sql.SQL("INSERT INTO {}.t DEFAULT VALUES").format(name),
            list(row.values()),
        )
    (table,) = await columns_of(connection, schema)
    return table


async def test_the_database_and_python_digest_every_type_alike(fresh_database: str) -> None:
    async with connect(fresh_database, autocommit=True) as connection:
        table = await _made(connection, "one")
        digests = RowDigests(table.types)
        cursor = await connection.execute(
            sql.SQL("SELECT {} FROM one.t AS r ORDER BY ctid").format(table.digest())
        )
        assert [bytes(one) for (one,) in await cursor.fetchall()] == [
            digests.of_row(row) for row in EXTREMES
        ]
        expected = {"t": table_content(map(digests.of_row, EXTREMES))}
        # Whatever a session is set to, and as read back.
        for setting in ("TIME ZONE 'Asia/Kathmandu'", "client_encoding = 'LATIN1'"):
            await connection.execute(sql.SQL("SET {}").format(sql.SQL(setting)))
            assert await stored_content(connection, "one") == expected
        async with connection.cursor(row_factory=dict_row) as read:
            await read.execute("SELECT * FROM one.t WHERE at IS NULL OR day > '0002-01-01'")
            found = {digests.of_row(row) for row in await read.fetchall()}
        assert found == {digests.of_row(row) for row in EXTREMES if row.get("day") != date.min}


async def test_columns_left_out_or_not_shared_do_not_count_and_others_do(
    fresh_database: str,
) -> None:
    async with connect(fresh_database, autocommit=True) as connection:
        one, _ = await _made(connection, "one"), await _made(connection, "other")
        await connection.execute("ALTER TABLE other.t DROP COLUMN z, ADD COLUMN a int4 DEFAULT 5")
        await connection.execute("ALTER TABLE other.t ALTER COLUMN i4 TYPE int8")
        unshared = await unshared_columns(connection, "one", "other")
        assert unshared == {"z", "a", "i4"}
        content = await stored_content(connection, "one", unshared)
        assert content == await stored_content(connection, "other", unshared)
        rest = {name: kind for name, kind in one.types.items() if name not in unshared}
        assert content["t"] == table_content(map(RowDigests(rest).of_row, EXTREMES))
        await connection.execute('UPDATE other.t SET "Upper" = 1 WHERE "Upper" < 0')
        assert content != await stored_content(connection, "other", unshared)


async def test_every_table_of_every_projection_can_be_hashed(
    settings: Settings, fresh_database: str
) -> None:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    async with connect(fresh_database, autocommit=True) as connection:
        for name in KNOWN:
            content = await stored_content(connection, f"{name}_v1")
            assert content
            assert set(content.values()) == {table_content([])}


async def test_a_hash_of_the_former_definition_is_forgotten_and_its_version_is_not(
    settings: Settings, fresh_database: str
) -> None:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    (forgetting,) = [one for one in files("projections", "sql") if "content_hash" in one.name]
    async with connect(fresh_database, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO projection_version (projection, version, state, content_hash)"
            " VALUES ('history', 1, 'kept', 'former')"
        )
        await connection.execute(forgetting.content)
        (kept,) = await versions(connection, "history")
        assert (kept.version, kept.content_hash) == (1, None)


async def test_types_and_encodings_that_cannot_be_hashed_are_refused_bad(
    settings: Settings, fresh_database: str
) -> None:
    async with connect(fresh_database, autocommit=True) as connection:
        await connection.execute("CREATE SCHEMA one CREATE TABLE t (a int4, b numeric)")
        with pytest.raises(TypeError, match="columns of type numeric"):
            await stored_content(connection, "one")
        assert (await stored_content(connection, "one", {"b"}))["t"].rows == 0
    latin_name = f"latin_{conninfo_to_dict(fresh_database)['dbname']}"
    name = sql.Identifier(latin_name)
    async with connect(settings.dsn, autocommit=True) as connection:
        await connection.execute(
            sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").format(
                name
            )
        )
        other = make_conninfo(settings.dsn, dbname=latin_name)
        async with connect(other) as latin:
            with pytest.raises(EncodingUnfit, match="keeps texts as LATIN1"):
                await stored_content(latin, "public")
        await connection.execute(sql.SQL("DROP DATABASE {}").format(name))
