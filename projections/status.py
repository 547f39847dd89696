"""How every version of every projection stands, asked from outside of the runners."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.kafka import Partition, reader
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.versions import State, Version, versions

MAX_LAG: Final = 1000
MAX_STILL: Final = timedelta(seconds=30)
"""A live version is left behind when it lags by more, and has not moved for so long."""

_POSITIONS: Final = """
SELECT projection, topic, version, partition, position, moved_at FROM projection_position
UNION ALL
SELECT projection, topic, version, partition, position, moved_at FROM projection_build_position
"""
_FAILURES: Final = """
SELECT projection, format('%s: %s-%s at %s', category, topic, partition, position)
FROM projection_failure
"""


@dataclass(frozen=True, slots=True)
class Status:
    """One version; `lag` is in records up to the last stable offsets, None if it has no position.

    `why` is what stopped it, in a word and a place.
    """

    projection: str
    version: int
    state: State
    positions: Mapping[int, int]
    lag: int | None
    moved_at: datetime | None
    set_aside: int
    content_hash: str | None
    layout: int
    why: str = ""

    @property
    def behind(self) -> bool:
        """Whether it lags and does not move."""
        still = self.moved_at is None or datetime.now(UTC) - self.moved_at > MAX_STILL
        return self.state == "live" and (self.lag or 0) > MAX_LAG and still

    @property
    def well(self) -> bool:
        """Whether nobody has to look at it."""
        return not (self.why or self.behind or (self.state == "live" and self.set_aside))


@dataclass(frozen=True, slots=True)
class _Stored:
    topic: str
    position: int
    moved_at: datetime


async def statuses(settings: Settings) -> list[Status]:
    """Every version that there is.

    Raises:
        BrokerUnavailable, DatabaseUnavailable: a server does not answer.
    """
    async with connect(settings.dsn, autocommit=True) as connection:
        known = await versions(connection)
        stored = await _stored(connection)
        why = dict(await (await connection.execute(_FAILURES)).fetchall())
    ends = await _ends(settings, {one.topic for parts in stored.values() for one in parts.values()})
    return [_status(one, stored.get((one.projection, one.version), {}), ends, why) for one in known]


async def _stored(connection: Connection) -> dict[tuple[str, int], dict[int, _Stored]]:
    found: dict[tuple[str, int], dict[int, _Stored]] = {}
    async for name, topic, version, number, at, moved in await connection.execute(_POSITIONS):
        found.setdefault((name, version), {})[number] = _Stored(topic, at, moved)
    return found


async def _ends(settings: Settings, topics: set[str]) -> dict[Partition, int]:
    async with reader(settings) as source:
        found = await asyncio.gather(*(source.partitions(one) for one in sorted(topics)))
        return await source.end_offsets([one for parts in found for one in parts])


def _status(
    one: Version,
    stored: Mapping[int, _Stored],
    ends: Mapping[Partition, int],
    why: Mapping[str, str],
) -> Status:
    lags = [
        max(0, ends.get(Partition(part.topic, number), 0) - part.position)
        for number, part in stored.items()
    ]
    return Status(
        projection=one.projection,
        version=one.version,
        state=one.state,
        positions={number: stored[number].position for number in sorted(stored)},
        lag=sum(lags) if lags else None,
        moved_at=max((part.moved_at for part in stored.values()), default=None),
        set_aside=one.set_aside,
        content_hash=one.content_hash,
        layout=one.layout,
        why=why.get(one.projection, "") if one.state == "live" else "",
    )
