"""The catalogue in Postgres: batch lookups, and what is known of each version."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from infra.migrations import Source
from infra.postgres import Connection, Pool
from schemas.catalogue import CatalogueEntry, CatalogueUnavailable

_ENTRIES: Final = """
SELECT cnk, valid_from, valid_until, kind, names, atc, pack, form, status, environments
FROM catalogue_v1.entry JOIN catalogue_v1.version USING (version)
WHERE version = %s AND complete AND cnk = ANY(%s) ORDER BY cnk, valid_from
"""
_EXISTS: Final = "SELECT complete FROM catalogue_v1.version WHERE version = %s"
_VERSIONS: Final = """
SELECT version, source, sha256, complete, codes, entries, counts, loaded_at
FROM catalogue_v1.version ORDER BY loaded_at NULLS LAST, version
"""


def migrations_source(dsn: str) -> Source:
    """The catalogue's migrations, for the database of the projections."""
    return Source("infra", "catalogue/sql", dsn, name="catalogue")


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a version: `codes` distinct codes in `entries` periods.

    `counts` is what its loading counted; `loaded_at` is missing while it is not complete.
    """

    version: str
    source: str
    sha256: str
    complete: bool
    codes: int
    entries: int
    counts: Mapping[str, int]
    loaded_at: datetime | None


class PostgresCatalogue:
    """Implements `schemas.catalogue.Catalogue` on a migrated database.

    `pool` is for the catalogue alone, for its connections are left in autocommit, which saves round
    trips. Every method raises `CatalogueUnavailable` when the database does not answer.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def entries(
        self, version: str, cnks: Collection[str]
    ) -> Mapping[str, tuple[CatalogueEntry, ...]]:
        """The entries of these codes in one version, by code, in one round trip."""
        found: dict[str, list[CatalogueEntry]] = {}
        if not cnks:
            return {}
        async with self._connection() as connection:
            cursor = await connection.execute(_ENTRIES, (version, sorted(cnks)), binary=True)
            async for row in cursor:
                found.setdefault(row[0], []).append(_entry(*row))
        return {cnk: tuple(periods) for cnk, periods in found.items()}

    async def exists(self, version: str) -> bool:
        """Whether the version was loaded completely."""
        async with self._connection() as connection:
            cursor = await connection.execute(_EXISTS, (version,))
            row = await cursor.fetchone()
        return row is not None and bool(row[0])

    async def versions(self) -> tuple[Version, ...]:
        """Every version, the oldest first; those that are not complete come last."""
        async with self._connection() as connection:
            cursor = await connection.execute(_VERSIONS)
            return tuple([Version(*row) async for row in cursor])

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                await connection.set_autocommit(True)
                yield connection
        except psycopg.OperationalError as error:
            raise CatalogueUnavailable(
                f"The medicines catalogue did not answer ({type(error).__name__}): check that its "
                "database runs, and DPP_POSTGRES_DSN."
            ) from None


def _entry(*values: Any) -> CatalogueEntry:
    fields: list[Any] = [*values[:-1], tuple(values[-1])]
    return CatalogueEntry(*fields)
