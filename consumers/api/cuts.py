"""As of which positions a history is read: as it is, as fresh as asked, or as it once was.

A cut is one position for each partition of the record, and stands in the answer beside that of
`access_state`. Whether something may be seen is always decided as of now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumers.api.ports import Dependencies, PositionTimeout
from consumers.api.problems import Problem, unavailable
from projections.positions import Otherwise
from projections.retention import leaves_before
from schemas.brussels import day_of, start_of_day
from schemas.topics import DISPENSATION_RECORDED

HISTORY: Final = "history"


@dataclass(frozen=True, slots=True)
class Fresh:
    """Wait so many seconds for everything that is in the log now, or else do that."""

    seconds: float
    otherwise: Otherwise = "error"


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment of the past, or the positions of an earlier answer; exactly one is given."""

    time: datetime | None = None
    positions: Mapping[int, int] | None = None

    @property
    def question(self) -> str:
        """The same text for the same cut, to which a cursor is bound."""
        places = sorted((self.positions or {}).items())
        return str(self.time or ",".join(f"{one}={position}" for one, position in places))


def current(deps: Dependencies) -> dict[int, int]:
    """How far `history` has applied each partition of the record."""
    topic = DISPENSATION_RECORDED.name
    reached = deps.positions.current
    return {one: reached(HISTORY, topic, one) for one in deps.log.partitions(topic)}


async def cut_of(
    deps: Dependencies, as_of: AsOf | None, fresh: Fresh | None, now: datetime
) -> dict[int, int]:
    """The cut that a first page is read at; those behind it keep it.

    Raises:
        Problem: 400, the cut is none or is not kept any more; 503, `history` is not there yet.
    """
    if as_of is not None:
        wanted = await _asked(deps, as_of, now)
        await _reach(deps, wanted, Fresh(deps.settings.position_timeout))
        return dict(wanted)
    if fresh is not None:
        topic = DISPENSATION_RECORDED.name
        ends = await deps.log.stable_ends(topic, deps.log.partitions(topic))
        return await _reach(deps, ends, fresh)
    return current(deps)


async def _asked(deps: Dependencies, as_of: AsOf, now: datetime) -> Mapping[int, int]:
    topic = DISPENSATION_RECORDED.name
    if as_of.time is not None:
        if as_of.time > now:
            raise Problem(400, "malformed-cut")
        if as_of.time < start_of_day(leaves_before(day_of(now))):
            raise Problem(400, "cut-not-kept")
        return await deps.log.ends_at(topic, as_of.time)
    positions = as_of.positions or {}
    if set(positions) != set(deps.log.partitions(topic)):
        raise Problem(400, "malformed-cut")
    return positions


async def _reach(deps: Dependencies, wanted: Mapping[int, int], fresh: Fresh) -> dict[int, int]:
    try:
        reached = await deps.positions.reach(
            HISTORY, DISPENSATION_RECORDED.name, wanted, fresh.seconds, fresh.otherwise
        )
    except PositionTimeout:
        raise unavailable("history-behind") from None
    return dict(reached)
