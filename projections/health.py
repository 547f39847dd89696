"""How the projections of this process stand: for `/readyz`, metrics and the status command."""

import time
from collections.abc import Callable
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
RETRIES: Final = Counter(
    "dpp_projection_retries", "Starts anew after trouble with a server", ("projection",)
)

State = Literal["starting", "running", "retrying", "stopped"]


@dataclass(slots=True)
class PartitionHealth:
    """One partition: applied up to `position`, of `end` (the last stable offset as last seen)."""

    position: int = 0
    end: int = 0
    moved: float = 0.0

    @property
    def lag(self) -> int:
        """Records still to apply."""
        return max(0, self.end - self.position)


@dataclass(slots=True)
class Entry:
    """One projection; `reason` is one sentence or category without content."""

    state: State = "starting"
    reason: str | None = None
    partitions: dict[int, PartitionHealth] = field(default_factory=dict)


class ProjectionHealth:
    """Written by the runner, read by the operator's endpoints.

    A partition is stuck when it lags by more than `max_lag` and has not moved for `max_still`
    seconds: a lag that shrinks is work, not trouble.
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

    def enter(self, projection: str, state: State, reason: str | None = None) -> None:
        """Notes a projection's state."""
        entry = self._entries.setdefault(projection, Entry())
        entry.state, entry.reason = state, reason

    def moved(self, projection: str, partition: int, position: int) -> None:
        """Notes an applied position."""
        found = self._partition(projection, partition)
        found.position, found.moved = position, self._clock()
        self._show(projection, partition, found)

    def ends(self, projection: str, partition: int, end: int) -> None:
        """Notes where the log ends."""
        found = self._partition(projection, partition)
        if found.lag == 0:
            found.moved = self._clock()
        found.end = end
        self._show(projection, partition, found)

    @property
    def ready(self) -> bool:
        """Whether every projection runs and none is stuck."""
        return bool(self._entries) and all(
            entry.state == "running" and not any(map(self._is_stuck, entry.partitions.values()))
            for entry in self._entries.values()
        )

    def snapshot(self) -> dict[str, object]:
        """Everything, as JSON values."""
        return {
            name: {
                "state": entry.state,
                "reason": entry.reason,
                "partitions": {
                    str(number): {
                        "position": one.position,
                        "end": one.end,
                        "lag": one.lag,
                        "stuck": self._is_stuck(one),
                    }
                    for number, one in sorted(entry.partitions.items())
                },
            }
            for name, entry in sorted(self._entries.items())
        }

    def _partition(self, projection: str, partition: int) -> PartitionHealth:
        entry = self._entries.setdefault(projection, Entry())
        return entry.partitions.setdefault(partition, PartitionHealth(moved=self._clock()))

    def _is_stuck(self, one: PartitionHealth) -> bool:
        return one.lag > self._max_lag and self._clock() - one.moved > self._max_still

    @staticmethod
    def _show(projection: str, partition: int, one: PartitionHealth) -> None:
        LAG.labels(projection, str(partition)).set(one.lag)
