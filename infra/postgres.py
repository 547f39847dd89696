"""PostgreSQL through psycopg 3: connections and pools that fail with one clear sentence."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from infra.errors import InfrastructureError

CONNECT_SECONDS: Final = 5
STATEMENT_MS: Final = 30_000
WAIT_SECONDS: Final = 30.0

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]


class DatabaseUnavailable(InfrastructureError):
    """The database does not answer or does not let us in; the text holds no password."""


def place(dsn: str) -> str:
    """Where a connection string points, without user or password: `database on host:port`."""
    parts = conninfo_to_dict(dsn)
    host = parts.get("host") or "the local socket"
    port = parts.get("port") or 5432
    return f"{parts.get('dbname') or 'the default database'} on {host}:{port}"


def with_limits(dsn: str, statement_ms: int) -> str:
    """The same connection string with limits of time: to connect, and per statement (0: none)."""
    given = conninfo_to_dict(dsn)
    options = f"{given.get('options') or ''} -c statement_timeout={statement_ms}".strip()
    seconds = given.get("connect_timeout") or CONNECT_SECONDS
    return make_conninfo(dsn, options=options, connect_timeout=seconds)


@asynccontextmanager
async def connect(
    dsn: str, *, autocommit: bool = False, statement_ms: int = STATEMENT_MS
) -> AsyncIterator[Connection]:
    """One connection, closed at the end; committed there unless an exception passes through.

    Raises:
        DatabaseUnavailable: no connection could be made.
    """
    async with await _open(dsn, autocommit=autocommit, statement_ms=statement_ms) as connection:
        yield connection


async def _open(dsn: str, *, autocommit: bool, statement_ms: int) -> Connection:
    try:
        limited = with_limits(dsn, statement_ms)
        return await psycopg.AsyncConnection.connect(limited, autocommit=autocommit)
    except psycopg.ProgrammingError:
        raise DatabaseUnavailable(
            "The database's connection string cannot be read: check DPP_POSTGRES_DSN."
        ) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"No connection to the database {place(dsn)} ({_reason(error)}): check that it runs, "
            "and DPP_POSTGRES_DSN or DPP_VAULT_DSN."
        ) from None


@asynccontextmanager
async def pool(
    dsn: str,
    *,
    minimum: int = 1,
    maximum: int = 10,
    statement_ms: int = STATEMENT_MS,
    autocommit: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> AsyncIterator[Pool]:
    """A pool of connections, tried once before it is handed out, closed at the end.

    With `autocommit` each statement is a transaction: who asks one question saves two round trips.
    Who finds no connection free waits for one, at most `wait_seconds`.

    Raises:
        DatabaseUnavailable: no connection could be made.
    """
    # A pool alone would retry in the background and log; one attempt in front tells at once.
    await (await _open(dsn, autocommit=True, statement_ms=statement_ms)).close()
    made: Pool = AsyncConnectionPool(
        with_limits(dsn, statement_ms),
        min_size=minimum,
        max_size=maximum,
        timeout=wait_seconds,
        open=False,
        kwargs={"autocommit": autocommit},
    )
    async with made:
        await made.wait(CONNECT_SECONDS)
        yield made


def _reason(error: psycopg.OperationalError) -> str:
    """What kind of refusal it was, in our words: the server's text may hold names."""
    text = str(error).lower()
    for sign, reason in (
        ("password authentication failed", "user or password refused"),
        ("no password supplied", "a password is needed"),
        ("does not exist", "no such database or role"),
        ("refused", "connection refused"),
        ("timeout", "no answer in time"),
        ("resolve", "unknown host"),
        ("starting up", "it is still starting"),
        ("too many", "too many connections"),
    ):
        if sign in text:
            return reason
    return error.sqlstate or "not reachable"
