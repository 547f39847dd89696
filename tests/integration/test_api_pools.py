"""Limits on questions to the database, and histories from a replica that may be behind."""

import uuid
from collections.abc import AsyncIterator

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from consumers.api.pools import Pools, asking, opened_pools
from consumers.api.problems import Problem
from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.runner import migrations
from projections.store import live_target
from schemas.topics import DISPENSATION_RECORDED

pytestmark = pytest.mark.integration

TOPIC = DISPENSATION_RECORDED.name


@pytest.fixture
async def own(settings: Settings, fresh_database: str) -> Settings:
    found = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(found)])
    return found


@pytest.fixture
async def pools(own: Settings) -> AsyncIterator[Pools]:
    limits = {
        "api_pool": 1,
        "api_pool_seconds": 0.2,
        "api_access_query_seconds": 1,
        "api_history_query_seconds": 20,
        "api_list_query_seconds": 30,
    }
    async with opened_pools(own.model_copy(update=limits)) as made:
        yield made


async def test_a_statement_that_takes_too_long_is_a_503_and_the_connection_lives_on(
    pools: Pools,
) -> None:
    with pytest.raises(Problem) as caught:
        async with asking(pools.access) as connection:
            await connection.execute("SELECT pg_sleep(60)")
    assert (caught.value.status, caught.value.code) == (503, "query-timeout")
    assert caught.value.headers == {"Retry-After": "1"}
    limits = []
    for connections in (pools.access, pools.histories, pools.lists):
        async with asking(connections) as connection:
            limits += await (await connection.execute("SHOW statement_timeout")).fetchall()
    assert limits == [("1s",), ("20s",), ("30s",)]


async def test_who_finds_no_free_connection_in_time_is_told_so(pools: Pools) -> None:
    async with asking(pools.lists):
        with pytest.raises(Problem) as caught:
            async with asking(pools.lists):
                raise AssertionError("the only connection is taken")
        assert (caught.value.status, caught.value.code) == (503, "busy")
        # Lists take nothing from those who decide.
        async with asking(pools.access) as other:
            await other.execute("SELECT 1")


@pytest.fixture
async def replica(own: Settings) -> AsyncIterator[str]:
    """Another database in the place of a replica: it is told of nothing, so it stands still."""
    name = f"replica_{uuid.uuid4().hex}"
    dsn = make_conninfo(own.dsn, dbname=name)
    async with connect(own.dsn, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        await migrate([migrations(own.model_copy(update={"postgres_dsn": SecretStr(dsn)}))])
        yield dsn
        await connection.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )


async def _holding(dsn: str, position: int) -> None:
    async with connect(dsn, autocommit=True) as connection:
        await live_target(connection, "history", TOPIC, "history_v1", {0: position})


async def _is_replica(connection: Connection) -> bool:
    row = await (await connection.execute("SELECT current_database()")).fetchone()
    return row is not None and str(row[0]).startswith("replica")


async def test_a_replica_answers_at_cuts_that_it_has_reached_and_the_primary_at_others(
    own: Settings, replica: str
) -> None:
    await _holding(own.dsn, 9)
    await _holding(replica, 5)
    limits = {"api_pool": 1, "api_pool_seconds": 0.2, "api_history_query_seconds": 1}
    with_replica = own.model_copy(update={"history_dsn": SecretStr(replica), **limits})
    async with opened_pools(with_replica) as pools:
        for cut, from_replica in (({0: 5}, True), ({0: 6}, False), ({0: 1, 1: 1}, False)):
            async with pools.history_at(cut) as connection:
                assert await _is_replica(connection) == from_replica, cut
        # One that gives no connection is passed over too.
        async with (
            pools.history_at({0: 5}) as taken,
            pools.history_at({0: 5}) as connection,
        ):
            assert await _is_replica(taken)
            assert not await _is_replica(connection)
        # Its own slow answers are not asked for twice.
        with pytest.raises(Problem) as caught:
            async with pools.history_at({0: 5}) as connection:
                await connection.execute("SELECT pg_sleep(60)")
        assert caught.value.code == "query-timeout"
        async with asking(pools.access) as connection:
            assert not await _is_replica(connection)
