"""Folds: rebuilt, one event at a time, or in any portions, the rows are the same."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from infra.kafka import Partition, Record
from projections.batch import fold_batch
from projections.copies import Copies
from projections.memory import Key, Row, Tables
from projections.shells import Projection
from tests.unit.projections.lives import LIVES, PEOPLE, TOPIC, Poll, lives, polls


async def _rows(projection: Projection, found: Iterable[Poll]) -> dict[str, dict[Key, Row]]:
    """The tables after these polls, as a runner folds them."""
    tables = Tables(projection.primary_keys)
    copies = {number: Copies() for number in range(len(PEOPLE))}
    for poll in found:
        batch = await fold_batch(projection, copies, poll)
        assert batch.ended is None
        tables.apply(batch.changes)
    return tables.rows


def _whole(parts: Sequence[Sequence[Record]]) -> list[Poll]:
    return [{Partition(TOPIC, number): list(part) for number, part in enumerate(parts)}]


def _singly(parts: Sequence[Sequence[Record]]) -> list[Poll]:
    return [
        {Partition(TOPIC, number): [record]} for number, part in enumerate(parts) for record in part
    ]


@pytest.mark.parametrize("name", LIVES)
def test_incremental_rebuilt_and_any_delivery_give_the_same_rows(name: str) -> None:
    projection, logs = asyncio.run(lives(name))

    @hypothesis_settings(max_examples=40, deadline=None)
    @given(polls(logs))
    def check(drawn: tuple[list[list[Record]], list[Poll]]) -> None:
        parts, delivered = drawn
        rebuilt = asyncio.run(_rows(projection, _whole(parts)))
        assert asyncio.run(_rows(projection, _singly(parts))) == rebuilt
        assert asyncio.run(_rows(projection, delivered)) == rebuilt

    check()


@pytest.mark.parametrize("name", LIVES)
def test_every_table_of_a_projection_is_reached_by_its_lives(name: str) -> None:
    projection, logs = asyncio.run(lives(name))
    rows = asyncio.run(_rows(projection, _whole(logs)))
    later = {"parent", "death", "merge"}
    assert {*rows} == {*projection.primary_keys} - later
