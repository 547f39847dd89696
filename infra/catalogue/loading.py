"""Loads one version of the catalogue into Postgres: all of it or nothing.

The rows are copied into a table of the transaction's own and moved from there, so that a load that
ends early leaves only the row that says that its version is not complete, and is started over. A
load holds an advisory lock on its version's name; two at once cannot mix.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from infra.errors import InfrastructureError
from infra.postgres import Connection, connect
from schemas.catalogue import CatalogueEntry

VERSION: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,30}/[a-z0-9][a-z0-9._-]{0,30}")
"""How versions are named: what it is, a slash, which one, as in `sample/1` or `sam/2026-01-15`."""

_COLUMNS: Final = "cnk, valid_from, valid_until, kind, names, atc, pack, form, status, environments"
_TYPES: Final = (*["text", "date", "date", "text", "jsonb"], *["text"] * 4, "text[]")
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('dpp catalogue ' || %s, 0))"
_STATE: Final = "SELECT complete, sha256 FROM catalogue_v1.version WHERE version = %s"
_BEGIN: Final = """
INSERT INTO catalogue_v1.version (version, source, sha256) VALUES (%s, %s, %s)
ON CONFLICT (version) DO UPDATE SET source = EXCLUDED.source, sha256 = EXCLUDED.sha256
"""
_STAGE: Final = """
CREATE TEMPORARY TABLE catalogue_staged (
    ordinal bigint GENERATED ALWAYS AS IDENTITY, cnk text, valid_from date, valid_until date,
    kind text, names jsonb, atc text, pack text, form text, status text, environments text[]
) ON COMMIT DROP
"""
_COPY: Final = f"COPY catalogue_staged ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_MOVE: Final = (
    f"INSERT INTO catalogue_v1.entry (version, {_COLUMNS}) "  # noqa: S608 - names of ours
    f"SELECT DISTINCT ON (cnk, valid_from) %s, {_COLUMNS} "
    "FROM catalogue_staged ORDER BY cnk, valid_from, ordinal"
)
_CODES: Final = "SELECT count(DISTINCT cnk) FROM catalogue_staged"
_COMPLETE: Final = """
UPDATE catalogue_v1.version
SET complete = true, codes = %s, entries = %s, counts = %s, loaded_at = %s WHERE version = %s
"""


class LoadRefused(InfrastructureError):
    """The version cannot be loaded under this name, or its content is none; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a version is loaded from: file names, and the SHA-256 (hex) of their bytes."""

    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: `entries` periods of `codes` codes.

    `repeated` entries had code and first day of another, which was kept. `already` tells that the
    version was complete before, from the same bytes, and nothing was done.
    """

    codes: int = 0
    entries: int = 0
    repeated: int = 0
    already: bool = False


async def load(
    dsn: str,
    version: str,
    origin: Origin,
    entries: Iterable[CatalogueEntry],
    *,
    counts: Callable[[], Mapping[str, int]] = dict,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Loaded:
    """Loads a version; `counts` is asked after the last entry, for what is to be kept with it.

    Raises:
        DatabaseUnavailable: the database does not answer.
        LoadRefused: the name is none or taken, another load of it is under way, there is no entry,
            or the database ended the load.
    """
    require_name(version)
    # No time limit: copying a whole catalogue takes as long as reading its files.
    async with connect(dsn, autocommit=True, statement_ms=0) as connection:
        try:
            if await _begin(connection, version, origin):
                return Loaded(already=True)
            async with connection.transaction():
                loaded = await _fill(connection, version, entries)
                summary = (loaded.codes, loaded.entries, Jsonb(dict(counts())), clock(), version)
                await connection.execute(_COMPLETE, summary)
        except psycopg.Error as error:
            raise LoadRefused(
                f"The database ended the load of {version} "
                f"({error.diag.message_primary or type(error).__name__}): run it again."
            ) from None
    return loaded


def require_name(version: str) -> None:
    """Checks the name of a version.

    Raises:
        LoadRefused: it is none.
    """
    if VERSION.fullmatch(version) is None:
        raise LoadRefused(
            f"{version!r} is no name of a version: give lower-case letters, digits, dots and "
            "dashes around one slash, as in sam/2026-01-15."
        )


async def _begin(connection: Connection, version: str, origin: Origin) -> bool:
    """Takes the name; tells whether the version is there already."""
    if not await _value(connection, _LOCK, version):
        raise LoadRefused(f"Another process is loading {version}: wait until it has ended.")
    cursor = await connection.execute(_STATE, (version,))
    row = await cursor.fetchone()
    if row is not None and row[0]:
        if row[1] != origin.sha256:
            raise LoadRefused(
                f"The version {version} was loaded from other files and does not change: choose "
                "another name."
            )
        return True
    await connection.execute(_BEGIN, (version, origin.source, origin.sha256))
    return False


async def _fill(connection: Connection, version: str, entries: Iterable[CatalogueEntry]) -> Loaded:
    staged = 0
    await connection.execute(_STAGE)
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for entry in entries:
            await copy.write_row(_row(entry))
            staged += 1
    if not staged:
        raise LoadRefused(f"There is nothing to load into {version}: the files hold no CNK.")
    moved = (await connection.execute(_MOVE, (version,))).rowcount
    codes = await _value(connection, _CODES)
    return Loaded(int(str(codes)), moved, staged - moved)


def _row(entry: CatalogueEntry) -> tuple[object, ...]:
    return (
        entry.cnk,
        entry.valid_from,
        entry.valid_until,
        entry.kind,
        Jsonb(dict(entry.names)),
        entry.atc,
        entry.pack,
        entry.form,
        entry.status,
        list(entry.environments),
    )


async def _value(connection: Connection, query: str, *values: object) -> object:
    cursor = await connection.execute(query, values)
    row = await cursor.fetchone()
    return None if row is None else row[0]
