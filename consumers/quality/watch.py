"""Shows silence and gaps as metrics, again and again."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import psycopg
import structlog

from consumers.quality import metrics, silence
from consumers.quality.silence import Publishers, Silence
from infra.errors import InfrastructureError
from infra.postgres import Pool
from infra.waiting import pause
from projections import quality_overview
from projections.quality_overview import GapTotals
from projections.silence import DAYS, per_threshold

SECONDS: Final = 60.0
"""Between two looks: silence is counted in days, gaps are closed within minutes."""
_log = structlog.get_logger(__name__)


class Watch:
    """Looks every `seconds`; what cannot be asked keeps its last value."""

    def __init__(
        self,
        tables: Publishers,
        connections: Pool,
        *,
        clock: Callable[[], datetime],
        seconds: float = SECONDS,
    ) -> None:
        self._tables = tables
        self._connections = connections
        self._clock = clock
        self._seconds = seconds
        self._failure: str | None = None
        self._looked_at: datetime | None = None

    @property
    def ready(self) -> bool:
        """Whether the last look succeeded."""
        return self._looked_at is not None and self._failure is None

    def snapshot(self) -> dict[str, object]:
        """How it stands, as JSON values."""
        looked_at = None if self._looked_at is None else self._looked_at.isoformat()
        return {"quality_watch": {"looked_at": looked_at, "reason": self._failure}}

    async def run(self, stop: asyncio.Event) -> None:
        """Looks again and again until told to stop."""
        while not stop.is_set():
            await self._look()
            await pause(stop, self._seconds)

    async def _look(self) -> None:
        at = self._clock()
        try:
            await look(self._tables, self._connections, at)
        except (InfrastructureError, psycopg.Error) as error:
            self._failure = type(error).__name__
            _log.warning("silence and gaps are not known", error=self._failure)
        else:
            self._failure, self._looked_at = None, at


async def look(tables: Publishers, connections: Pool, at: datetime) -> None:
    """Takes all figures once.

    Raises:
        psycopg.Error, psycopg_pool.PoolTimeout, DatabaseUnavailable: the database does not answer.
    """
    async with connections.connection() as connection:
        found = await silence.find(tables, connection, days=0, at=at)
        gaps = await quality_overview.gap_totals(connection)
    show(found, gaps, DAYS)


def show(found: Silence, gaps: GapTotals, thresholds: Sequence[int]) -> None:
    """Sets the gauges."""
    metrics.EXPECTED.set(found.expected)
    for days, count in per_threshold(found.silent, thresholds).items():
        metrics.SILENT.labels(str(days)).set(count)
    metrics.NEVER_HEARD.set(sum(one.last_seen is None for one in found.silent))
    metrics.OPEN_GAPS.labels("current").set(gaps.ranges)
    metrics.OPEN_GAPS.labels("former").set(gaps.former_ranges)
    metrics.MISSING_NUMBERS.labels("current").set(gaps.numbers)
    metrics.MISSING_NUMBERS.labels("former").set(gaps.former_numbers)
    metrics.WATCHED_AT.set(found.at.timestamp())
