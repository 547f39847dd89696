"""How the projections of this process stand: for `/readyz`, metrics and the status command."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Literal

from prometheus_client import Counter, Gauge, Histogram

LAG: Final = Gauge(
    "dpp_projection_lag",
    "Records between a projection's position and the last stable offset",
    ("projection", "partition"),
)
BATCH_SECONDS: Final = Histogram(
    "dpp_projection_batch_seconds", "From records read to rows committed", ("projection",)
)
EVENTS: Final = Counter("dpp_projection_events", "Events folded", ("projection",))
ROWS: Final = Counter("dpp_projection_changes", "Row changes written", ("projection",))
DROPPED: Final = Counter(
    "dpp_projection_dropped",
    "Events without a row: copy_same, copy_differs, copy_unknown, shredded",
    ("projection", "reason"),
)
SET_ASIDE: Final = Counter(
    "dpp_projection_set_aside",
    "Events that the live version left out because of their content; alarm on any",
    ("projection", "category"),
)
OPEN_SET_ASIDE: Final = Gauge(
    "dpp_projection_set_aside_open", "Events left out and not yet applied", ("projection",)
)
FROZEN: Final = Gauge(
    "dpp_projection_end_frozen",
    "1 if the last stable offset stands still while the log grows (a hung transaction)",
    ("projection", "partition"),
)
RETRIES: Final = Counter(
    "dpp_projection_retries", "Starts anew after trouble with a server", ("projection",)
)

State = Literal["starting", "running", "standby", "retrying", "stopped"]
"""`standby`: other processes hold all partitions, and this one takes over when they end."""


@dataclass(slots=True)
class PartitionHealth:
    """One partition: applied up to `position`, of `end` (the last stable offset as last seen).

    `top` is the end of the log with what is not decided yet; `waits` since when it is ahead of an
    end that does not move, `looked` when the end was asked last.
    """

    position: int = 0
    end: int = 0
    moved: float = 0.0
    top: int = 0
    waits: float | None = None
    looked: float = 0.0

    @property
    def lag(self) -> int:
        """Records still to apply."""
        return max(0, self.end - self.position)


@dataclass(slots=True)
class Entry:
    """One projection; `reason` is one sentence or category without content."""

    state: State = "starting"
    reason: str | None = None
    set_aside: int = 0
    partitions: dict[int, PartitionHealth] = field(default_factory=dict)


class ProjectionHealth:
    """Written by the runner, read by the operator's endpoints.

    A partition is stuck when it lags by more than `max_lag` and has not moved for `max_still`
    seconds: a lag that shrinks is work, not trouble. Its end is frozen when the log grew past the
    last stable offset and that has not moved for `max_still` seconds, or when nobody could ask for
    it: a lag against such an end says nothing.
    """

    def __init__(
        self,
        *,
        max_lag: int = 1000,
        max_still: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_lag = max_lag
        self._max_still = max_still
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._changed = asyncio.Event()

    def enter(self, projection: str, state: State, reason: str | None = None) -> None:
        """Notes a projection's state."""
        entry = self._entries.setdefault(projection, Entry())
        entry.state, entry.reason = state, reason
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, projection: str, state: State) -> str | None:
        """Waits until the projection is in this state, and answers the reason."""
        while (entry := self._entries.get(projection)) is None or entry.state != state:
            await self._changed.wait()
        return entry.reason

    def set_aside(self, projection: str, number: int) -> None:
        """Notes how many events the live version has left out."""
        self._entries.setdefault(projection, Entry()).set_aside = number
        OPEN_SET_ASIDE.labels(projection).set(number)

    def holds(self, projection: str, partitions: Collection[int]) -> None:
        """Forgets the partitions that other processes follow."""
        entry = self._entries.setdefault(projection, Entry())
        for gone in set(entry.partitions) - set(partitions):
            del entry.partitions[gone]
            LAG.remove(projection, str(gone))
            FROZEN.remove(projection, str(gone))

    def moved(self, projection: str, partition: int, position: int) -> None:
        """Notes an applied position."""
        found = self._partition(projection, partition)
        found.position, found.moved = position, self._clock()
        self._show(projection, partition, found)

    def ends(self, projection: str, partition: int, end: int, top: int = 0) -> None:
        """Notes where the log ends: what is decided, and with what is not decided yet."""
        now = self._clock()
        found = self._partition(projection, partition)
        if found.lag == 0:
            found.moved = now
        if top <= end:
            found.waits = None
        elif end != found.end or found.waits is None:
            found.waits = now
        found.end, found.top, found.looked = end, top, now
        self._show(projection, partition, found)

    @property
    def ready(self) -> bool:
        """Whether every projection runs or stands by, and no partition is stuck or frozen."""
        return bool(self._entries) and all(
            entry.state in {"running", "standby"}
            and not any(
                self._is_stuck(one) or self._is_frozen(one) for one in entry.partitions.values()
            )
            for entry in self._entries.values()
        )

    def snapshot(self) -> dict[str, object]:
        """Everything, as JSON values."""
        return {
            name: {
                "state": entry.state,
                "reason": entry.reason,
                "set_aside": entry.set_aside,
                "partitions": {
                    str(number): {
                        "position": one.position,
                        "end": one.end,
                        "lag": one.lag,
                        "stuck": self._is_stuck(one),
                        "end_frozen": self._is_frozen(one),
                    }
                    for number, one in sorted(entry.partitions.items())
                },
            }
            for name, entry in sorted(self._entries.items())
        }

    def _partition(self, projection: str, partition: int) -> PartitionHealth:
        entry = self._entries.setdefault(projection, Entry())
        now = self._clock()
        return entry.partitions.setdefault(partition, PartitionHealth(moved=now, looked=now))

    def _is_stuck(self, one: PartitionHealth) -> bool:
        return one.lag > self._max_lag and self._clock() - one.moved > self._max_still

    def _is_frozen(self, one: PartitionHealth) -> bool:
        now = self._clock()
        held = one.waits is not None and now - one.waits > self._max_still
        return held or now - one.looked > self._max_still

    def _show(self, projection: str, partition: int, one: PartitionHealth) -> None:
        LAG.labels(projection, str(partition)).set(one.lag)
        FROZEN.labels(projection, str(partition)).set(self._is_frozen(one))
