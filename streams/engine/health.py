"""Readiness of a stage: which partitions run, which do not, since when and why."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from schemas.envelope import format_time
from streams.engine import metrics

PartitionState = Literal["initialising", "running", "failing"]


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """State of one partition; `reason` names a type of error, never content."""

    state: PartitionState
    since: datetime
    reason: str | None = None


class Health:
    """What `/readyz` answers from; ready once assigned and every partition runs."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._assigned = False
        self._stopped: str | None = None
        self._partitions: dict[int, PartitionHealth] = {}

    @property
    def ready(self) -> bool:
        """Whether the group has assigned partitions (or none are left over) and all of them run."""
        running = all(one.state == "running" for one in self._partitions.values())
        return self._assigned and self._stopped is None and running

    def assigned(self) -> None:
        """The group has answered; the partitions, if any, follow."""
        self._assigned = True

    def stopped(self, reason: str) -> None:
        """The stage does not run (any more)."""
        self._stopped = reason
        self._assigned = False

    def starting(self) -> None:
        """The stage is about to join its group."""
        self._stopped = None

    def report(self, partition: int, state: PartitionState, reason: str | None = None) -> None:
        """Notes a state; `since` stays while state and reason do."""
        known = self._partitions.get(partition)
        if known is None or (known.state, known.reason) != (state, reason):
            self._show_running(partition)
            since = datetime.now(UTC)
            self._partitions[partition] = PartitionHealth(state, since, reason)
            if state == "failing":
                metrics.PAUSED_SINCE.labels(self.stage, str(partition), reason or "").set(
                    since.timestamp()
                )
            self._count()

    def failing(self, partition: int) -> bool:
        """Whether the partition waits to be tried again."""
        known = self._partitions.get(partition)
        return known is not None and known.state == "failing"

    def remove(self, partition: int) -> None:
        """The partition went to another process."""
        self._show_running(partition)
        self._partitions.pop(partition, None)
        self._count()

    def snapshot(self) -> dict[str, Any]:
        """JSON-ready: stage, ready, and each partition's state, since and reason."""
        return {
            "stage": self.stage,
            "ready": self.ready,
            "stopped": self._stopped,
            "partitions": {
                str(number): {
                    "state": one.state,
                    "since": format_time(one.since),
                    "reason": one.reason,
                }
                for number, one in sorted(self._partitions.items())
            },
        }

    def _show_running(self, partition: int) -> None:
        known = self._partitions.get(partition)
        if known is not None and known.state == "failing":
            metrics.PAUSED_SINCE.remove(self.stage, str(partition), known.reason or "")

    def _count(self) -> None:
        states = [one.state for one in self._partitions.values()]
        for state in get_args(PartitionState):
            metrics.PARTITIONS.labels(self.stage, state).set(states.count(state))
