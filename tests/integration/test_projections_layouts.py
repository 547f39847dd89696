"""A version with another set of columns: built beside the live one and switched to, or refused."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from psycopg import sql

from infra.settings import Settings
from projections import queries
from projections.folds import product_recall
from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Upsert
from projections.layouts import Layouts, LayoutUnknown
from projections.positions import PositionWaiter
from projections.rebuild import Options, rebuild
from projections.shells import History, ProductRecall
from projections.verify import verify
from projections.versions import VersionRefused, versions
from schemas.dispensation import LineSummary
from schemas.keyvault import Shredded
from tests.integration.projections_world import World, opened, running
from tests.integration.test_projections_versions import (
    filled,
    history,
    live_with,
    reading,
    seen,
)

pytestmark = pytest.mark.integration

TABLES = sql.SQL("""
CREATE TABLE dispensation (
    delivered_month date NOT NULL, pharmacy text NOT NULL, dguid text NOT NULL,
    version integer NOT NULL, status text NOT NULL, event_type text NOT NULL, ce_id text NOT NULL,
    subject text NOT NULL, generation integer NOT NULL, period text NOT NULL,
    delivered_at timestamptz NOT NULL, returns_index text, sealed bytea NOT NULL, score smallint,
    warnings text[] NOT NULL, channel text NOT NULL DEFAULT 'pharmacy',
    recorded_partition integer NOT NULL, recorded_position bigint NOT NULL,
    superseded_position bigint,
    PRIMARY KEY (delivered_month, pharmacy, dguid, version)
) PARTITION BY RANGE (delivered_month)
""")
INDEXES = sql.SQL("""
CREATE INDEX IF NOT EXISTS dispensation_of_subject ON dispensation
    (subject, delivered_at DESC, pharmacy, dguid, version);
CREATE INDEX IF NOT EXISTS dispensation_of_channel ON dispensation (channel, delivered_at)
""")
BOTH = Layouts(1, 2, TABLES, INDEXES)
WITH_UNITS = Layouts(
    1,
    2,
    sql.SQL("""
    CREATE TABLE line (
        pharmacy text NOT NULL, dguid text NOT NULL, version integer NOT NULL,
        product_index text NOT NULL, units integer NOT NULL, subject text NOT NULL,
        generation integer NOT NULL, delivered_at timestamptz NOT NULL,
        recorded_partition integer NOT NULL, recorded_position bigint NOT NULL,
        superseded_position bigint, PRIMARY KEY (pharmacy, dguid, version, product_index)
    )
    """),
)


class LaterHistory(History):
    """A release whose history has no product index, and tells the channel."""

    layouts = BOTH


def fold_with_units(
    fact: product_recall.Fact,
    content: product_recall.Content | Shredded | None,
    recorded: Recorded,
    index_key: bytes,
) -> tuple[Change, ...]:
    return tuple(
        Upsert(change.table, {**change.row, "units": content.units})
        if isinstance(change, Upsert) and isinstance(content, LineSummary)
        else change
        for change in product_recall.fold(fact, content, recorded, index_key)
    )


class LaterRecall(ProductRecall):
    """A release that tells how many units a line has, and no batch."""

    layouts = WITH_UNITS
    _changes = staticmethod(fold_with_units)


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


@asynccontextmanager
async def reader_of(
    world: World, layouts: Mapping[str, Layouts] | None = None
) -> AsyncIterator[PositionWaiter]:
    waiter = PositionWaiter(world.settings.dsn, world.pool, layouts)
    await waiter.start()
    try:
        yield waiter
    finally:
        await waiter.stop()


async def columns(world: World, schema: str) -> set[object]:
    found = await world.rows(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{schema}'::regclass AND attnum > 0"
    )
    return {name for (name,) in found}


async def test_a_version_with_other_columns_takes_over_under_readers_once_all_know_it(
    world: World,
) -> None:
    await filled(world)
    await live_with(world, history(world))
    before = await columns(world, "history_v1.dispensation")
    later = LaterHistory(world.vault, world.topic)

    # A reader of the release before is connected: it would look for what is gone.
    with pytest.raises(VersionRefused, match="1 processes that read or follow history"):
        await rebuild(world.settings, later)
    states = [(one.version, one.state, one.layout) for one in await versions(world.connection)]
    assert states == [(1, "live", 1), (2, "building", 2)]
    await world.waiter.stop()

    # Readers and runners of the release that knows both go on throughout.
    async with reader_of(world, {"history": BOTH}) as world.waiter, running(world, later) as runner:
        await world.caught_up()
        rows = len(await seen(world))
        async with reading(world) as counts:
            await world.publish([await world.facts.registered("meanwhile")])
            report = await rebuild(world.settings, later)
            await world.publish([await world.facts.registered("afterwards")])
            await world.caught_up()
            assert runner.health.ready
        assert (report.outcome, report.version, report.resumed) == ("live", 2, True)
        assert counts == sorted(counts), "a reader lost sight of rows"
        assert len(await seen(world)) == rows + 2
        after = await columns(world, "history_v1.dispensation")
        assert (after - before, before - after) == ({"channel"}, {"product_index"})
        assert await columns(world, "history_v1_b1.dispensation") == before
        assert (await verify(world.settings, later, memory=False)).equal

    # The release before neither reads nor follows it, and says why.
    with pytest.raises(LayoutUnknown, match="history has layout 2"):
        async with reader_of(world):
            pass
    async with running(world, history(world)) as former:
        reason = await former.health.until("history", "stopped")
    assert reason == f"layout_unknown ({world.topic})"
    stored = await queries.failure(world.connection, projection="history")
    assert stored is not None
    assert stored.category == "layout_unknown"


async def test_a_column_that_the_fold_fills_is_built_and_verified_in_all_three_ways(
    world: World,
) -> None:
    await filled(world, 9)
    later = LaterRecall(world.vault, world.topic)
    await world.waiter.stop()
    async with reader_of(world, {"product_recall": WITH_UNITS}) as world.waiter:
        await live_with(world, ProductRecall(world.vault, world.topic))
        with pytest.raises(VersionRefused, match="without --from-snapshot"):
            await rebuild(world.settings, later, options=Options(from_snapshot=True))
        async with running(world, later):
            await world.publish([await world.facts.registered("of both releases", batch="lot")])
            await world.caught_up("product_recall")
            assert (await rebuild(world.settings, later)).outcome == "live"
        found = await world.rows("SELECT DISTINCT units FROM product_recall_v1.line")
        assert found == [(1,)]
        assert (await verify(world.settings, later)).equal
