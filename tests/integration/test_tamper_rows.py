"""A superuser rewrites rows: `dpp projections verify` notices every way of it, by the log alone."""

from collections.abc import AsyncIterator

import pytest

from infra.settings import Settings
from projections.shells import History
from projections.verify import verify
from tests.integration.projections_world import World, guid_of, opened, running

pytestmark = pytest.mark.integration
ROW = f"dguid = '{guid_of('line 1')}'"
TABLE = "history_v1.dispensation"
REWRITTEN = {
    "a row updated": f"UPDATE {TABLE} SET score = 1 WHERE {ROW}",
    "a row deleted": f"DELETE FROM {TABLE} WHERE {ROW}",
    "two rows swapped": (
        f"UPDATE {TABLE} AS one SET subject = other.subject FROM {TABLE} AS other WHERE"
        f" one.{ROW} AND other.dguid = '{guid_of('other')}'"
    ),
    "a table truncated": f"TRUNCATE {TABLE}",
    "sealed bytes replaced": f"UPDATE {TABLE} SET sealed = decode('00', 'hex') WHERE {ROW}",
}
TRIGGER = f"""
CREATE FUNCTION silently() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER silently BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION silently();
ALTER TABLE {TABLE} DISABLE TRIGGER silently;
ALTER TABLE {TABLE} ENABLE TRIGGER silently;
"""
DROPPED = f"DROP TRIGGER silently ON {TABLE}"


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


async def applied(world: World, *names: str) -> None:
    people = {"other": "bob"}
    lines = [await world.facts.registered(name, people.get(name, "ann")) for name in names]
    await world.publish(lines)
    async with running(world, History(world.vault, world.topic)):
        await world.caught_up()


async def noticed(world: World) -> bool:
    found = await verify(world.settings, History(world.vault, world.topic), rebuilt=False)
    return not found.equal


async def test_rows_that_a_superuser_rewrites_are_noticed(world: World) -> None:
    await applied(world, "line 0", "line 1", "line 2", "other")
    assert not await noticed(world)
    for what, statement in REWRITTEN.items():
        await world.connection.execute("CREATE TABLE kept AS SELECT * FROM " + TABLE)
        await world.connection.execute(statement.encode())
        assert await noticed(world), what
        await world.connection.execute(f"TRUNCATE {TABLE}".encode())
        await world.connection.execute(f"INSERT INTO {TABLE} SELECT * FROM kept".encode())
        await world.connection.execute("DROP TABLE kept")
        assert not await noticed(world), what


async def test_rows_that_a_trigger_kept_out_are_noticed_when_it_is_gone_too(world: World) -> None:
    await applied(world, "line 0")
    await world.connection.execute(TRIGGER.encode())
    await applied(world, "line 1")
    await world.connection.execute(DROPPED)
    assert await noticed(world)
