"""Writes what the surveillance of use counts, and takes away what is no longer needed."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from psycopg import sql

from infra.postgres import Connection
from projections.erasure import lock_positions
from projections.folds.surveillance import Read, moment_of
from projections.rows import copy_rows
from projections.statements import statement
from projections.store import kept_from, schemas_of, use_schema
from projections.surveillance import KEPT_DAYS
from schemas.brussels import start_of_day

PROJECTION: Final = "surveillance"
_STAGE: Final = "surveillance_read"
_STAGED: Final = {
    "reader": "text",
    "role": "text",
    "organisation": "text",
    "subject": "text",
    "day": "date",
    "at": "timestamptz",
    "moment": "int8",
    "kind": "int2",
    "partition": "int4",
    "position": "int8",
}


class SurveillanceWriter:
    """Writes on one connection, whose search path names the version."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def prepare(self) -> None:
        """Makes the stage of this connection; it is empty again after every transaction."""
        columns = ", ".join(f"{name} {kind}" for name, kind in _STAGED.items())
        await self._connection.execute(
            sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
                sql.Identifier(_STAGE), sql.SQL(columns)
            )
        )

    async def before(self, changes: Sequence[Read]) -> None:
        """Everything exists."""

    async def write(self, changes: Sequence[Read]) -> None:
        """Counts reads inside the caller's transaction; those that are counted change nothing."""
        if not changes:
            return
        stage = sql.Identifier("pg_temp", _STAGE)
        await copy_rows(self._connection, stage, _STAGED, list(_STAGED.values()), changes)
        await self._connection.execute(statement("surveillance/count"))


async def leave(connection: Connection, today: date) -> int:
    """Takes days that are over out of every version, once a day; answers how many rows went.

    Which days have left is stored first, so none comes back: neither late nor in a rebuild.
    """
    first = today - timedelta(days=KEPT_DAYS)
    former = await kept_from(connection, PROJECTION)
    if former is not None and former >= first:
        return 0
    gone = 0
    async with connection.transaction():
        await lock_positions(connection)
        await connection.execute(
            "INSERT INTO projection_kept_from AS k (projection, first_day) VALUES (%s, %s)"
            " ON CONFLICT (projection) DO UPDATE"
            " SET first_day = greatest(k.first_day, EXCLUDED.first_day)",
            (PROJECTION, first),
        )
        for schema in await schemas_of(connection, PROJECTION):
            gone += await _leave(connection, schema, first)
    return gone


async def _leave(connection: Connection, schema: str, first: date) -> int:
    await use_schema(connection, schema)
    moment = {"first": moment_of(start_of_day(first))}
    days = await connection.execute("DELETE FROM day WHERE day < %s", (first,))
    pairs = await connection.execute(
        "DELETE FROM pair WHERE moments[cardinality(moments)] < %(first)s", moment
    )
    await connection.execute(statement("surveillance/trim"), moment)
    await connection.execute("SET search_path TO DEFAULT")
    return days.rowcount + pairs.rowcount
