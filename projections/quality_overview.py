"""How each pharmacy does: counts over receipts and findings, missing numbers, and last heard.

Periods are half-open and by the append time of the submission. Missing numbers and the times last
heard are as of now.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from psycopg.rows import class_row

from infra.postgres import Connection
from projections.silence import Heard

BUCKET: Final = 10
"""Scores are counted in steps of ten, 100 alone: a line that nothing was said against."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Receipts by outcome, lines by fate, findings by code, and lines by score."""

    outcomes: Mapping[str, int]
    lines_recorded: int
    lines_rejected: int
    lines_duplicate: int
    dead_letters: int
    refused: Mapping[str, int]
    """Findings that refused something, by code."""
    warned: Mapping[str, int]
    """Findings that only lowered a score, by code."""
    scores: Mapping[int, int]
    """Lowest score of a step -> lines that entered the record with such a score."""


@dataclass(frozen=True, slots=True)
class PharmacyRow:
    """One pharmacy in a period; `pharmacy` None gathers what belongs to nobody."""

    pharmacy: str | None
    submissions: int
    refused: int
    """Submissions of which nothing was taken."""
    lines_recorded: int
    lines_rejected: int
    mean_score: float | None


@dataclass(frozen=True, slots=True)
class DayRow:
    """How often a code was given on a Belgian day."""

    day: date
    severity: str
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class OpenGap:
    """Numbers `first` to `last` are missing; `current` says that the epoch is still in use."""

    pharmacy: str
    epoch: str
    first: int
    last: int
    noticed_at: datetime
    current: bool

    @property
    def missing(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class GapTotals:
    """Open ranges and the numbers in them, of epochs in use and of those left behind."""

    ranges: int
    numbers: int
    former_ranges: int
    former_numbers: int


@dataclass(frozen=True, slots=True)
class Quality:
    """All of it about one pharmacy, or about everybody, of whom nobody was last `heard`."""

    overview: Overview
    gaps: GapTotals
    heard: Heard | None = None


_PERIOD: Final = "appended_at >= %(start)s AND appended_at < %(end)s"
_PHARMACY: Final = "pharmacy = %(pharmacy)s"


def _within(asked: Mapping[str, object]) -> str:
    """The condition, with the pharmacy only if one is asked for: each form has its index."""
    return _PERIOD if asked["pharmacy"] is None else f"{_PHARMACY} AND {_PERIOD}"


async def overview(
    connection: Connection, *, start: datetime, end: datetime, pharmacy: str | None = None
) -> Overview:
    """One pharmacy in a period, or everybody with receipts that belong to nobody."""
    asked = {"pharmacy": pharmacy, "start": start, "end": end}
    totals = await connection.execute(
        "SELECT outcome, count(*), sum(lines_recorded), sum(lines_rejected),"  # noqa: S608 - constants only
        " sum(lines_duplicate), count(*) FILTER (WHERE dead_letter)"
        f" FROM quality_v1.receipt WHERE {_within(asked)} GROUP BY outcome ORDER BY outcome",
        asked,
    )
    rows = await totals.fetchall()
    findings = await _findings(connection, asked)
    return Overview(
        outcomes={row[0]: row[1] for row in rows},
        lines_recorded=sum(row[2] for row in rows),
        lines_rejected=sum(row[3] for row in rows),
        lines_duplicate=sum(row[4] for row in rows),
        dead_letters=sum(row[5] for row in rows),
        refused={code: count for severity, code, count in findings if severity == "reject"},
        warned={code: count for severity, code, count in findings if severity == "warn"},
        scores=await _scores(connection, asked),
    )


async def _findings(
    connection: Connection, asked: Mapping[str, object]
) -> list[tuple[str, str, int]]:
    cursor = await connection.execute(
        "SELECT severity, code, count(*) FROM quality_v1.finding"  # noqa: S608 - constants only
        f" WHERE {_within(asked)} GROUP BY severity, code ORDER BY severity, code",
        asked,
    )
    return [(severity, code, count) async for severity, code, count in cursor]


async def _scores(connection: Connection, asked: Mapping[str, object]) -> dict[int, int]:
    cursor = await connection.execute(
        f"SELECT score / {BUCKET} * {BUCKET}, count(*)"  # noqa: S608 - constants only
        f" FROM quality_v1.receipt, unnest(scores) AS score WHERE {_within(asked)}"
        " GROUP BY 1 ORDER BY 1",
        asked,
    )
    return {lowest: count async for lowest, count in cursor}


async def pharmacies(
    connection: Connection, *, start: datetime, end: datetime, limit: int
) -> list[PharmacyRow]:
    """Pharmacies heard in a period, those with the most refused lines first."""
    async with connection.cursor(row_factory=class_row(PharmacyRow)) as cursor:
        await cursor.execute(
            "SELECT pharmacy, count(*) AS submissions,"
            " count(*) FILTER (WHERE outcome = 'rejected') AS refused,"
            " sum(lines_recorded) AS lines_recorded, sum(lines_rejected) AS lines_rejected,"
            " round(sum((SELECT sum(score) FROM unnest(scores) AS score))::numeric"
            " / nullif(sum(cardinality(scores)), 0), 1)::float AS mean_score"
            " FROM quality_v1.receipt WHERE appended_at >= %s AND appended_at < %s"
            " GROUP BY pharmacy ORDER BY lines_rejected DESC, refused DESC, pharmacy LIMIT %s",
            (start, end, limit),
        )
        return await cursor.fetchall()


async def by_day(
    connection: Connection, *, start: datetime, end: datetime, pharmacy: str | None = None
) -> list[DayRow]:
    """Findings by Belgian day and code, oldest day first."""
    asked = {"pharmacy": pharmacy, "start": start, "end": end}
    async with connection.cursor(row_factory=class_row(DayRow)) as cursor:
        await cursor.execute(
            "SELECT (appended_at AT TIME ZONE 'Europe/Brussels')::date AS day,"  # noqa: S608 - constants only
            f" severity, code, count(*) AS count FROM quality_v1.finding WHERE {_within(asked)}"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            asked,
        )
        return await cursor.fetchall()


_OPEN: Final = """
SELECT g.pharmacy, g.epoch, r.first, r.last, g.noticed_at,
    coalesce(g.epoch = newest.epoch, false) AS current
FROM quality_v1.gap AS g
CROSS JOIN LATERAL (
    SELECT number + 1 AS first, following - 1 AS last
    FROM (
        SELECT number, lead(number) OVER (ORDER BY number) AS following
        FROM (
            SELECT g.first - 1 AS number
            UNION ALL SELECT g.last + 1
            UNION ALL
            SELECT number FROM quality_v1.gap_closed AS c
            WHERE c.pharmacy = g.pharmacy AND c.epoch = g.epoch
                AND c.number BETWEEN g.first AND g.last
        ) AS bounds
    ) AS neighbours
    WHERE following > number + 1
) AS r
LEFT JOIN LATERAL (
    SELECT epoch FROM quality_v1.receipt
    WHERE pharmacy = g.pharmacy AND submission_id IS NOT NULL
    ORDER BY appended_at DESC, source_offset DESC LIMIT 1
) AS newest ON true
WHERE {pharmacy}
"""
"""A gap without the numbers that arrived since, as ranges."""


def _open(pharmacy: str | None) -> str:
    return _OPEN.format(pharmacy="true" if pharmacy is None else f"g.{_PHARMACY}")


async def open_gaps(connection: Connection, *, pharmacy: str | None = None) -> list[OpenGap]:
    """What is missing, as ranges: by pharmacy, oldest notice first."""
    async with connection.cursor(row_factory=class_row(OpenGap)) as cursor:
        await cursor.execute(
            f"{_open(pharmacy)} ORDER BY g.pharmacy, g.noticed_at, g.epoch, r.first",
            {"pharmacy": pharmacy},
        )
        return await cursor.fetchall()


async def gap_totals(connection: Connection, *, pharmacy: str | None = None) -> GapTotals:
    """How many ranges and numbers are missing, of one pharmacy or in all."""
    cursor = await connection.execute(
        "SELECT count(*) FILTER (WHERE current),"  # noqa: S608 - constants only
        " coalesce(sum(last - first + 1) FILTER (WHERE current), 0),"
        " count(*) FILTER (WHERE NOT current),"
        " coalesce(sum(last - first + 1) FILTER (WHERE NOT current), 0)"
        f" FROM ({_open(pharmacy)}) AS missing",
        {"pharmacy": pharmacy},
    )
    row: tuple[Any, ...] = await cursor.fetchone() or (0, 0, 0, 0)
    return GapTotals(*(int(one) for one in row))


async def heard(connection: Connection, pharmacies: Collection[str]) -> dict[str, Heard]:
    """When each of these was last heard: one look into an index for each."""
    cursor = await connection.execute(
        "SELECT one, (SELECT max(appended_at) FROM quality_v1.receipt"
        " WHERE pharmacy = one AND submission_id IS NOT NULL),"
        " (SELECT max(appended_at) FROM quality_v1.receipt WHERE pharmacy = one)"
        " FROM unnest(%s::text[]) AS one",
        (list(pharmacies),),
    )
    return {number: Heard(seen, last) async for number, seen, last in cursor}


async def quality(
    connection: Connection, *, start: datetime, end: datetime, pharmacy: str | None = None
) -> Quality:
    """One pharmacy in a period, or everybody."""
    found = await heard(connection, [pharmacy]) if pharmacy is not None else {}
    return Quality(
        overview=await overview(connection, start=start, end=end, pharmacy=pharmacy),
        gaps=await gap_totals(connection, pharmacy=pharmacy),
        heard=found.get(pharmacy) if pharmacy is not None else None,
    )
