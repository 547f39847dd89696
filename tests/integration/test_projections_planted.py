"""Whatever table a wrong row stands in, verification finds it: changed, missing and doubled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from psycopg import sql

from infra.settings import Settings
from projections.clones import primary_keys
from projections.folds import surveillance
from projections.hashing import columns_of
from projections.rebuild import rebuild
from projections.shells import (
    ProductRecall,
    Projection,
    access_log_projection,
    access_state_projection,
    quality_projection,
    surveillance_projection,
)
from projections.surveillance_store import leave
from projections.verify import MEMORY, REBUILT, Verification, verify
from schemas import subject
from schemas.receipts import GAP_CLOSED, GAP_NOTICED, GapClosed, GapNoticed
from tests.integration.projections_world import (
    PHARMACY,
    Output,
    World,
    opened,
    running,
)
from tests.integration.test_projections_others import (
    ANN,
    DOCTOR,
    HOLDER,
    LATER,
    decision,
    exclusion,
    grant,
    half,
    link,
    parent,
    receipt,
    registered,
)

pytestmark = pytest.mark.integration
Made = tuple[Projection, Sequence[Output]]


@pytest.fixture
async def world(settings: Settings, fresh_database: str, topic: str) -> AsyncIterator[World]:
    async with opened(settings, fresh_database, topic) as made:
        yield made


async def _access_state(world: World) -> Made:
    return access_state_projection(world.topic), [
        registered(world, subject.ConsentGiven),
        link(world, "link-one"),
        exclusion(world, DOCTOR),
        grant(world, "mandate-one"),
        parent(world),
        registered(world, subject.DeathDeclared, death="death-one"),
        half(world, ANN, HOLDER, "surviving"),
    ]


async def _access_log(world: World) -> Made:
    return access_log_projection(world.topic), [decision(1), decision(2)]


async def _surveillance(world: World) -> Made:
    # What has left is in the log still, and in no row.
    await leave(world.connection, LATER.date())
    later = [decision(2, LATER), decision(3, LATER + timedelta(hours=1))]
    return surveillance_projection(world.topic), [decision(1), *later]


async def _quality(world: World) -> Made:
    gap = GapNoticed(publisher=PHARMACY, epoch="e", first=2, last=3)
    closed = GapClosed(publisher=PHARMACY, epoch="e", number=3)
    return quality_projection(world.topic), [
        receipt(world, 0),
        receipt(world, 1, "cnk_checksum"),
        world.facts.output(GAP_NOTICED, gap),
        world.facts.output(GAP_CLOSED, closed),
    ]


async def _product_recall(world: World) -> Made:
    lines = [await world.facts.registered(name, batch="lot") for name in ("a", "b")]
    return ProductRecall(world.vault, world.topic), lines


FILLED: dict[str, Callable[[World], Awaitable[Made]]] = {
    "access_state": _access_state,
    "access_log": _access_log,
    "surveillance": _surveillance,
    "quality": _quality,
    "product_recall": _product_recall,
}
_OTHER = {"text": "'z' || {0}", "int4": "{0} + 1000", "int8": "{0} + 1000", "date": "{0} + 1000"}
_ONE = "ctid = (SELECT min(ctid) FROM {0})"


def _changed(table: str) -> str:
    """A number of every row, which a wrong one has otherwise."""
    return "reads" if table == surveillance.DAY else "recorded_partition"


async def _planted(world: World, schema: str, table: str, key: Sequence[str]) -> dict[str, str]:
    """Statements that put one wrong row of each kind into a table."""
    name = sql.Identifier(schema, table).as_string(world.connection)
    found = {one.table: one.types for one in await columns_of(world.connection, schema)}
    types, last, one = found[table], key[-1], _ONE.format(name)
    another = _OTHER[types[last]].format(last)
    names = ", ".join(types)
    doubled = ", ".join(another if column == last else column for column in types)
    return {
        "changed": f"UPDATE {name} SET {_changed(table)} = {_changed(table)} + 1 WHERE {one}",
        "missing": f"DELETE FROM {name} WHERE {one}",
        "doubled": f"INSERT INTO {name} ({names}) SELECT {doubled} FROM {name} WHERE {one}",
    }


def _require_found(found: Verification, other: str, planted: str, table: str) -> None:
    assert not found.equal
    difference = found.differences[other]
    assert difference.table == table
    expected: dict[str, Any] = {
        "changed": ((_changed(table),), None),
        "missing": ((), "live"),
        "doubled": ((), other),
    }
    assert (difference.columns, difference.missing) == expected[planted]


@pytest.mark.parametrize("name", FILLED)
async def test_a_wrong_row_in_any_table_is_found_and_named(world: World, name: str) -> None:
    projection, outputs = await FILLED[name](world)
    async with running(world, projection):
        await world.publish(outputs)
        await world.caught_up(projection.name)
    assert (await verify(world.settings, projection)).equal
    keys = await primary_keys(world.connection, projection.schema)
    assert keys == {table: list(key) for table, key in projection.primary_keys.items()}
    for table, key in keys.items():
        for planted, statement in (await _planted(world, projection.schema, table, key)).items():
            await world.connection.execute("BEGIN")
            copy = sql.Identifier(f"kept_{table}_{planted}")
            live = sql.Identifier(projection.schema, table)
            await world.connection.execute(
                sql.SQL("CREATE TABLE {} AS TABLE {}").format(copy, live)
            )
            await world.connection.execute(sql.SQL(statement))
            await world.connection.execute("COMMIT")
            # By both ways once for each table; the other kinds by the quicker one.
            found = await verify(world.settings, projection, rebuilt=planted == "changed")
            for other in found.differences:
                _require_found(found, other, planted, table)
            assert {*found.differences} == ({MEMORY, REBUILT} if planted == "changed" else {MEMORY})
            await world.connection.execute(sql.SQL("TRUNCATE {}").format(live))
            await world.connection.execute(
                sql.SQL("INSERT INTO {} SELECT * FROM {}").format(live, copy)
            )
    assert (await rebuild(world.settings, projection)).outcome == "live"
