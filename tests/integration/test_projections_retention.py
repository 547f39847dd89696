"""Rows leave on their day, months when they are over, secrets with them; a rebuild agrees."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from infra.postgres import connect
from infra.settings import Settings
from projections.rebuild import rebuild
from projections.retention import RETENTION_LOCK, retain
from projections.shells import History, ProductRecall
from projections.verify import verify
from schemas.keyvault import DestroyedPeriod
from tests.integration.projections_world import NOON, World, opened, running

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


async def months(world: World) -> list[object]:
    found = await world.rows(
        "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
        " AND relnamespace = 'history_v1'::regnamespace ORDER BY 1"
    )
    return [row[0] for row in found]


async def rows(world: World) -> list[object]:
    found = await world.rows("SELECT delivered_at FROM history_v1.dispensation ORDER BY 1")
    return [row[0] for row in found]


async def test_what_is_a_year_old_goes_with_its_secret_and_a_rebuild_equals_what_is_left(
    world: World,
) -> None:
    late, april = NOON.replace(day=20), NOON.replace(month=4, day=2)
    for name, at in (("a", NOON), ("b", late), ("c", april)):
        await world.publish([await world.facts.registered(name, at=at, batch="lot")])
    both = History(world.vault, world.topic), ProductRecall(world.vault, world.topic)
    async with running(world, *both):
        for one in both:
            await world.caught_up(one.name)

    before = await retain(world.settings, world.vault, datetime(2027, 3, 9, 22, tzinfo=UTC))
    assert (before.rows, before.months) == (0, 0)
    day = await retain(world.settings, world.vault, datetime(2027, 3, 9, 23, tzinfo=UTC))
    assert (day.rows, day.months) == (2, 0)
    assert await rows(world) == [late, april]
    secret = (await world.vault.period_secrets([NOON.date()]))[NOON.date()]
    assert isinstance(secret, DestroyedPeriod)
    for one in both:
        assert (await verify(world.settings, one)).equal

    month = await retain(world.settings, world.vault, datetime(2027, 4, 1, 12, tzinfo=UTC))
    assert (month.rows, month.months) == (2, 1)
    assert await months(world) == ["dispensation_2026_04"]
    again = await retain(world.settings, world.vault, datetime(2027, 4, 1, 12, tzinfo=UTC))
    assert (again.periods, again.rows, again.months) == (0, 0, 0)
    for one in both:
        assert (await rebuild(world.settings, one)).outcome == "live"
    assert await rows(world) == [april]


async def test_one_process_does_it_at_a_time(world: World) -> None:
    async with connect(world.settings.dsn, autocommit=True) as other:
        await other.execute("SELECT pg_advisory_lock(%s)", (RETENTION_LOCK,))
        found = await retain(world.settings, world.vault, NOON.replace(year=2027))
    assert not found.done
