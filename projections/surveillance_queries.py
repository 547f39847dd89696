"""What the surveillance of use counts, from the access log beside links and deliveries.

Only reads of histories by others than the patient are counted. Days are Belgian ones.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from infra.postgres import Connection
from projections.surveillance import (
    CONTACT_DAYS,
    REPEATED_DAYS,
    Day,
    Emergency,
    Pair,
    Party,
    Uses,
    Usual,
)

USUAL_DAYS: Final = 28
"""So many days before a period tell what is usual."""
_READS: Final = """
    SELECT *, (decided_at AT TIME ZONE 'Europe/Brussels')::date AS day
    FROM access_log_v1.decision
    WHERE decided_at >= %(start)s AND decided_at < %(end)s
        AND purpose IN ('history', 'emergency') AND role IN ('caregiver', 'pharmacist')
"""
_DAYS: Final = f"""
SELECT reader, role, organisation, count(*), count(*) FILTER (WHERE decision = 'deny'),
    count(DISTINCT subject), min(decided_at), max(decided_at)
FROM ({_READS}) AS reads GROUP BY reader, role, organisation, day
"""  # noqa: S608 - nothing in it comes from outside
_USUAL: Final = f"""
WITH counted AS (
    SELECT reader, role, day, count(DISTINCT subject) AS subjects FROM ({_READS}) AS reads
    GROUP BY reader, role, day
)
SELECT reader, NULL, percentile_cont(0.5) WITHIN GROUP (ORDER BY subjects)
FROM counted GROUP BY reader
UNION ALL
SELECT NULL, role, percentile_cont(0.5) WITHIN GROUP (ORDER BY subjects)
FROM counted GROUP BY role
"""  # noqa: S608 - nothing in it comes from outside
_PAIRS: Final = f"""
WITH pair AS (
    SELECT reader, role, organisation, subject, count(*) AS reads, count(DISTINCT day) AS days,
        min(decided_at) AS first, max(decided_at) AS last,
        max(decided_at) < %(now)s - make_interval(days => %(contact)s) AS settled
    FROM ({_READS}) AS reads WHERE decision = 'permit' GROUP BY 1, 2, 3, 4
), met AS (
    SELECT pair.*, settled AND EXISTS (
        SELECT FROM access_state_v1.link AS l
        WHERE l.subject = pair.subject AND l.party IN (pair.reader, pair.organisation)
            AND l.recorded_at >= pair.first - make_interval(days => 1)
            AND l.recorded_at < pair.last + make_interval(days => %(contact)s)
    ) AS linked
    FROM pair
)
SELECT reader, role, organisation, reads, days, first, last, linked,
    CASE WHEN settled AND NOT linked AND role = 'pharmacist' THEN ARRAY(
        SELECT DISTINCT h.pharmacy FROM history_v1.dispensation AS h
        WHERE h.subject = met.subject
            AND h.delivered_month >= date_trunc('month', met.first - make_interval(days => 2))::date
            AND h.delivered_at >= met.first - make_interval(days => 1)
            AND h.delivered_at < met.last + make_interval(days => %(contact)s)
    ) ELSE '{{}}'::text[] END,
    settled
FROM met WHERE days >= %(repeated)s OR (settled AND NOT linked)
"""  # noqa: S608 - nothing in it comes from outside
"""Pairs that may be a finding; a delivery is a contact of nobody but a pharmacist's pharmacy."""
_EMERGENCIES: Final = f"""
SELECT reader, role, organisation, count(*), count(*) FILTER (WHERE decision = 'deny'),
    count(DISTINCT subject), min(decided_at), max(decided_at)
FROM ({_READS}) AS reads
WHERE purpose = 'emergency' OR detail = 'emergency'
GROUP BY reader, role, organisation
"""  # noqa: S608 - nothing in it comes from outside


async def uses(connection: Connection, *, start: datetime, end: datetime, now: datetime) -> Uses:
    """Everything that is counted of [start, end), as of now."""
    period: dict[str, Any] = {"start": start, "end": end}
    before = {"start": start - timedelta(days=USUAL_DAYS), "end": start}
    contact = {"contact": CONTACT_DAYS, "repeated": REPEATED_DAYS, "now": now}
    usual = await _rows(connection, _USUAL, before)
    return Uses(
        days=[Day(Party(*one[:3]), *one[3:]) for one in await _rows(connection, _DAYS, period)],
        pairs=[_pair(*one) for one in await _rows(connection, _PAIRS, {**period, **contact})],
        emergencies=[
            Emergency(Party(*one[:3]), *one[3:])
            for one in await _rows(connection, _EMERGENCIES, period)
        ],
        usual=Usual(
            by_reader={reader: float(count) for reader, _, count in usual if reader is not None},
            by_role={role: float(count) for _, role, count in usual if role is not None},
        ),
    )


def _pair(reader: str, role: str, organisation: str | None, *rest: Any) -> Pair:
    reads, days, first, last, linked, pharmacies, settled = rest
    return Pair(
        Party(reader, role, organisation),
        reads=reads,
        days=days,
        first=first,
        last=last,
        linked=linked,
        pharmacies=tuple(pharmacies),
        settled=settled,
    )


async def _rows(
    connection: Connection, query: str, values: dict[str, Any]
) -> Sequence[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode(), values)
    return await cursor.fetchall()
