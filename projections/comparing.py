"""Compares the rows of two stored versions, side by side in the order of subjects and keys.

Both are read through cursors, so memory holds digests and not rows. Each side has a connection of
its own: a snapshot that is older than the other side's tables does not see their rows.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from psycopg import sql
from psycopg.rows import dict_row

from infra.postgres import Connection
from projections.content import RowDigests, TableContent, table_content
from projections.cutting import as_of
from projections.hashing import Difference, TableColumns, columns_of
from projections.memory import Row

MOST_TOLD: Final = 50
"""Differences that are told one by one; the rest is counted."""
_CURSOR_ROWS: Final = 2000


class Version(NamedTuple):
    """One side: where its tables are, and what it is called where a row is missing in it."""

    connection: Connection
    schema: str
    name: str


class Cut(NamedTuple):
    """Where both sides are compared, and how far the live one has come; by partition."""

    positions: Mapping[int, int]
    reached: Mapping[int, int]


@dataclass(slots=True)
class Comparison:
    """Rows of both sides as of the cut, and where they differ, told in the order of subjects.

    `later` counts rows that the live side has put anew behind the cut, so that they cannot be
    compared; `since` those that it has put there for the first time.
    """

    contents: tuple[dict[str, TableContent], dict[str, TableContent]] = field(
        default_factory=lambda: ({}, {})
    )
    differing: int = 0
    later: int = 0
    since: int = 0
    told: list[Difference] = field(default_factory=list)

    def add(self, one: Difference) -> None:
        """Counts a difference, and keeps it if it is among the first."""
        self.differing += 1
        self.told = sorted([*self.told, one], key=_order_of)[:MOST_TOLD]


def _order_of(one: Difference) -> tuple[str, str, str]:
    return one.subject or "", one.table, str(one.key)


async def compare(
    live: Version,
    other: Version,
    keys: Mapping[str, Sequence[str]],
    cut: Cut,
) -> Comparison:
    """Compares a live version, as it stood at the cut, with one that ends there."""
    found = Comparison()
    for table in await columns_of(live.connection, live.schema):
        await _compare_table((live, other), table, keys[table.table], cut, found)
    return found


async def _compare_table(
    sides: tuple[Version, Version],
    table: TableColumns,
    key: Sequence[str],
    cut: Cut,
    found: Comparison,
) -> None:
    live, other = sides
    digests: tuple[list[bytes], list[bytes]] = ([], [])
    rows = RowDigests(table.types)
    left, right = ordered(*live[:2], table, key), ordered(*other[:2], table, key)
    async for stored, wanted in _pairs(left, right, table, key):
        stood = None if stored is None else as_of(stored, *cut)
        if stored is not None and stood is None:
            found.later += wanted is not None
            found.since += wanted is None
            continue
        for side, row in zip(digests, (stood, wanted), strict=True):
            if row is not None:
                side.append(rows.of_row(row))
        if stood is None or wanted is None:
            missing = live.name if stood is None else other.name
            row = stood or wanted or {}
            found.add(difference(table.table, key, row, (), missing))
        elif columns := unlike_columns(stood, wanted, table.types, rows):
            found.add(difference(table.table, key, stood, columns, None))
    for content, side in zip(found.contents, digests, strict=True):
        content[table.table] = table_content(side)


async def ordered(
    connection: Connection, schema: str, table: TableColumns, key: Sequence[str]
) -> AsyncIterator[Row]:
    """The rows of a table in the order of their subjects and keys, through a cursor."""
    names = [*(["subject"] if "subject" in table.types else []), *key]
    order = sql.SQL(", ").join(_ordering(name, table.types[name]) for name in names)
    async with (
        connection.transaction(),
        connection.cursor(name=f"ordered_{table.table}", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = _CURSOR_ROWS
        await cursor.execute(
            sql.SQL("SELECT * FROM {} ORDER BY {}").format(
                sql.Identifier(schema, table.table), order
            )
        )
        async for row in cursor:
            yield row


def _ordering(name: str, kind: str) -> sql.Composed:
    """By bytes, as Python orders texts; a row without a subject comes before all others."""
    if kind == "text":
        return sql.SQL("coalesce({}, '') COLLATE \"C\"").format(sql.Identifier(name))
    return sql.SQL("{}").format(sql.Identifier(name))


async def _pairs(
    left: AsyncIterator[Row], right: AsyncIterator[Row], table: TableColumns, key: Sequence[str]
) -> AsyncIterator[tuple[Row | None, Row | None]]:
    """Rows of the same subject and key together, others alone."""

    def place(row: Row) -> tuple[object, ...]:
        subject = (row["subject"] or "",) if "subject" in table.types else ()
        return (*subject, *(row[name] for name in key))

    one, other = await anext(left, None), await anext(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and place(one) < place(other)):
            yield one, None
            one = await anext(left, None)
        elif one is None or place(other) < place(one):
            yield None, other
            other = await anext(right, None)
        else:
            yield one, other
            one, other = await anext(left, None), await anext(right, None)


def unlike_columns(
    row: Row, wanted: Row, columns: Iterable[str], digests: RowDigests
) -> tuple[str, ...]:
    """The columns in which two rows differ."""
    return tuple(
        name for name in columns if digests.of_column(row, name) != digests.of_column(wanted, name)
    )


def difference(
    table: str, key: Sequence[str], row: Row, columns: tuple[str, ...], missing: str | None
) -> Difference:
    """What differs about a row; `missing` names the side that lacks it."""
    named = {name: str(row[name]) for name in key}
    return Difference(table, named, row.get("subject"), columns, missing)


class SubjectContent(NamedTuple):
    """What a table holds of one subject (None: the rows of nobody): a SHA-256 for each column."""

    table: str
    subject: str | None
    rows: int
    columns: Mapping[str, str]


async def by_subject(
    connection: Connection, schema: str, keys: Mapping[str, Sequence[str]]
) -> AsyncIterator[SubjectContent]:
    """The content of a version by table and subject, in their order.

    A column's hash is over the digests of its values, one for each row, in the order of the keys.
    """
    for table in await columns_of(connection, schema):
        subject: str | None = None
        rows = 0
        hashes: dict[str, Any] = {}
        digests = RowDigests(table.types)
        async for row in ordered(connection, schema, table, keys[table.table]):
            if rows and row.get("subject") != subject:
                yield _content_of(table, subject, rows, hashes)
                rows, hashes = 0, {}
            subject, rows = row.get("subject"), rows + 1
            for name in table.types:
                hashes.setdefault(name, hashlib.sha256()).update(digests.of_column(row, name))
        if rows:
            yield _content_of(table, subject, rows, hashes)


def _content_of(
    table: TableColumns, subject: str | None, rows: int, hashes: Mapping[str, Any]
) -> SubjectContent:
    digests = {name: one.hexdigest() for name, one in hashes.items()}
    return SubjectContent(table.table, subject, rows, digests)
