"""A partition's state as typed tables over a store of bytes; pure but for the port `Backing`.

Changes stay in memory until the engine knows that the outputs they follow from are committed, and
are dropped together if they are not. While the outputs of one batch are being committed the next is
decided: `seal` keeps the changes of the two apart. Every entry is stamped with the moment it was
written at; past its table's horizon it is absent, whether or not the store still holds it, so that
what a stage decides depends on its log alone and never on when a store was swept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

K = TypeVar("K")
V = TypeVar("V")
STAMP_BYTES: Final = 5
_SEPARATOR: Final = b"\0"


class StateUnreadable(Exception):
    """The store under a table does not give what it holds: this says nothing about content."""


class Backing(Protocol):
    """What a store answers tables with."""

    def read(self, key: bytes) -> bytes | None:
        """The bytes kept under a key.

        Raises:
            StateUnreadable: the store cannot be read.
        """
        ...


@dataclass(frozen=True)
class Layout(Generic[K, V]):
    """How a table is written down: a name of its own, codecs, and how long an entry counts.

    `cached` is how many decoded entries are held in memory, about; `horizon` None is for ever.
    """

    name: str
    key: Callable[[K], bytes]
    write: Callable[[V], bytes]
    read: Callable[[bytes], V]
    horizon: timedelta | None = None
    cached: int = 0


class _Clock:
    """The moment that horizons are measured from, in seconds since 1970; None: nothing is over."""

    __slots__ = ("hits", "misses", "now")

    def __init__(self) -> None:
        self.now: int | None = None
        self.hits = 0
        self.misses = 0


_Entry = tuple[int, V]
_ABSENT: Final[Any] = object()


class Table(Generic[K, V]):
    """One table: `get`, `put` and `delete` by key."""

    def __init__(self, layout: Layout[K, V], backing: Backing, clock: _Clock) -> None:
        self._layout = layout
        self._backing = backing
        self._clock = clock
        self._prefix = layout.name.encode() + _SEPARATOR
        self._horizon = None if layout.horizon is None else int(layout.horizon.total_seconds())
        self._dirty: dict[K, _Entry[V] | None] = {}
        self._sealed: dict[K, _Entry[V] | None] = {}
        # Two generations are a bounded cache without bookkeeping: a hit in the old one moves on.
        self._young: dict[K, _Entry[V] | None] = {}
        self._old: dict[K, _Entry[V] | None] = {}

    def get(self, key: K) -> V | None:
        """The value under a key; None if there is none or it is past the horizon.

        Raises:
            StateUnreadable: the store cannot be read; this says nothing about the key.
        """
        entry = self._dirty.get(key, _ABSENT)
        if entry is _ABSENT:
            entry = self._sealed.get(key, _ABSENT)
        if entry is _ABSENT:
            entry = self._kept(key)
        if entry is None:
            return None
        stamp, value = entry
        now = self._clock.now
        over = self._horizon is not None and now is not None and stamp + self._horizon < now
        return None if over else value

    def put(self, key: K, value: V) -> None:
        """Sets the value under a key."""
        self._dirty[key] = (self._clock.now or 0, value)

    def delete(self, key: K) -> None:
        """Removes a key, whether it is there or not."""
        self._dirty[key] = None

    def seal(self) -> None:
        """What changed so far is what `changes` gives; what comes is apart from it."""
        self._sealed, self._dirty = self._dirty, {}

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """What was sealed, as the store keeps it; None is a deletion."""
        prefix, key_of, write = self._prefix, self._layout.key, self._layout.write
        for key, entry in self._sealed.items():
            if entry is None:
                yield prefix + key_of(key), None
            else:
                stamp, value = entry
                yield prefix + key_of(key), stamp.to_bytes(STAMP_BYTES, "big") + write(value)

    def settle(self, *, kept: bool) -> None:
        """What was sealed is in the store now; or that and all later changes are dropped."""
        if not kept:
            self._dirty = {}
        elif self._layout.cached:
            for key, entry in self._sealed.items():
                self._remember(key, entry)
        self._sealed = {}

    def _kept(self, key: K) -> _Entry[V] | None:
        found: _Entry[V] | None = self._young.get(key, _ABSENT)
        if found is _ABSENT and (found := self._old.get(key, _ABSENT)) is not _ABSENT:
            self._remember(key, found)
        if found is not _ABSENT:
            self._clock.hits += 1
            return found
        self._clock.misses += 1
        written = self._backing.read(self._prefix + self._layout.key(key))
        entry = None if written is None else self._entry(written)
        if self._layout.cached:
            # That a key is absent is asked again, when it is decided and when it is written.
            self._remember(key, entry)
        return entry

    def _entry(self, written: bytes) -> _Entry[V]:
        stamp = int.from_bytes(written[:STAMP_BYTES], "big")
        return stamp, self._layout.read(written[STAMP_BYTES:])

    def _remember(self, key: K, entry: _Entry[V] | None) -> None:
        self._young[key] = entry
        if len(self._young) * 2 >= self._layout.cached:
            self._old, self._young = self._young, {}


class StateTables:
    """All tables of one partition."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._clock = _Clock()
        self._tables: dict[str, Table[Any, Any]] = {}
        self._horizons: dict[bytes, int] = {}
        self._is_sealed = False

    def table(self, layout: Layout[K, V]) -> Table[K, V]:
        """The table of a layout.

        Raises:
            ValueError: the name is empty or taken.
        """
        if not layout.name or layout.name in self._tables:
            raise ValueError(f"a table named {layout.name!r} cannot be made")
        made = Table(layout, self._backing, self._clock)
        self._tables[layout.name] = made
        if layout.horizon is not None:
            self._horizons[layout.name.encode()] = int(layout.horizon.total_seconds())
        return made

    def at(self, moment: datetime) -> None:
        """What follows is read and written as of this moment: a submission's append time."""
        self._clock.now = int(moment.timestamp())

    @property
    def now(self) -> int | None:
        """The moment of the last `at`, in seconds since 1970."""
        return self._clock.now

    @property
    def lookups(self) -> tuple[int, int]:
        """Reads of settled entries so far: from memory, from the store."""
        return self._clock.hits, self._clock.misses

    def seal(self) -> None:
        """The changes so far are what is written next; those that come are kept apart from them.

        Raises:
            ValueError: what was sealed before is not settled yet.
        """
        if self._is_sealed:
            raise ValueError("the changes that were sealed before are not settled")
        self._is_sealed = True
        for table in self._tables.values():
            table.seal()

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """What was sealed, over all tables; where nothing was, everything is sealed first."""
        if not self._is_sealed:
            self.seal()
        for table in self._tables.values():
            yield from table.changes()

    def settle(self, *, kept: bool) -> None:
        """What was sealed is in the store now; or that and all later changes are dropped."""
        self._is_sealed = False
        for table in self._tables.values():
            table.settle(kept=kept)

    def is_over(self, key: bytes, value: bytes, margin: int) -> bool:
        """Whether what a store holds is past its horizon by more than `margin` seconds."""
        name, _, _ = key.partition(_SEPARATOR)
        horizon, now = self._horizons.get(name), self._clock.now
        if horizon is None or now is None:
            return False
        return int.from_bytes(value[:STAMP_BYTES], "big") + horizon + margin < now


