"""State on disk: what is trusted, what is set aside, and what a full disk does."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from streams.engine import store as stores
from streams.engine.failure import StoreDistrusted, StoreStalled, StoreUnavailable
from streams.engine.restore import keep_store
from streams.engine.store import RocksStore, uninterrupted
from streams.engine.tables import NOTHING, Distrust, Position
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


def _open(root: Path, fold: str = "3", partition: int = 5) -> RocksStore:
    return RocksStore.open(root, "quality", partition, fold)


@pytest.fixture
async def reopen(tmp_path: Path) -> AsyncIterator[Reopen]:
    opened: list[RocksStore] = []

    async def let_go() -> None:
        for one in opened:
            if one not in aside:
                await one.close()
        opened.clear()

    aside: list[RocksStore] = []

    async def made() -> RocksStore:
        await let_go()
        opened.append(_open(tmp_path))
        intact = opened[-1].set_aside

        async def noted(reason: Distrust) -> None:
            aside.append(opened[-1])
            await intact(reason)

        opened[-1].set_aside = noted  # type: ignore[method-assign]
        return opened[-1]

    yield made
    await let_go()


class TestRocks(StoreContract):
    pass


def _filled(root: Path, **how: Any) -> None:
    """Leaves a store with one entry behind."""
    store = _open(root, **how)
    store.tables.table(LASTING).put("a", 1)
    store.keep(FIRST)
    store.let_go()


def _asides(root: Path) -> list[str]:
    return sorted(one.name for one in root.glob("quality/5/aside-*"))


def _damage(pattern: str, content: bytes | None) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        for file in (root / "quality/5/store").glob(pattern):
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)

    return damage


def _of_another(root: Path) -> None:
    """The folder of another partition, moved here by a restored backup."""
    shutil.rmtree(root / "quality/5")
    _filled(root, partition=6)
    (root / "quality/6").rename(root / "quality/5")


def _rewritten(**changes: Any) -> Callable[[Path], None]:
    def rewrite(root: Path) -> None:
        store = _open(root)
        meta = json.loads(store.read(stores._META) or b"")
        store._database.put(stores._META, json.dumps({**meta, **changes}).encode())
        store.let_go()

    return rewrite


def _without_meta(root: Path) -> None:
    store = _open(root)
    store._database.delete(stores._META)
    store.let_go()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damage("CURRENT", b"nothing"), "corrupt"),
        (_damage("MANIFEST-*", b"nothing"), "corrupt"),
        (_damage("MANIFEST-*", None), "corrupt"),
        (_rewritten(format=2), "newer"),
        (_rewritten(format=0), "outdated"),
        (_rewritten(fold="4"), "newer"),
        (_rewritten(fold="2"), "outdated"),
        (_rewritten(fold="old"), "outdated"),
        (_rewritten(stage="subject"), "foreign"),
        (_rewritten(marks=[]), "corrupt"),
        (_rewritten(source="x"), "corrupt"),
        (_of_another, "foreign"),
        (_without_meta, "foreign"),
    ],
)
def test_a_store_that_cannot_be_trusted_is_set_aside_bad(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    _filled(tmp_path)
    spoil(tmp_path)
    store = _open(tmp_path)
    assert store.position == NOTHING
    assert store.tables.table(LASTING).get("a") is None
    assert _asides(tmp_path) == [f"aside-1-{reason}"]
    store.let_go()


def test_a_damaged_block_that_is_read_later_asks_for_setting_aside_bad(tmp_path: Path) -> None:
    store = _open(tmp_path)
    table = store.tables.table(LASTING)
    for number in range(3000):
        table.put(str(number), number)
    store.keep(FIRST)
    store._database.flush()
    store.let_go()
    for file in (tmp_path / "quality/5/store").glob("*.sst"):
        content = bytearray(file.read_bytes())
        middle = len(content) // 3
        content[middle : middle + 500] = bytes(500)
        file.write_bytes(content)
    spoiled = _open(tmp_path)
    found = spoiled.tables.table(LASTING)
    with pytest.raises(StoreDistrusted) as caught:
        _ = [found.get(str(number)) for number in range(3000)]
    assert caught.value.reason == "corrupt"
    asyncio.run(spoiled.set_aside("corrupt"))
    assert _asides(tmp_path) == ["aside-1-corrupt"]


def test_only_the_latest_stores_set_aside_are_kept(tmp_path: Path) -> None:
    for _ in range(5):
        asyncio.run(_open(tmp_path).set_aside("ahead"))
    assert _asides(tmp_path) == ["aside-4-ahead", "aside-5-ahead"]


def test_a_partition_whose_store_another_process_holds_gets_one_of_its_own(tmp_path: Path) -> None:
    _filled(tmp_path)
    frozen = _open(tmp_path)
    other = _open(tmp_path)
    assert (frozen.position, other.position) == (FIRST, NOTHING)
    frozen.let_go()
    third = _open(tmp_path)
    assert third.position == FIRST
    third.let_go()
    other.let_go()


def test_folders_without_end_are_not_made_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MAX_SLOTS", 1)
    held = _open(tmp_path)
    with pytest.raises(StoreUnavailable, match="folders of partition 5"):
        _open(tmp_path)
    held.let_go()


def test_a_place_where_no_folder_can_be_is_trouble_to_wait_out_bad(tmp_path: Path) -> None:
    (tmp_path / "quality").write_text("a file")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        _open(tmp_path)


def test_entries_far_past_their_horizon_leave_the_disk_as_others_are_written(
    tmp_path: Path,
) -> None:
    store = _open(tmp_path)
    yearly, lasting = store.tables.table(YEARLY), store.tables.table(LASTING)
    store.tables.at(NOW)
    for number in range(50):
        yearly.put(str(number), number)
        lasting.put(str(number), number)
    store.keep(FIRST)
    store.tables.at(NOW + timedelta(days=400))
    for number in range(150):
        yearly.put(f"new-{number}", number)
    store.keep(FIRST)
    for _ in range(4):
        for number in range(120):
            lasting.put(f"more-{number}", number)
        store.keep(FIRST)
    database: Any = store._database
    held = [bytes(key) for key in database.keys()]  # noqa: SIM118 - no dictionary
    assert sum(key.startswith(b"y\0new-") for key in held) == 150
    assert [key for key in held if key.startswith(b"y\0") and b"new" not in key] == []
    assert sum(key.startswith(b"n\0") for key in held) == 170
    store.let_go()


@given(ACTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_a_table_on_disk_reads_like_a_dictionary(tmp_path: Path, acts: list[Act]) -> None:
    shutil.rmtree(tmp_path / "quality", ignore_errors=True)
    store = _open(tmp_path)
    assert all(agrees(store, acts))
    store.let_go()


class _Full:
    """A database on a disk that fills up: `errors` are what its writes say in turn."""

    def __init__(self, behind: Any, errors: list[str]) -> None:
        self._behind = behind
        self._errors = errors

    def write(self, *arguments: Any) -> None:
        if self._errors:
            raise OSError(self._errors.pop(0))
        self._behind.write(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


def _full(store: RocksStore, *errors: str) -> None:
    database: Any = _Full(store._database, list(errors))
    store._database = database


def test_a_write_that_fails_writes_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    store = _open(tmp_path)
    store.tables.table(LASTING).put("a", 1)
    _full(store, "IO error: No space left on device: While appending to file")
    with pytest.raises(StoreUnavailable, match="No space left"):
        store.keep(FIRST)
    assert (store.position, store.read(stores._META)) == (NOTHING, None)
    store.keep(FIRST)
    assert store.position == FIRST
    store.let_go()


async def test_a_store_behind_its_own_writes_is_waited_for_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.engine.restore.STALL_SECONDS", 0)
    monkeypatch.setattr("streams.engine.restore.STALLS", 3)
    store = _open(tmp_path)
    stall = "Result incomplete: Write stall"
    _full(store, stall, stall)
    await keep_store(store, 7, dict(FIRST.marks))
    assert store.position == FIRST
    _full(store, stall, stall, stall)
    with pytest.raises(StoreUnavailable, match="does not catch up") as caught:
        await keep_store(store, 8, {})
    assert not isinstance(caught.value, StoreStalled)
    await keep_store(store, 8, {})
    assert store.position == Position(8, FIRST.marks)
    store.let_go()


async def test_work_in_a_thread_that_nobody_waits_for_any_more_is_undone() -> None:
    undone: list[str] = []
    ready, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> str:
        loop.call_soon_threadsafe(ready.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return "opened"

    task = asyncio.create_task(uninterrupted(work, undo=undone.append))
    await ready.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == ["opened"]
