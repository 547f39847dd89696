"""State as tables, over a store in memory: what is kept, what is dropped, what is over."""

from datetime import timedelta

import pytest
from hypothesis import given

from streams.engine.tables import MemoryStore, Store
from tests.contracts.store import (
    ACTS,
    FIRST,
    LASTING,
    NOW,
    YEARLY,
    Act,
    Reopen,
    StoreContract,
    agrees,
)


@pytest.fixture
def reopen() -> Reopen:
    disk = MemoryStore()

    async def made() -> Store:
        return disk.reopened()

    return made


class TestMemory(StoreContract):
    pass


@given(ACTS)
def test_a_table_reads_like_a_dictionary_whatever_is_cached(acts: list[Act]) -> None:
    assert all(agrees(MemoryStore(), acts))


def test_what_is_cached_is_bounded_and_what_falls_out_is_read_again() -> None:
    store = MemoryStore()
    table = store.tables.table(LASTING)
    for number in range(100):
        table.put(str(number), number)
    store.keep(FIRST)
    assert len(table._young) + len(table._old) <= LASTING.cached
    assert [table.get(str(number)) for number in range(100)] == list(range(100))
    assert len(table._young) + len(table._old) <= LASTING.cached
    hits, misses = store.tables.lookups
    assert hits + misses == 100
    assert table.get("99") == 99
    assert store.tables.lookups == (hits + 1, misses)


def test_only_what_is_far_past_its_horizon_may_leave_the_store() -> None:
    store = MemoryStore()
    store.tables.table(LASTING).put("a", 1)
    yearly = store.tables.table(YEARLY)
    assert not store.tables.is_over(b"y\0a", bytes(5), 0)
    store.tables.at(NOW)
    yearly.put("a", 1)
    store.keep(FIRST)
    (key,) = [key for key in store.content if key.startswith(b"y")]
    value = store.content[key]
    for days, margin, over in ((366, 0, False), (367, 0, True), (367, 86_400, False)):
        store.tables.at(NOW + timedelta(days=days))
        assert store.tables.is_over(key, value, margin) is over
    assert not store.tables.is_over(b"n\0a", bytes(5), 0)
    assert not store.tables.is_over(b"unknown", bytes(5), 0)
