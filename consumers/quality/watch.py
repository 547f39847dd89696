"""Shows silence and gaps as metrics."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from consumers.quality import metrics, silence
from consumers.quality.silence import Publishers, Silence
from infra.postgres import Pool
from projections import quality_overview
from projections.quality_overview import GapTotals
from projections.silence import DAYS, per_threshold

SECONDS: Final = 60.0
"""Between two looks: silence is counted in days, gaps are closed within minutes."""


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
