"""Erasures reach the caches of every process at once: the vault names each subject that it erases.

Without this a process could go on sealing and reading under an erased secret until its cache has
aged, up to a minute. Source: DESIGN section 4.4.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import psycopg
import structlog

from infra.keys.postgres import ERASED_CHANNEL, PostgresVault
from infra.postgres import DatabaseUnavailable, connect
from infra.waiting import under_way

RECONNECT_SECONDS: Final = (0.1, 3.0)
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def heeding_erasures(dsn: str, vault: PostgresVault) -> AsyncIterator[None]:
    """Keeps the vault's cache in step with erasures by other processes; returns once it listens.

    Raises:
        DatabaseUnavailable: the vault's database does not answer.
    """
    listening = asyncio.Event()
    task = asyncio.create_task(_heed(dsn, vault, listening))
    try:
        await under_way(task, listening)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, DatabaseUnavailable, psycopg.Error):
            await task


async def _heed(dsn: str, vault: PostgresVault, listening: asyncio.Event) -> None:
    delay = RECONNECT_SECONDS[0]
    while True:
        try:
            async with connect(dsn, autocommit=True) as connection:
                await connection.execute(f"LISTEN {ERASED_CHANNEL}")
                # What was told before, or while the line was cut, was not heard.
                vault.forget_all()
                listening.set()
                delay = RECONNECT_SECONDS[0]
                async for notice in connection.notifies():
                    vault.forget([notice.payload])
        except (DatabaseUnavailable, psycopg.Error) as error:
            if not listening.is_set():
                raise
            _log.warning("erasures are not heard, trying again", error=type(error).__name__)
            await asyncio.sleep(delay)
            delay = min(2 * delay, RECONNECT_SECONDS[1])
