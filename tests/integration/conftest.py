"""Integration tests share the servers of `tests.fixtures_infra`; each keeps to its own names."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from _pytest.nodeid import coerce_node_id
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.settings import Settings


@pytest.fixture
async def fresh_database(settings: Settings) -> AsyncIterator[str]:
    """Connection string of an empty database of the test's own."""
    async with _database(settings) as made:
        yield made


@pytest.fixture
async def second_database(settings: Settings) -> AsyncIterator[str]:
    """Another one, for a vault beside the projections."""
    async with _database(settings) as made:
        yield made


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    dsn = settings.dsn
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(dsn, dbname=name)
        await connection.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each operation of the OpenAPI document an id of its own.

    Schemathesis gives all of them one, and of one id several processes run a single test.
    """
    seen: Counter[str] = Counter()
    for item in items:
        seen[item.nodeid] += 1
        if seen[item.nodeid] > 1:
            item._id = coerce_node_id(f"{item.nodeid}[{seen[item.nodeid]}]")
