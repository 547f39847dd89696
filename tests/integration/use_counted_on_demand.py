"""The surveillance of use counted over the access log itself, which the projection agrees with."""

from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from infra.postgres import Connection
from projections.surveillance import CONTACT_DAYS, USUAL_DAYS

Rows = set[tuple[Any, ...]]
_READS: Final[LiteralString] = """
WITH reads AS (
    SELECT *, (decided_at AT TIME ZONE 'Europe/Brussels')::date AS day
    FROM access_log_v1.decision
    WHERE decided_at >= %(start)s AND decided_at < %(end)s
        AND purpose IN ('history', 'emergency') AND role IN ('caregiver', 'pharmacist')
)
"""
_DAYS: Final[LiteralString] = """
SELECT reader, role, organisation, count(*), count(*) FILTER (WHERE decision = 'deny'),
    count(DISTINCT subject), min(decided_at), max(decided_at)
FROM reads GROUP BY reader, role, organisation, day
"""
_PAIRS: Final[LiteralString] = """
SELECT reader, role, organisation, count(*), count(DISTINCT day), min(decided_at), max(decided_at),
    max(decided_at) < %(settled)s
FROM reads WHERE decision = 'permit' GROUP BY reader, role, organisation, subject
"""
_EMERGENCIES: Final[LiteralString] = """
SELECT reader, role, organisation, count(*), count(*) FILTER (WHERE decision = 'deny'),
    count(DISTINCT subject), min(decided_at), max(decided_at)
FROM reads WHERE purpose = 'emergency' OR detail = 'emergency'
GROUP BY reader, role, organisation
"""
_USUAL: Final[LiteralString] = """
, counted AS (
    SELECT reader, role, day, count(DISTINCT subject) AS subjects FROM reads
    GROUP BY reader, role, organisation, day
)
SELECT reader, percentile_cont(0.5) WITHIN GROUP (ORDER BY subjects) FROM counted GROUP BY reader
UNION ALL
SELECT role, percentile_cont(0.5) WITHIN GROUP (ORDER BY subjects) FROM counted GROUP BY role
"""


async def counted(
    connection: Connection, *, start: datetime, end: datetime, now: datetime
) -> tuple[Rows, Rows, Rows, dict[str, float]]:
    """Days, pairs, emergencies, and the usual by reader and role, of [start, end)."""
    asked = {"start": start, "end": end, "settled": now - timedelta(days=CONTACT_DAYS)}
    days, pairs, emergencies = [
        set(await (await connection.execute(_READS + one, asked)).fetchall())
        for one in (_DAYS, _PAIRS, _EMERGENCIES)
    ]
    before = {"start": start - timedelta(days=USUAL_DAYS), "end": start}
    usual = await (await connection.execute(_READS + _USUAL, before)).fetchall()
    return days, pairs, emergencies, dict(usual)
