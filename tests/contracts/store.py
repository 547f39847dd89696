"""What every store of a partition's state must do, whatever it is made of.

Inherit from `StoreContract` and give a fixture `reopen`, which answers what a process finds that
starts after the last one.
"""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import strategies as st

from streams.engine.tables import NOTHING, Layout, Mark, Position, Store, Table

Reopen = Callable[[], Awaitable[Store]]
NOW: Final = datetime(2026, 11, 26, 8, tzinfo=UTC)
LASTING: Final = Layout[str, int]("n", str.encode, lambda n: str(n).encode(), int, cached=4)
YEARLY: Final = Layout[str, int](
    "y", str.encode, lambda n: str(n).encode(), int, horizon=timedelta(days=366)
)
FIRST: Final = Position(7, (("facts", Mark(3, "aa")), ("receipts", Mark(9, "bb"))))
SECOND: Final = Position(8, (("facts", Mark(3, "aa")), ("receipts", Mark(11, "cc"))))


class StoreContract:
    """Inherit, and add the fixture `reopen`."""

    async def test_a_new_store_is_empty_and_reflects_nothing(self, reopen: Reopen) -> None:
        store = await reopen()
        assert store.position == NOTHING
        assert store.tables.table(LASTING).get("a") is None

    async def test_what_was_kept_is_found_again_with_its_position(self, reopen: Reopen) -> None:
        store = await reopen()
        table = store.tables.table(LASTING)
        for number in range(40):
            table.put(f"key-{number}", number)
        table.delete("key-3")
        store.keep(FIRST)
        assert (table.get("key-2"), table.get("key-3"), table.get("key-39")) == (2, None, 39)
        again = await reopen()
        assert again.position == FIRST
        found = again.tables.table(LASTING)
        assert [found.get(f"key-{number}") for number in (0, 3, 39, 40)] == [0, None, 39, None]

    async def test_changes_are_seen_at_once_and_lost_unless_they_are_kept(
        self, reopen: Reopen
    ) -> None:
        store = await reopen()
        table = store.tables.table(LASTING)
        table.put("a", 1)
        table.put("b", 1)
        store.keep(FIRST)
        table.put("a", 2)
        table.delete("b")
        table.put("c", 3)
        assert (table.get("a"), table.get("b"), table.get("c")) == (2, None, 3)
        again = await reopen()
        found = again.tables.table(LASTING)
        assert again.position == FIRST
        assert (found.get("a"), found.get("b"), found.get("c")) == (1, 1, None)

    async def test_what_changes_after_a_seal_is_seen_at_once_and_kept_by_the_next(
        self, reopen: Reopen
    ) -> None:
        store = await reopen()
        table = store.tables.table(LASTING)
        for name in "abc":
            table.put(name, 1)
        store.tables.seal()
        table.put("a", 2)
        table.delete("b")
        assert [table.get(name) for name in "abc"] == [2, None, 1]
        store.keep(FIRST)
        assert [table.get(name) for name in "abc"] == [2, None, 1]
        store.keep(SECOND)
        again = await reopen()
        found = again.tables.table(LASTING)
        assert (again.position, [found.get(name) for name in "abc"]) == (SECOND, [2, None, 1])

    async def test_keeping_what_was_sealed_keeps_nothing_later(self, reopen: Reopen) -> None:
        store = await reopen()
        table = store.tables.table(LASTING)
        table.put("a", 1)
        store.tables.seal()
        table.put("a", 2)
        table.put("b", 2)
        store.keep(FIRST)
        again = await reopen()
        found = again.tables.table(LASTING)
        assert (again.position, found.get("a"), found.get("b")) == (FIRST, 1, None)

    async def test_changes_are_sealed_one_after_the_other_bad(self, reopen: Reopen) -> None:
        store = await reopen()
        store.tables.seal()
        with pytest.raises(ValueError, match="not settled"):
            store.tables.seal()
        store.tables.settle(kept=False)
        store.tables.seal()

    async def test_later_changes_replace_earlier_ones(self, reopen: Reopen) -> None:
        store = await reopen()
        table = store.tables.table(LASTING)
        table.put("a", 1)
        store.keep(FIRST)
        table.delete("a")
        table.put("b", 2)
        store.keep(SECOND)
        found = await reopen()
        assert found.position == SECOND
        again = found.tables.table(LASTING)
        assert (again.get("a"), again.get("b")) == (None, 2)

    async def test_tables_do_not_see_each_other(self, reopen: Reopen) -> None:
        store = await reopen()
        store.tables.table(LASTING).put("a", 1)
        store.tables.table(YEARLY).put("a", 2)
        store.keep(FIRST)
        again = await reopen()
        assert again.tables.table(LASTING).get("a") == 1
        assert again.tables.table(YEARLY).get("a") == 2

    async def test_past_its_horizon_an_entry_is_absent_whether_the_store_holds_it_or_not(
        self, reopen: Reopen
    ) -> None:
        store = await reopen()
        lasting, yearly = store.tables.table(LASTING), store.tables.table(YEARLY)
        store.tables.at(NOW)
        lasting.put("a", 1)
        yearly.put("a", 1)
        store.keep(FIRST)
        for days, seen in ((0, 1), (366, 1), (367, None), (400, None)):
            store.tables.at(NOW + timedelta(days=days))
            assert (yearly.get("a"), lasting.get("a")) == (seen, 1)
        store.tables.at(NOW)
        assert yearly.get("a") == 1

    async def test_a_store_that_was_set_aside_is_empty_when_it_is_opened_again(
        self, reopen: Reopen
    ) -> None:
        store = await reopen()
        store.tables.table(LASTING).put("a", 1)
        store.keep(FIRST)
        await store.set_aside("ahead")
        again = await reopen()
        assert again.position == NOTHING
        assert again.tables.table(LASTING).get("a") is None

    async def test_a_name_is_one_tables_only_bad(self, reopen: Reopen) -> None:
        store = await reopen()
        store.tables.table(LASTING)
        with pytest.raises(ValueError, match="'n' cannot be made"):
            store.tables.table(LASTING)


Act = tuple[str, int, int]
ACTS: Final = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "seal", "keep", "drop"]),
        st.integers(0, 9),
        st.integers(0, 99),
    ),
    max_size=60,
)


def agrees(store: Store, acts: list[Act]) -> Iterator[bool]:
    """Whether a table over `store` reads like a dictionary that undoes what is not kept."""
    table: Table[str, int] = store.tables.table(LASTING)
    kept: dict[str, int] = {}
    held: dict[str, int] = {}
    sealed: dict[str, int] | None = None
    for number, (act, name, value) in enumerate(acts):
        key = str(name)
        if act == "put":
            table.put(key, value)
            held[key] = value
        elif act == "delete":
            table.delete(key)
            held.pop(key, None)
        elif act == "seal":
            if sealed is None:
                store.tables.seal()
                sealed = dict(held)
        elif act == "keep":
            store.keep(Position(number))
            kept, sealed = dict(held) if sealed is None else sealed, None
        else:
            store.tables.settle(kept=False)
            held, sealed = dict(kept), None
        yield all(table.get(str(one)) == held.get(str(one)) for one in range(10))
