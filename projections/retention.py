"""What leaves with time: rows on the day their delivery is a year old, and their secrets with them.

First the day's period secret is destroyed, so that a fact that arrives late finds nothing to open;
then the rows go, from every version; last the partitions of months that are over. A rebuild of what
is left equals it, because facts of a destroyed day fold to no row. Reads that the surveillance of
use counts leave after some months; which days have left is stored, for rebuilds too. Doing any of
it again changes nothing. Source: DESIGN sections 4.2 and 7.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import psycopg
import structlog
from prometheus_client import Gauge
from psycopg import sql

from infra.errors import InfrastructureError
from infra.postgres import Connection, connect
from infra.settings import Settings
from infra.waiting import pause
from projections.erasure import lock_positions
from projections.history_store import TABLE
from projections.surveillance_store import leave
from schemas.brussels import day_of, shift_months, start_of_day
from schemas.keyvault import KeyVault, PeriodSecret, VaultUnavailable

KEPT_MONTHS: Final = 12
RETENTION_LOCK: Final = 0x6470_7072
"""Key of the advisory lock under which one process does this ("dppr")."""
LOOK_BACK_DAYS: Final = 31
"""Days before the last kept one whose secrets are destroyed even if no row tells of them."""
EVERY_SECONDS: Final = 3600.0
LAST_DONE: Final = Gauge(
    "dpp_retention_last_done_seconds",
    "When a round of retention ended well, in seconds since 1970; alarm when a day old",
)
_TABLES: Final = """
SELECT n.nspname, c.relname, c.relkind = 'p' FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname ~ '^(history|product_recall|consumption)_v[0-9]+(_b[0-9]+)?$'
    AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND EXISTS (SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'delivered_at')
ORDER BY 1, 2
"""
_MONTHS: Final = """
SELECT c.relname, i.inhdetachpending FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY 1
"""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retained:
    """What one round took away; `done` is False if another process was at it."""

    done: bool
    periods: int = 0
    rows: int = 0
    months: int = 0


def leaves_before(today: date) -> date:
    """The first day whose deliveries are still kept on this day of a Belgian calendar."""
    return shift_months(today, -KEPT_MONTHS) + timedelta(days=1)


async def retain(settings: Settings, vault: KeyVault, now: datetime) -> Retained:
    """Takes away everything whose time is over.

    Raises:
        DatabaseUnavailable, VaultUnavailable, psycopg.Error: run it again.
    """
    first_kept = leaves_before(day_of(now))
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (RETENTION_LOCK,))
        row = await cursor.fetchone()
        if not (row and row[0]):
            return Retained(done=False)
        tables = await (await connection.execute(_TABLES)).fetchall()
        periods = await _destroy_periods(connection, tables, vault, first_kept, now)
        rows = months = 0
        for schema, table, partitioned in tables:
            rows += await _delete(connection, sql.Identifier(schema, table), first_kept)
            if partitioned:
                months += await _drop_months(connection, schema, table, first_kept)
        rows += await leave(connection, day_of(now))
        return Retained(True, periods, rows, months)


async def _destroy_periods(
    connection: Connection,
    tables: list[tuple[str, str, bool]],
    vault: KeyVault,
    first_kept: date,
    now: datetime,
) -> int:
    oldest = first_kept - timedelta(days=LOOK_BACK_DAYS)
    for schema, table, _ in tables:
        cursor = await connection.execute(
            sql.SQL("SELECT min(delivered_at) FROM {}").format(sql.Identifier(schema, table))
        )
        row = await cursor.fetchone()
        if row is not None and row[0] is not None:
            oldest = min(oldest, day_of(row[0]))
    days = [oldest + timedelta(days=number) for number in range((first_kept - oldest).days)]
    # A day without a secret gets one and loses it: its tombstone tells that it is over.
    found = await vault.period_secrets(days)
    living = [one for one in found.values() if isinstance(one, PeriodSecret)]
    for one in living:
        await vault.destroy_period(one.period, now)
    return len(living)


async def _delete(connection: Connection, table: sql.Identifier, first_kept: date) -> int:
    async with connection.transaction():
        await lock_positions(connection)
        cursor = await connection.execute(
            sql.SQL("DELETE FROM {} WHERE delivered_at < %s").format(table),
            (start_of_day(first_kept),),
        )
        return cursor.rowcount


async def _drop_months(connection: Connection, schema: str, table: str, first_kept: date) -> int:
    """Detaches months that are over while readers go on, then drops them."""
    parent = sql.Identifier(schema, table)
    name = parent.as_string(connection)
    dropped = 0
    for child, pending in await (await connection.execute(_MONTHS, (name,))).fetchall():
        year, month = (int(part) for part in child.removeprefix(f"{TABLE}_").split("_"))
        if shift_months(date(year, month, 1), 1) > first_kept:
            continue
        how = sql.SQL("FINALIZE" if pending else "CONCURRENTLY")
        part = sql.Identifier(schema, child)
        await connection.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {} {}").format(parent, part, how)
        )
        await connection.execute(sql.SQL("DROP TABLE {}").format(part))
        dropped += 1
    return dropped


async def keep_retaining(
    settings: Settings,
    opened_vault: Callable[[], AbstractAsyncContextManager[KeyVault]],
    stop: asyncio.Event,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Does so every hour until told to stop; trouble with a server is told and waited out."""
    while not stop.is_set():
        try:
            async with opened_vault() as vault:
                done = await retain(settings, vault, clock())
            LAST_DONE.set_to_current_time()
            _log.info("retention", periods=done.periods, rows=done.rows, months=done.months)
        except (InfrastructureError, VaultUnavailable, psycopg.Error) as error:
            _log.error("retention failed, trying again", error=type(error).__name__)
        await pause(stop, EVERY_SECONDS)
