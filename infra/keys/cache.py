"""A small cache of secrets that ages fast and forgets at once.

An entry's age counts from before it was asked for, and what was asked for before somebody had
secrets forgotten is not kept: otherwise an answer that was under way could bring an erased secret
back. Every entry is short-lived, so the one fetched first makes room when the cache is full, and
what is too old is dropped at every use and not only when it is asked for.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final, Generic, NamedTuple, TypeVar

MAX_SECONDS: Final = 60.0
MAX_ENTRIES: Final = 50_000

K = TypeVar("K")
V = TypeVar("V")


class Asked(NamedTuple):
    """When a question to the vault was asked, and how often secrets were forgotten by then."""

    at: float
    forgotten: int


class SecretCache(Generic[K, V]):
    """At most `max_entries` values, each for at most `MAX_SECONDS` after it was asked for."""

    def __init__(self, clock: Callable[[], float], max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: dict[K, tuple[float, V]] = {}
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._entries)

    def asked(self) -> Asked:
        """To be taken before the vault is asked, and handed to `keep` with the answer."""
        return Asked(self._clock(), self._forgotten)

    def get(self, key: K) -> V | None:
        """The value if it is there and young enough."""
        self._drop_old()
        found = self._entries.get(key)
        if found is None or self._is_old(found[0]):
            return None
        return found[1]

    def split(self, keys: Iterable[K]) -> tuple[dict[K, V], set[K]]:
        """What is here, and the keys that the vault has to be asked for."""
        self._drop_old()
        oldest, entries = self._clock() - MAX_SECONDS, self._entries
        found: dict[K, V] = {}
        missing: set[K] = set()
        for key in keys:
            entry = entries.get(key)
            if entry is None or entry[0] <= oldest:
                missing.add(key)
            else:
                found[key] = entry[1]
        return found, missing

    def keep(self, asked: Asked, key: K, value: V) -> None:
        """Keeps an answer, unless secrets were forgotten since it was asked for."""
        if asked.forgotten != self._forgotten:
            return
        self._entries.pop(key, None)
        while len(self._entries) >= self._max_entries:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (asked.at, value)

    def forget(self, keys: Collection[K]) -> None:
        """Drops these, and refuses every answer that is under way."""
        self._forgotten += 1
        for key in keys:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Drops everything, and refuses every answer that is under way."""
        self.forget(list(self._entries))

    def _drop_old(self) -> None:
        while self._entries:
            first = next(iter(self._entries))
            if not self._is_old(self._entries[first][0]):
                return
            del self._entries[first]

    def _is_old(self, at: float) -> bool:
        return self._clock() - at >= MAX_SECONDS
