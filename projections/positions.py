"""Waiting until a projection has applied a position: read-your-writes without polling.

The runner sends one notification per batch. They are heard on a connection of their own, and the
positions are read again after LISTEN, after every reconnection, in quiet times, and when a wait
reaches its limit, so that a lost notification costs time but never an answer.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from infra.postgres import Connection, DatabaseUnavailable, Pool, connect
from infra.waiting import under_way
from projections.layouts import KNOWN, Layouts, LayoutUnknown, come_in
from projections.store import CHANNEL

QUIET_SECONDS: Final = 10.0
"""Without a notification for so long, the positions are read to see that the line still stands."""
RECONNECT_SECONDS: Final = (0.1, 3.0)
LAST_LOOK_SECONDS: Final = 1.0
NEVER_STALE: Final = frozenset({"access_state"})
"""Projections of which nobody may be given a stale answer: a withdrawal would go unseen."""
Otherwise = Literal["error", "stale"]
"""What a caller wants if the position is not reached in time."""
_log = structlog.get_logger(__name__)


class Tracked(NamedTuple):
    """One projection's way through one partition."""

    projection: str
    topic: str
    partition: int


class PositionTimeout(Exception):
    """The projection has not applied the position in time; `reached` is where it stands."""

    def __init__(self, tracked: Tracked, position: int, reached: int) -> None:
        super().__init__(
            f"The projection {tracked.projection} has applied {tracked.topic}-{tracked.partition} "
            f"up to {reached}, not yet {position}: try again, and look at its health."
        )
        self.reached = reached


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a projection stands, by partition; `complete` if that is all that was waited for."""

    positions: Mapping[int, int]
    complete: bool


class PositionWaiter:
    """Knows how far every projection is, and lets callers wait; says which layouts readers know.

    One per process: `start`, any number of `wait` at the same time, `stop`; or `async with`.
    """

    def __init__(self, dsn: str, pool: Pool, layouts: Mapping[str, Layouts] | None = None) -> None:
        self._dsn = dsn
        self._pool = pool
        self._layouts = KNOWN if layouts is None else layouts
        self._reached: dict[Tracked, int] = {}
        self._waiting: defaultdict[Tracked, set[tuple[int, asyncio.Future[int]]]]
        self._waiting = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begins to listen, as `start` does."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops listening."""
        await self.stop()

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            DatabaseUnavailable: the database does not answer.
            LayoutUnknown: a live version has columns that this release does not know.
        """
        listening = asyncio.Event()
        self._task = asyncio.create_task(self._listen(listening))
        await under_way(self._task, listening)

    async def stop(self) -> None:
        """Stops listening; waits under way end at their limit."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def waits(self) -> int:
        """How many are waiting now."""
        return sum(map(len, self._waiting.values()))

    def current(self, projection: str, topic: str, partition: int) -> int:
        """How far the projection is, as far as is known here; 0 before the first news."""
        return self._reached.get(Tracked(projection, topic, partition), 0)

    async def wait(
        self,
        projection: str,
        topic: str,
        partition: int,
        position: int,
        timeout: float,  # noqa: ASYNC109 - the limit includes a last look at the database
    ) -> int:
        """The position reached, once it is at least `position`.

        Raises:
            PositionTimeout: not within `timeout` seconds.
        """
        found = await self.reach(projection, topic, {partition: position}, timeout)
        return found.positions[partition]

    async def reach(
        self,
        projection: str,
        topic: str,
        wanted: Mapping[int, int],
        timeout: float,  # noqa: ASYNC109 - the limit includes a last look at the database
        otherwise: Otherwise = "error",
    ) -> Reached:
        """Waits for positions of several partitions, all within one limit.

        Raises:
            PositionTimeout: not within `timeout` seconds, and `otherwise` is not `stale`.
            ValueError: a stale answer is wanted of a projection that never gives one.
        """
        if otherwise == "stale" and projection in NEVER_STALE:
            raise ValueError(f"a stale answer of {projection} is never given")
        tracked = {one: Tracked(projection, topic, one) for one in wanted}
        # Mostly it is there already, and nothing is waited for.
        if any(self._reached.get(tracked[one], 0) < wanted[one] for one in wanted):
            await self._arrivals({tracked[one]: wanted[one] for one in wanted}, timeout)
        found = {one: self._reached.get(tracked[one], 0) for one in wanted}
        late = [one for one, position in wanted.items() if found[one] < position]
        if late and otherwise == "error":
            raise PositionTimeout(tracked[late[0]], wanted[late[0]], found[late[0]])
        return Reached(found, not late)

    async def _arrivals(
        self,
        wanted: Mapping[Tracked, int],
        timeout: float,  # noqa: ASYNC109 - the limit includes a last look at the database
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                for tracked, position in wanted.items():
                    await self._arrival(tracked, position)
        except TimeoutError:
            await self._last_look()

    async def _arrival(self, tracked: Tracked, position: int) -> None:
        if self._reached.get(tracked, 0) >= position:
            return
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        entry = (position, future)
        self._waiting[tracked].add(entry)
        try:
            await future
        finally:
            self._waiting[tracked].discard(entry)

    async def _last_look(self) -> None:
        with suppress(psycopg.Error, PoolTimeout, TimeoutError):
            async with (
                asyncio.timeout(LAST_LOOK_SECONDS),
                self._pool.connection() as connection,
            ):
                await self._read(connection)

    async def _listen(self, listening: asyncio.Event) -> None:
        delay = RECONNECT_SECONDS[0]
        while True:
            try:
                async with connect(self._dsn, autocommit=True) as connection:
                    await come_in(connection, self._layouts)
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._read(connection, afresh=True)
                    listening.set()
                    delay = RECONNECT_SECONDS[0]
                    await self._hear(connection)
            except (DatabaseUnavailable, LayoutUnknown, psycopg.Error) as error:
                if not listening.is_set():
                    raise
                if isinstance(error, LayoutUnknown):
                    self._reached.clear()
                _log.warning("positions are not heard, trying again", error=type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(2 * delay, RECONNECT_SECONDS[1])

    async def _hear(self, connection: Connection) -> None:
        while True:
            async for notice in connection.notifies(timeout=QUIET_SECONDS):
                self._take(notice.payload)
            await self._read(connection)

    async def _read(self, connection: Connection, *, afresh: bool = False) -> None:
        """Takes the stored positions over; `afresh` forgets what was known, as it may be undone."""
        cursor = await connection.execute(
            "SELECT projection, topic, partition, position FROM projection_position"
        )
        rows = await cursor.fetchall()
        if afresh:
            self._reached.clear()
        for projection, topic, partition, position in rows:
            self._reach(Tracked(projection, topic, partition), position)

    def _take(self, payload: str) -> None:
        projection, topic, *moves = payload.split(" ")
        for move in moves:
            partition, _, position = move.partition(":")
            self._reach(Tracked(projection, topic, int(partition)), int(position))

    def _reach(self, tracked: Tracked, position: int) -> None:
        reached = max(position, self._reached.get(tracked, 0))
        self._reached[tracked] = reached
        for wanted, future in tuple(self._waiting.get(tracked, ())):
            if wanted <= reached and not future.done():
                future.set_result(reached)
