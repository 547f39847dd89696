"""Computes the content hash of a stored version in SQL; `projections.content` says what it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from infra.errors import InfrastructureError
from infra.postgres import Connection
from projections.content import TableContent, require_encodable

_TABLES: Final = """
SELECT c.relname, a.attname, t.typname FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1, a.attname COLLATE "C"
"""
_DIGEST: Final = "substring(sha512(record_send(ROW({columns}))), 1, 32)"
_ENCODING: Final = "UTF8"
_SETTINGS: Final = (
    # Texts are sent in the encoding of the client.
    f"SET client_encoding = '{_ENCODING}'",
    # Digests are computed by all cores, whatever the planner thinks of passing on 32 bytes a row.
    "SET parallel_setup_cost = 0",
    "SET parallel_tuple_cost = 0",
    "SET min_parallel_table_scan_size = 0",
    "SET work_mem = '64MB'",
)
# The inner order lets workers sort what they have digested, so that the sort by groups finds all in
# place; it also keeps a digest from being computed anew wherever it is named.
_HASH: Final = """
SELECT coalesce(sum(number), 0)::bigint, substring(
    sha512(coalesce(string_agg(digest, ''::bytea ORDER BY first), ''::bytea)), 1, 32)
FROM (
    SELECT get_byte(digest, 0) AS first, count(*) AS number,
        substring(sha512(string_agg(digest, ''::bytea ORDER BY digest)), 1, 32) AS digest
    FROM (SELECT {digest} AS digest FROM {table} AS r ORDER BY 1) AS digests
    GROUP BY 1
) AS groups
"""


class EncodingUnfit(InfrastructureError):
    """The database keeps texts in an encoding that contents cannot be hashed in."""


@dataclass(frozen=True, slots=True)
class TableColumns:
    """A table of a version and its columns with their types."""

    table: str
    types: Mapping[str, str]

    def digest(self, leaving_out: Collection[str] = ()) -> sql.Composed:
        """The SQL expression of a row's digest, for a row named `r`.

        Raises:
            TypeError: a column has a type that no encoding is defined for.
        """
        wanted = {name: kind for name, kind in self.types.items() if name not in leaving_out}
        require_encodable(wanted.values())
        columns = sql.SQL(", ").join(sql.Identifier("r", name) for name in sorted(wanted))
        return sql.SQL(_DIGEST).format(columns=columns)


async def columns_of(connection: Connection, schema: str) -> list[TableColumns]:
    """The tables of a version, with their columns in the order of their names."""
    cursor = await connection.execute(_TABLES, (schema,))
    found: dict[str, dict[str, str]] = {}
    for table, name, kind in await cursor.fetchall():
        found.setdefault(table, {})[name] = kind
    return [TableColumns(table, types) for table, types in found.items()]


async def unshared_columns(connection: Connection, left: str, right: str) -> frozenset[str]:
    """Names of columns that two versions do not share, in the tables that both have.

    Only one of them has such a column, or they have it in different types.
    """
    lefts = {one.table: one.types.items() for one in await columns_of(connection, left)}
    rights = {one.table: one.types.items() for one in await columns_of(connection, right)}
    shared = lefts.keys() & rights.keys()
    return frozenset(name for one in shared for name, _ in lefts[one] ^ rights[one])


async def stored_content(
    connection: Connection, schema: str, leaving_out: Collection[str] = ()
) -> dict[str, TableContent]:
    """The content of each table of a version, as the connection's transaction sees it.

    Raises:
        EncodingUnfit: the database's encoding is not UTF8.
        TypeError: a column has a type that no encoding is defined for.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != _ENCODING:
        raise EncodingUnfit(
            f"The database keeps texts as {encoding}: move it to one made with ENCODING "
            f"'{_ENCODING}', else contents cannot be compared."
        )
    for setting in _SETTINGS:
        await connection.execute(setting)
    content = {}
    for one in await columns_of(connection, schema):
        cursor = await connection.execute(
            sql.SQL(_HASH).format(
                digest=one.digest(leaving_out), table=sql.Identifier(schema, one.table)
            )
        )
        row = await cursor.fetchone()
        rows, digest = row if row is not None else (0, b"")
        content[one.table] = TableContent(int(rows), bytes(digest))
    return content


@dataclass(frozen=True, slots=True)
class Difference:
    """The first row by subject that two versions do not agree on, and in which columns.

    `subject` is a pseudonym, None where a table has no subjects. `columns` is empty if one of them
    lacks the row: `missing` says which one.
    """

    table: str
    key: Mapping[str, str]
    subject: str | None
    columns: tuple[str, ...]
    missing: str | None = None


async def first_difference(
    connection: Connection,
    left: str,
    right: str,
    keys: Mapping[str, Sequence[str]],
    leaving_out: Collection[str] = (),
) -> Difference | None:
    """Compares the tables of two schemas that `keys` names, row by row along these keys."""
    for one in await columns_of(connection, left):
        if one.table not in keys:
            continue
        types = {name: kind for name, kind in one.types.items() if name not in leaving_out}
        compared = TableColumns(one.table, types)
        found = await _first_in(connection, compared, left, right, keys[one.table])
        if found is not None:
            return found
    return None


async def _first_in(
    connection: Connection, one: TableColumns, left: str, right: str, key: Sequence[str]
) -> Difference | None:
    subject = "subject" if "subject" in one.types else key[0]
    columns = list(one.types)
    cursor = await connection.execute(
        sql.SQL(
            "SELECT {key}, coalesce(l.{subject}::text, r.{subject}::text),"
            " l IS NULL, r IS NULL, {unequal}"
            " FROM {left} AS l FULL JOIN {right} AS r ON {same}"
            " WHERE ROW({lefts}) IS DISTINCT FROM ROW({rights}) ORDER BY {order} LIMIT 1"
        ).format(
            key=sql.SQL(", ").join(
                sql.SQL("coalesce(l.{0}, r.{0})::text").format(sql.Identifier(name)) for name in key
            ),
            subject=sql.Identifier(subject),
            unequal=sql.SQL(", ").join(
                sql.SQL("l.{0} IS DISTINCT FROM r.{0}").format(sql.Identifier(name))
                for name in columns
            ),
            lefts=sql.SQL(", ").join(sql.Identifier("l", name) for name in columns),
            rights=sql.SQL(", ").join(sql.Identifier("r", name) for name in columns),
            left=sql.Identifier(left, one.table),
            right=sql.Identifier(right, one.table),
            same=sql.SQL(" AND ").join(
                sql.SQL("l.{0} = r.{0}").format(sql.Identifier(name)) for name in key
            ),
            order=sql.SQL(", ").join(
                [
                    sql.SQL("coalesce(l.{0}::text, r.{0}::text)").format(sql.Identifier(subject)),
                    *(
                        sql.SQL("coalesce(l.{0}, r.{0})").format(sql.Identifier(name))
                        for name in key
                    ),
                ]
            ),
        )
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    named = dict(zip(key, row, strict=False))
    found, no_left, no_right, *unequal = row[len(key) :]
    missing = left if no_left else right if no_right else None
    differing = tuple(name for name, differs in zip(columns, unequal, strict=True) if differs)
    return Difference(
        one.table,
        named,
        found if "subject" in one.types else None,
        () if missing else differing,
        missing,
    )
