"""Looks into a stage's state in memory, which the stage itself reads by key only."""

from typing import Any, TypeVar

from streams.engine.tables import MemoryStore, StateTables, Table

K = TypeVar("K")
V = TypeVar("V")


def entries(table: Table[K, V]) -> dict[K, V]:
    """Every entry of a table that was never kept or swept."""
    return {key: found[1] for key, found in table._dirty.items() if found is not None}


def content(state: Any) -> dict[bytes, bytes]:
    """Everything that a state over a store in memory holds, as the store would keep it."""
    tables: StateTables = state._tables
    store = tables._backing
    assert isinstance(store, MemoryStore)
    held = {**store.content, **dict(tables.changes())}
    return {key: value for key, value in held.items() if value is not None}
