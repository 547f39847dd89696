"""Connections of the API to the projections' database: one bounded pool for each kind of question.

Each kind has its own limit of time, set by the server for every statement, and its own connections,
so that slow lists never take those that decisions need. Who finds no connection in time, or whose
question takes too long, is told so with a 503. Histories may come from a read replica: they are
asked at a cut, and a replica that has not reached it is passed over. Decisions may not, because
what a replica lacks cannot be seen in what it answers (docs/design/projections.md).
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Final

import structlog
from psycopg import OperationalError
from psycopg.errors import QueryCanceled
from psycopg_pool import PoolTimeout

from consumers.api.problems import unavailable
from infra.postgres import Connection, Pool, pool
from infra.settings import Settings
from projections import queries
from schemas.topics import DISPENSATION_RECORDED

_MS: Final = 1000
_log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class Pools:
    """Of decisions, of histories (and their replica, if there is one), and of lists."""

    access: Pool
    histories: Pool
    lists: Pool
    replica: Pool | None = None

    @asynccontextmanager
    async def history_at(self, cut: Mapping[int, int]) -> AsyncIterator[Connection]:
        """A connection to a database that has applied the history up to a cut.

        Raises:
            Problem: 503, none is free in time, or the question takes too long.
        """
        async with AsyncExitStack() as stack:
            replica = None
            if self.replica is not None:
                replica = await _reached(stack, self.replica, cut)
            if replica is not None:
                stack.enter_context(_in_time())
                yield replica
            else:
                yield await stack.enter_async_context(asking(self.histories))


@asynccontextmanager
async def asking(connections: Pool) -> AsyncIterator[Connection]:
    """A connection for one question.

    Raises:
        Problem: 503, none is free in time, or the question takes too long.
    """
    with _in_time():
        async with connections.connection() as connection:
            yield connection


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except PoolTimeout:
        raise unavailable("busy") from None
    except QueryCanceled:
        raise unavailable("query-timeout") from None


async def _reached(
    stack: AsyncExitStack, replica: Pool, cut: Mapping[int, int]
) -> Connection | None:
    """A connection to the replica, unless it does not answer or has not reached the cut."""
    try:
        connection = await stack.enter_async_context(replica.connection())
        if await _holds(connection, cut):
            return connection
        _log.warning("the replica is behind, the primary answers")
    except (PoolTimeout, OperationalError) as error:
        _log.warning("no answer from the replica, the primary answers", error=type(error).__name__)
    return None


async def _holds(connection: Connection, cut: Mapping[int, int]) -> bool:
    stored = await queries.positions(
        connection, projection="history", topic=DISPENSATION_RECORDED.name
    )
    return all(stored.get(one, 0) >= position for one, position in cut.items())


@asynccontextmanager
async def opened_pools(settings: Settings) -> AsyncIterator[Pools]:
    """The pools, each tried once, closed at the end.

    Raises:
        DatabaseUnavailable: a server does not answer.
    """
    histories, ready = settings.api_history_query_seconds, settings.api_pool
    async with (
        _pool(settings, settings.dsn, settings.api_access_query_seconds, ready) as access,
        _pool(settings, settings.dsn, histories, ready) as primary,
        _pool(settings, settings.dsn, settings.api_list_query_seconds, 1) as lists,
    ):
        if settings.history_dsn is None:
            yield Pools(access, primary, lists)
            return
        dsn = settings.history_dsn.get_secret_value()
        async with _pool(settings, dsn, histories, ready) as replica:
            yield Pools(access, primary, lists, replica)


def _pool(
    settings: Settings, dsn: str, seconds: float, minimum: int
) -> AbstractAsyncContextManager[Pool]:
    return pool(
        dsn,
        minimum=minimum,
        maximum=settings.api_pool,
        autocommit=True,
        statement_ms=round(seconds * _MS),
        wait_seconds=settings.api_pool_seconds,
    )
