"""How fresh an answer is: what the log had beyond the positions that the answer rests on."""

import asyncio
from collections.abc import Iterable
from typing import Final

from consumers.api.ports import Dependencies
from schemas.audit import PositionUsed

SECONDS: Final = 0.5
"""How long an answer that needs no log waits to be told; it is not worth more."""


async def behind(deps: Dependencies, positions: Iterable[PositionUsed]) -> int:
    """Records, of everybody, that may be missing from an answer that rests on these positions."""
    used = list(positions)
    ends = {topic: await deps.log.recent_ends(topic) for topic in {one.topic for one in used}}
    return sum(max(0, ends[one.topic].get(one.partition, 0) - one.position) for one in used)


async def behind_if_told(deps: Dependencies, positions: Iterable[PositionUsed]) -> int | None:
    """The same for answers that are given without the log; None: it does not say."""
    failures: tuple[type[Exception], ...] = (TimeoutError, *deps.unavailable_errors)
    try:
        async with asyncio.timeout(SECONDS):
            return await behind(deps, positions)
    except failures:
        return None
