"""Waiting for a position: notifications that come early, late or never lose nobody's answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from infra.migrations import migrate
from infra.postgres import Connection, Pool, connect, pool
from infra.settings import Settings
from projections import positions
from projections.positions import PositionTimeout, PositionWaiter, Reached
from projections.runner import migrations
from projections.store import CHANNEL, Move, Place, Target, commit, live_target

pytestmark = pytest.mark.integration

TOPIC = "dpp.some.topic"
LONG = 60.0
"""A limit that is reached only if the product is wrong."""
SHORT = 0.05
CUT_ALL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass(slots=True)
class Table:
    """The positions of one projection, moved by hand as a runner does."""

    dsn: str
    connection: Connection
    pool: Pool
    target: Target

    async def move(self, steps: Mapping[int, tuple[int, int]]) -> None:
        """One batch that brings partitions from one position to another, and tells so."""

        async def no_rows(_: Connection) -> None:
            """The position alone matters."""

        moves = [Move(one, before, Place(after)) for one, (before, after) in steps.items()]
        await commit(self.connection, self.target, moves, no_rows)

    async def move_unheard(self, partition: int, position: int) -> None:
        """Moves without a word, as if the notification were lost."""
        await self.connection.execute(
            "UPDATE projection_position SET position = %s WHERE partition = %s",
            (position, partition),
        )


@pytest.fixture
async def table(
    settings: Settings, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Table]:
    # So that no answer comes from looking again in quiet times.
    monkeypatch.setattr(positions, "QUIET_SECONDS", 3600.0)
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    async with (
        connect(fresh_database, autocommit=True) as connection,
        pool(fresh_database) as connections,
    ):
        target = await live_target(connection, "history", TOPIC, "history_v1", {0: 0, 1: 0})
        yield Table(fresh_database, connection, connections, target)


@asynccontextmanager
async def waiting(made: PositionWaiter, position: int) -> AsyncIterator[asyncio.Task[int]]:
    """Somebody who waits for partition 0, and has begun to."""
    task = asyncio.create_task(made.wait("history", TOPIC, 0, position, LONG))
    await asyncio.sleep(0)
    assert made.waits == 1
    yield task
    await task


async def test_one_batch_is_one_notification_however_many_partitions_it_moves(
    table: Table,
) -> None:
    async with connect(table.dsn, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        await table.move({0: (0, 5), 1: (0, 7)})
        await table.move({0: (5, 6)})
        await table.connection.execute(f"NOTIFY {CHANNEL}, 'end'")
        heard = []
        async for notice in listener.notifies():
            if notice.payload == "end":
                break
            heard.append(notice.payload)
    assert heard == [f"history {TOPIC} 0:5 1:7", f"history {TOPIC} 0:6"]


async def test_what_was_notified_before_anybody_listened_is_known_at_the_start(
    table: Table,
) -> None:
    await table.move({0: (0, 5)})
    async with PositionWaiter(table.dsn, table.pool) as waiter:
        assert waiter.current("history", TOPIC, 0) == 5
        assert await waiter.wait("history", TOPIC, 0, 5, LONG) == 5


class Interrupted(PositionWaiter):
    """A waiter between whose LISTEN and first look something happens: before it, or after it."""

    def __init__(self, table: Table, *, before: bool) -> None:
        super().__init__(table.dsn, table.pool)
        self._table = table
        self._before = before

    async def _read(self, connection: Connection, *, afresh: bool = False) -> None:
        if afresh and self._before:
            await self._table.move({0: (0, 5)})
        await super()._read(connection, afresh=afresh)
        if afresh and not self._before:
            await self._table.move({0: (0, 5)})


@pytest.mark.parametrize("before", [True, False])
async def test_a_batch_between_listening_and_the_first_look_is_not_missed(
    table: Table, before: bool
) -> None:
    async with Interrupted(table, before=before) as waiter:
        assert await waiter.wait("history", TOPIC, 0, 5, LONG) == 5


async def test_a_wait_outlives_the_end_of_the_listening_connection(table: Table) -> None:
    async with (
        PositionWaiter(table.dsn, table.pool) as waiter,
        waiting(waiter, 5) as task,
    ):
        await table.connection.execute(CUT_ALL_OTHERS)
        await table.move({0: (0, 5)})
        assert await task == 5


async def test_what_was_missed_while_the_connection_was_gone_is_read_after_it_is_back(
    table: Table,
) -> None:
    async with (
        PositionWaiter(table.dsn, table.pool) as waiter,
        waiting(waiter, 5) as task,
    ):
        await table.move_unheard(0, 5)
        assert not task.done()
        await table.connection.execute(CUT_ALL_OTHERS)
        assert await task == 5


async def test_the_database_is_looked_at_once_more_at_the_limit(table: Table) -> None:
    async with PositionWaiter(table.dsn, table.pool) as waiter:
        await table.move_unheard(0, 9)
        await table.move_unheard(1, 8)
        found = await waiter.reach("history", TOPIC, {0: 9, 1: 8}, SHORT)
    assert found == Reached({0: 9, 1: 8}, complete=True)


async def test_at_the_limit_the_caller_has_chosen_between_an_error_and_a_stale_answer(
    table: Table,
) -> None:
    async with PositionWaiter(table.dsn, table.pool) as waiter:
        await table.move({0: (0, 9)})
        wanted = {0: 9, 1: 8}
        with pytest.raises(PositionTimeout) as caught:
            await waiter.reach("history", TOPIC, wanted, SHORT)
        stale = await waiter.reach("history", TOPIC, wanted, SHORT, otherwise="stale")
    assert f"{TOPIC}-1 up to 0, not yet 8" in str(caught.value)
    assert stale == Reached({0: 9, 1: 0}, complete=False)


async def test_nobody_is_given_a_stale_answer_of_access_state_bad(table: Table) -> None:
    waiter = PositionWaiter(table.dsn, table.pool)
    with pytest.raises(ValueError, match="never given"):
        await waiter.reach("access_state", TOPIC, {0: 1}, SHORT, otherwise="stale")


async def test_a_limit_that_passes_leaves_nobody_waiting(table: Table) -> None:
    async with PositionWaiter(table.dsn, table.pool) as waiter:
        for _ in range(3):
            await waiter.reach("history", TOPIC, {0: 9}, SHORT, otherwise="stale")
        assert waiter.waits == 0
