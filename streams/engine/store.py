"""A partition's state on disk: one RocksDB per stage and partition, with the position it reflects.

State and position are written as one batch, after the outputs they follow from are committed, so a
store is never ahead of the log by our doing; it may be behind, and the log has the rest. Whatever a
store says of itself is checked before it is used; one that fails is set aside and rebuilt. Write
stalls are answered, not waited for: a full disk must not hold up other partitions.
"""

import asyncio
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from infra.errors import InfrastructureError
from infra.settings import Settings
from streams.engine import metrics
from streams.engine.failure import StoreDistrusted, StoreStalled, StoreUnavailable
from streams.engine.tables import NOTHING, Distrust, Mark, Position, StateTables

log = logging.getLogger(__name__)

FORMAT: Final = 1
"""Of what this module writes itself; the stage's own version is its `fold`."""
KEPT_ASIDE: Final = 2
"""How many stores that were set aside are kept for whoever wants to know why."""
MAX_SLOTS: Final = 16
SWEEP_MARGIN_SECONDS: Final = 7 * 24 * 3600
"""Beyond its horizon, before an entry leaves the disk: append times may step back a little."""
CACHE_BYTES: Final = 64 * 1024 * 1024
WRITE_BUFFER_BYTES: Final = 64 * 1024 * 1024
"""Both of the whole process, however many partitions it holds."""
_META: Final = b"\0meta"
_STALLED: Final = "Write stall"
_MISSING: Final = "No such file or directory"
"""From RocksDB itself: one of its files has gone."""
_DAMAGED: Final = ("Corruption", "Invalid argument", "Not implemented", "NotFound")
T = TypeVar("T")


class RocksStore:
    """`streams.engine.tables.Store` in a folder that no other process has open."""

    def __init__(self, folder: Path, lock: int, owner: dict[str, Any]) -> None:
        self._folder = folder
        self._lock = lock
        self._owner = owner
        self._sweep_from = b""
        self._database = _opened(folder / "store")
        try:
            self.position = self._checked()
        except BaseException:
            self._database.close()
            raise
        self.tables = StateTables(self)

    @classmethod
    def open(cls, root: Path, stage: str, partition: int, fold: str) -> Self:
        """The store of a partition below `root`, empty if there is none that can be trusted.

        Raises:
            StoreUnavailable: the disk does not let us.
        """
        owner = {"format": FORMAT, "stage": stage, "partition": partition, "fold": fold}
        with _translated():
            folder, lock = _free_folder(root / stage, partition)
        try:
            try:
                return cls(folder, lock, owner)
            except StoreDistrusted as found:
                _set_aside(folder, stage, partition, found.reason)
                return cls(folder, lock, owner)
        except BaseException:
            os.close(lock)
            raise

    def read(self, key: bytes) -> bytes | None:
        """The bytes kept under a key.

        Raises:
            StoreUnavailable: the disk does not answer.
            StoreDistrusted: the bytes are damaged.
        """
        try:
            found: bytes | None = self._database.get(key)
        except Exception as error:  # noqa: BLE001 - RocksDB raises nothing more exact
            raise _meaning(error) from None
        return found

    def keep(self, position: Position, *, sweep: bool = True) -> None:
        """Writes what was sealed, else all changes, and the position; or nothing.

        Raises:
            StoreStalled: try again soon.
            StoreUnavailable: the disk is full, or broken.
        """
        batch = WriteBatch(raw_mode=True)
        for key, value in self.tables.changes():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        count = batch.len()
        batch.put(_META, json.dumps({**self._owner, **_written(position)}).encode())
        with _translated():
            self._database.write(batch, _no_waiting())
        self.tables.settle(kept=True)
        self.position = position
        if sweep:
            with suppress(StoreStalled):
                self._sweep(count)

    async def close(self) -> None:
        """Lets go of it, so that another process may open it."""
        await uninterrupted(self.let_go)

    async def set_aside(self, reason: Distrust) -> None:
        """Keeps it for inspection, in another place."""

        def move() -> None:
            self._shut()
            try:
                with _translated():
                    _set_aside(self._folder, self._owner["stage"], self._owner["partition"], reason)
            finally:
                os.close(self._lock)

        await uninterrupted(move)

    def let_go(self) -> None:
        """What `close` does, in this thread."""
        self._shut()
        os.close(self._lock)

    def _shut(self) -> None:
        with suppress(Exception):
            # What was kept is in the write-ahead log already; an error here loses nothing.
            self._database.close()

    def _checked(self) -> Position:
        """The position, if everything else the store says of itself is as it must be."""
        raw = self.read(_META)
        if raw is None:
            if next(iter(self._database.keys()), None) is not None:
                raise StoreDistrusted("foreign")
            return NOTHING
        try:
            meta: dict[str, Any] = json.loads(raw)
            reason = _why_not(meta, self._owner)
            position = _position(meta)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StoreDistrusted("corrupt") from None
        if reason is not None:
            raise StoreDistrusted(reason)
        return position

    def _sweep(self, count: int) -> None:
        """Looks at as many entries as were written, and removes those past their horizon."""
        batch = WriteBatch(raw_mode=True)
        with _translated():
            entries = self._database.iter()
            entries.seek(self._sweep_from)
            for _ in range(count):
                if not entries.valid():
                    entries.seek_to_first()
                key = entries.key()
                if self.tables.is_over(key, entries.value(), SWEEP_MARGIN_SECONDS):
                    batch.delete(key)
                self._sweep_from = key + b"\0"
                entries.next()
            if batch.len():
                self._database.write(batch, _no_waiting())


