"""Kafka over memory: what was appended, where it ends, what projections have applied."""
# ruff: noqa: ARG002, ASYNC109 - fakes take what their ports take

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from consumers.api.ports import Appended, Header, PositionTimeout
from projections.positions import Otherwise
from schemas.audit import (
    ACCESS_DECIDED,
    EMERGENCY_DECIDED,
    LOG_READ,
    OPERATIONS_READ,
    PHARMACY_REVEALED,
    AccessDecided,
    EmergencyDecided,
    LogRead,
    OperationsRead,
    PharmacyRevealed,
)
from schemas.partitioning import partition_for
from schemas.topics import ACCESS_AUDITED
from tests.unit.consumers.api.cast import PARTITIONS
from tests.unit.consumers.api.fakes import Down


@dataclass
class FakeLog:
    trace: list[str]
    appended: list[tuple[str, bytes, list[Header], bytes]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    end: int = 7
    end_then: int = 0
    """Where the log ended at any moment of the past."""

    async def append(
        self, topic: str, *, key: bytes, headers: Sequence[Header], value: bytes
    ) -> Appended:
        self.trace.append(f"append:{topic}")
        if topic in self.stuck:
            await asyncio.Event().wait()
        if topic in self.down:
            raise Down
        self.appended.append((topic, key, list(headers), value))
        return Appended(self.partition_of(topic, key), len(self.appended) - 1)

    async def stable_ends(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        self.trace.append(f"stable_ends:{','.join(map(str, sorted(partitions)))}")
        if "ends" in self.down:
            raise Down
        return dict.fromkeys(partitions, self.end)

    async def ends_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        self.trace.append(f"ends_at:{moment.isoformat()}")
        return dict.fromkeys(range(PARTITIONS), self.end_then)

    async def recent_ends(self, topic: str) -> Mapping[int, int]:
        return dict.fromkeys(range(PARTITIONS), self.end)

    def partition_of(self, topic: str, key: bytes) -> int:
        return partition_for(key, PARTITIONS)

    def partitions(self, topic: str) -> range:
        return range(PARTITIONS)

    def audited(self) -> list[AccessDecided]:
        return [AccessDecided.read(value) for value in self._audited(ACCESS_DECIDED)]

    def log_reads(self) -> list[LogRead]:
        return [LogRead.read(value) for value in self._audited(LOG_READ)]

    def revealed(self) -> list[AccessDecided]:
        return [PharmacyRevealed.read(one).access for one in self._audited(PHARMACY_REVEALED)]

    def emergencies(self) -> list[EmergencyDecided]:
        return [EmergencyDecided.read(one) for one in self._audited(EMERGENCY_DECIDED)]

    def operations(self) -> list[OperationsRead]:
        return [OperationsRead.read(value) for value in self._audited(OPERATIONS_READ)]

    def _audited(self, type_: str) -> list[bytes]:
        return [
            value
            for topic, _, headers, value in self.appended
            if topic == ACCESS_AUDITED.name and dict(headers)["ce_type"] == type_.encode()
        ]


@dataclass
class FakePositions:
    trace: list[str]
    reached: int = 7
    history_behind: int = 0

    async def wait(
        self, projection: str, topic: str, partition: int, position: int, timeout: float
    ) -> int:
        self.trace.append(f"wait:{projection}:{position}")
        if position > self.reached:
            raise PositionTimeout
        return self.reached

    async def reach(
        self,
        projection: str,
        topic: str,
        wanted: Mapping[int, int],
        timeout: float,
        otherwise: Otherwise,
    ) -> Mapping[int, int]:
        self.trace.append(f"reach:{projection}:{max(wanted.values())}:{timeout}")
        if max(wanted.values()) > self.applied(projection) and otherwise == "error":
            raise PositionTimeout
        return dict.fromkeys(wanted, self.applied(projection))

    def applied(self, projection: str) -> int:
        behind = self.history_behind if projection == "history" else 0
        return self.reached - behind

    def current(self, projection: str, topic: str, partition: int) -> int:
        return self.applied(projection)
