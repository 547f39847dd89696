"""What the surveillance of use counts: few rows of its projection, beside links and deliveries.

Only reads of histories by others than the patient are counted. Periods are whole Belgian days.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from infra.postgres import Connection
from projections.folds.surveillance import moment_of
from projections.surveillance import (
    CONTACT_DAYS,
    REPEATED_DAYS,
    USUAL_DAYS,
    VOLUME_FLOOR,
    Day,
    Emergency,
    Pair,
    Party,
    Uses,
    Usual,
    median,
    whole_days,
)
from schemas.brussels import day_of

_READS: Final = """
    unnest(p.moments, p.kinds) AS k(moment, kind)
    CROSS JOIN LATERAL (
        SELECT timestamptz 'epoch' + k.moment * interval '1 microsecond' AS at
    ) AS t
"""
_DAYS: Final = """
SELECT reader, role, nullif(organisation, ''), reads, refused, subjects, first, last
FROM surveillance_v1.day
WHERE day >= %(first_day)s AND day < %(end_day)s AND subjects >= %(floor)s
"""
_USUAL_OF_READERS: Final = """
SELECT reader, subjects, count(*) FROM surveillance_v1.day
WHERE reader = ANY(%(readers)s) AND day >= %(before)s AND day < %(first_day)s
GROUP BY reader, subjects
"""
_USUAL_OF_ROLES: Final = """
SELECT role, subjects, count(*) FROM surveillance_v1.day
WHERE role = ANY(%(roles)s) AND day >= %(before)s AND day < %(first_day)s
GROUP BY role, subjects
"""
_PAIRS: Final = f"""
WITH seen AS MATERIALIZED (
    SELECT p.reader, p.role, p.organisation, p.subject, c.*,
        %(contacts)s AND c.last < %(settled)s AS settled
    FROM surveillance_v1.pair AS p CROSS JOIN LATERAL (
        SELECT count(*) AS reads, min(t.at) AS first, max(t.at) AS last,
            count(DISTINCT (t.at AT TIME ZONE 'Europe/Brussels')::date) AS days
        FROM {_READS}
        WHERE k.kind & 1 = 0 AND k.moment >= %(first_moment)s AND k.moment < %(end_moment)s
    ) AS c
    WHERE p.last_permitted >= %(start)s AND {{candidate}} AND c.reads > 0
    ORDER BY p.subject -- what is looked up of one person is in one place of its index
), met AS MATERIALIZED (
    SELECT seen.*, settled AND (EXISTS (
        SELECT FROM access_state_v1.link AS l
        WHERE l.subject = seen.subject AND l.party IN (seen.reader, seen.organisation)
            AND l.recorded_at >= seen.first - make_interval(days => 1)
            AND l.recorded_at < seen.last + make_interval(days => %(contact)s)
    ) OR EXISTS (
        SELECT FROM projection_erased AS e
        WHERE e.subject = seen.subject AND e.erased_at > seen.last
    )) AS linked
    FROM seen
)
SELECT reader, role, nullif(organisation, ''), reads, days, first, last, linked,
    CASE WHEN settled AND NOT linked AND role = 'pharmacist' THEN ARRAY(
        SELECT DISTINCT h.pharmacy FROM history_v1.dispensation AS h
        WHERE h.subject = met.subject
            AND h.delivered_month >= date_trunc('month', met.first - make_interval(days => 2))::date
            AND h.delivered_at >= met.first - make_interval(days => 1)
            AND h.delivered_at < met.last + make_interval(days => %(contact)s)
    ) ELSE '{{{{}}}}'::text[] END,
    settled
FROM met WHERE days >= %(repeated)s OR (settled AND NOT linked)
"""  # noqa: S608 - nothing in it comes from outside
"""Pairs that may be a finding; a delivery is a contact of nobody but a pharmacist's pharmacy.

Whether somebody was met who was erased since cannot be told any more, and counts as yes.
"""
_OFTEN: Final = _PAIRS.format(candidate="p.days >= %(repeated)s")
_ONCE: Final = _PAIRS.format(
    candidate="p.days < %(repeated)s AND (p.last_permitted < %(settled)s OR %(end)s < %(now)s)"
)
"""The others, who are most: whether they were met is looked up one by one."""
_EMERGENCIES: Final = f"""
SELECT p.reader, p.role, nullif(p.organisation, ''), count(*),
    count(*) FILTER (WHERE k.kind & 1 = 1), count(DISTINCT p.subject), min(t.at), max(t.at)
FROM surveillance_v1.pair AS p CROSS JOIN LATERAL {_READS}
WHERE p.emergencies > 0 AND k.kind & 2 = 2
    AND k.moment >= %(first_moment)s AND k.moment < %(end_moment)s
GROUP BY p.reader, p.role, p.organisation
"""  # noqa: S608 - nothing in it comes from outside


async def uses(
    connection: Connection,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    contacts: bool = True,
) -> Uses:
    """What may be a finding of the Belgian days that [start, end) touches, as of now.

    Without `contacts` nobody's are looked up, so nothing is found of the kind that needs them.
    """
    asked = {**_asked(*whole_days(start, end), now), "contacts": contacts}
    days = [Day(Party(*one[:3]), *one[3:]) for one in await _rows(connection, _DAYS, asked)]
    return Uses(
        days=days,
        pairs=[
            _pair(*one)
            for question in (_OFTEN, _ONCE)[: 1 + contacts]
            for one in await _rows(connection, question, asked)
        ],
        emergencies=[
            Emergency(Party(*one[:3]), *one[3:])
            for one in await _rows(connection, _EMERGENCIES, asked)
        ],
        usual=await _usual(connection, days, asked),
    )


def _asked(start: datetime, end: datetime, now: datetime) -> dict[str, Any]:
    first_day = day_of(start)
    return {
        "start": start,
        "end": end,
        "now": now,
        "settled": now - timedelta(days=CONTACT_DAYS),
        "first_moment": moment_of(start),
        "end_moment": moment_of(end),
        "before": first_day - timedelta(days=USUAL_DAYS),
        "first_day": first_day,
        "end_day": day_of(end),
        "floor": VOLUME_FLOOR,
        "repeated": REPEATED_DAYS,
        "contact": CONTACT_DAYS,
    }


async def _usual(connection: Connection, days: Sequence[Day], asked: dict[str, Any]) -> Usual:
    """Of the readers and roles alone that have a day which may be unusual."""
    if not days:
        return Usual({}, {})
    readers, roles = {one.party.reader for one in days}, {one.party.role for one in days}
    wanted = {**asked, "readers": [*readers], "roles": [*roles]}
    return Usual(
        by_reader=_medians(await _rows(connection, _USUAL_OF_READERS, wanted)),
        by_role=_medians(await _rows(connection, _USUAL_OF_ROLES, wanted)),
    )


def _medians(rows: Sequence[tuple[Any, ...]]) -> dict[str, float]:
    found: dict[str, dict[int, int]] = {}
    for name, subjects, days in rows:
        found.setdefault(name, {})[subjects] = days
    return {name: median(days) for name, days in found.items()}


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