async def open_store(settings: Settings, stage: str, partition: int, fold: str) -> RocksStore:
    """The store of a partition below the data folder, opened beside the loop.

    Raises:
        StoreUnavailable: the disk does not let us.
    """
    root = settings.data / "stages"
    return await uninterrupted(
        lambda: RocksStore.open(root, stage, partition, fold), undo=RocksStore.let_go
    )


async def uninterrupted(
    work: Callable[[], T], undo: Callable[[T], None] = lambda _result: None
) -> T:
    """Does blocking work in a thread; if this task is cancelled meanwhile, its result is undone."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(Exception):
            undo(await running)
        raise


def _written(position: Position) -> dict[str, Any]:
    marks = {topic: [mark.offset, mark.digest] for topic, mark in position.marks}
    return {"source": position.source, "marks": marks}


def _position(meta: dict[str, Any]) -> Position:
    marks = tuple(
        (str(topic), Mark(int(offset), str(digest)))
        for topic, (offset, digest) in meta["marks"].items()
    )
    return Position(int(meta["source"]), marks)


def _why_not(meta: dict[str, Any], owner: dict[str, Any]) -> Distrust | None:
    if meta["format"] > FORMAT:
        return "newer"
    if (meta["stage"], meta["partition"]) != (owner["stage"], owner["partition"]):
        return "foreign"
    if meta["fold"] != owner["fold"] or meta["format"] < FORMAT:
        newer = meta["fold"].isdigit() and int(meta["fold"]) > int(owner["fold"])
        return "newer" if newer else "outdated"
    return None


def _free_folder(root: Path, partition: int) -> tuple[Path, int]:
    """The first folder of a partition that no process has locked, and its lock.

    Processes that share a data folder hand a partition over among them; one that is frozen keeps
    its lock, and must not keep the next owner from working.
    """
    for slot in range(MAX_SLOTS):
        folder = root / (str(partition) if slot == 0 else f"{partition}.{slot}")
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return folder, lock
    raise StoreUnavailable(
        f"All {MAX_SLOTS} folders of partition {partition} below {root} are in use."
    )


def _set_aside(folder: Path, stage: str, partition: int, reason: Distrust) -> None:
    earlier = sorted(folder.glob("aside-*"), key=lambda one: int(one.name.split("-")[1]))
    number = int(earlier[-1].name.split("-")[1]) + 1 if earlier else 1
    for old in earlier[: max(0, len(earlier) + 1 - KEPT_ASIDE)]:
        shutil.rmtree(old, ignore_errors=True)
    aside = folder / f"aside-{number}-{reason}"
    (folder / "store").rename(aside)
    metrics.STORES_ASIDE.labels(stage, reason).inc()
    log.warning(
        "the local state of %s/%d is %s: set aside as %s, rebuilt from the log",
        stage,
        partition,
        reason,
        aside.name,
    )


_SHARED: dict[str, Any] = {}


def _opened(path: Path) -> Rdict:
    if not _SHARED:
        _SHARED["cache"] = Cache(CACHE_BYTES)
        _SHARED["buffers"] = WriteBufferManager(WRITE_BUFFER_BYTES, allow_stall=False)
    tables = BlockBasedOptions()
    tables.set_block_cache(_SHARED["cache"])
    tables.set_cache_index_and_filter_blocks(True)
    tables.set_bloom_filter(10, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(tables)
    options.set_write_buffer_manager(_SHARED["buffers"])
    options.set_write_buffer_size(16 * 1024 * 1024)
    options.set_max_total_wal_size(64 * 1024 * 1024)
    options.set_compression_type(DBCompressionType.zstd())
    options.set_max_open_files(256)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1024 * 1024)
    with _translated():
        return Rdict(str(path), options)


def _no_waiting() -> WriteOptions:
    options = WriteOptions()
    options.no_slowdown = True
    return options


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except InfrastructureError:
        raise
    except Exception as error:  # noqa: BLE001 - RocksDB raises nothing more exact
        raise _meaning(error) from None


def _meaning(error: Exception) -> InfrastructureError:
    """What an error of the disk or of RocksDB, which tells it by its text, asks for."""
    text = str(error)
    if _STALLED in text:
        return StoreStalled("The local state is behind with its own writes.")
    missing = type(error) is Exception and _MISSING in text
    if text.startswith(_DAMAGED) or missing:
        return StoreDistrusted("corrupt")
    return StoreUnavailable(f"The local state cannot be used: {type(error).__name__}: {text[:200]}")