@dataclass(frozen=True, slots=True)
class Mark:
    """The last output of a topic that a state reflects: its offset, and a digest of its bytes."""

    offset: int
    digest: str


@dataclass(frozen=True, slots=True)
class Position:
    """What a state reflects: all outputs up to a source offset, and where those end.

    `source` is the source offset of the last receipt, -1 before the first; a topic without outputs
    has no mark.
    """

    source: int
    marks: tuple[tuple[str, Mark], ...] = ()

    def mark(self, topic: str) -> Mark | None:
        """The mark of a topic."""
        return dict(self.marks).get(topic)


NOTHING: Final = Position(-1)
"""The position of a state that reflects no output."""


Distrust = Literal["ahead", "corrupt", "foreign", "newer", "outdated"]
"""Why what a store holds is not taken for a fold of the log.

`ahead`: it reflects outputs that the log does not have; `foreign`: outputs other than the log has,
or of another stage or partition; `newer`, `outdated`: another version of the program folded it.
"""


class Store(Protocol):
    """Where a partition's state is kept, with the position it reflects; both change as one."""

    @property
    def tables(self) -> StateTables:
        """The state."""
        ...

    @property
    def position(self) -> Position:
        """What the state in the store reflects; `NOTHING` in a new one."""
        ...

    def keep(self, position: Position, *, sweep: bool = True) -> None:
        """Writes what was sealed, else all changes, and the position; or nothing.

        With `sweep`, as many old entries are looked at, and removed if their horizon is past.

        Raises:
            InfrastructureError: nothing was written; the changes are still pending.
        """
        ...

    async def close(self) -> None:
        """Lets go of it; changes that were not kept are lost."""
        ...

    async def set_aside(self, reason: Distrust) -> None:
        """Closes it for good: the next one that is opened is empty."""
        ...


class MemoryStore:
    """A store in memory, for tests and for whoever folds a log once."""

    def __init__(self) -> None:
        self.content: dict[bytes, bytes] = {}
        self._kept = [NOTHING]
        self.tables = StateTables(self)

    @property
    def position(self) -> Position:
        """What `content` reflects."""
        return self._kept[0]

    def reopened(self) -> "MemoryStore":
        """What a process finds that starts anew on the same content; changes not kept are lost."""
        made = MemoryStore()
        made.content, made._kept = self.content, self._kept
        return made

    def copied(self) -> "MemoryStore":
        """One of its own with the same content and position."""
        made = MemoryStore()
        made.content, made._kept = dict(self.content), list(self._kept)
        return made

    def read(self, key: bytes) -> bytes | None:
        """The bytes kept under a key."""
        return self.content.get(key)

    def keep(self, position: Position, *, sweep: bool = True) -> None:
        """Writes what was sealed, else all changes, and the position; sweeps nothing."""
        del sweep
        for key, value in self.tables.changes():
            if value is None:
                self.content.pop(key, None)
            else:
                self.content[key] = value
        self.tables.settle(kept=True)
        self._kept[0] = position

    async def close(self) -> None:
        """Changes that were not kept are lost."""
        self.tables.settle(kept=False)

    async def set_aside(self, reason: Distrust) -> None:
        """Forgets everything."""
        del reason
        self.content.clear()
        self._kept[0] = NOTHING
        self.tables.settle(kept=False)


def in_memory() -> StateTables:
    """StateTables that live as long as this process."""
    return MemoryStore().tables
