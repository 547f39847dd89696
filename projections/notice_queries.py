"""Recalls, the lines that each concerns, and who acknowledged: one statement each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row

from infra.postgres import Connection


@dataclass(frozen=True, slots=True)
class Notice:
    """A recall; over once `closed_at`."""

    recall: str
    authority: str
    cnk: str
    batch: str | None
    delivered_from: datetime | None
    delivered_until: datetime | None
    reference: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Concern:
    """What a recall is about, as the lines are found: keyed hashes and a period."""

    product_index: str
    batch_index: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConcernedLine:
    """A line that carried what is recalled; not `certain` if its batch is not known."""

    dguid: str
    version: int
    subject: str
    generation: int
    delivered_at: datetime
    certain: bool


@dataclass(frozen=True, slots=True)
class ConcernedPharmacy:
    """A pharmacy that dispensed it, and how many lines it acknowledged; None: not yet."""

    pharmacy: str
    lines: int
    uncertain: int
    acknowledged: int | None


_NOTICES: Final = """
SELECT recall, authority, cnk, batch, delivered_from, delivered_until, reference, reason, opened_at,
    closed_at
FROM recall_v1.notice
WHERE (%(recall)s::text IS NULL OR recall = %(recall)s)
    AND (%(authority)s::text IS NULL OR authority = %(authority)s)
    AND (NOT %(open_only)s OR closed_at IS NULL)
ORDER BY opened_at DESC, recall LIMIT %(limit)s
"""
_CONCERNED: Final = """
FROM product_recall_v1.line AS l
WHERE l.superseded_position IS NULL AND l.product_index = %(product)s
    AND (%(batch)s::text IS NULL OR l.batch_index = %(batch)s OR l.batch_index IS NULL)
    AND (%(start)s::timestamptz IS NULL OR l.delivered_at >= %(start)s)
    AND (%(end)s::timestamptz IS NULL OR l.delivered_at < %(end)s)
"""
_CERTAIN: Final = "(%(batch)s::text IS NULL OR l.batch_index IS NOT NULL)"
_LINES: Final = f"""
SELECT l.dguid, l.version, l.subject, l.generation, l.delivered_at, {_CERTAIN} AS certain
{_CONCERNED} AND l.pharmacy = %(pharmacy)s AND l.dguid > %(after)s
ORDER BY l.dguid LIMIT %(limit)s
"""
_PHARMACIES: Final = f"""
SELECT c.pharmacy, c.lines, c.uncertain, a.lines AS acknowledged
FROM (SELECT l.pharmacy, count(*)::int AS lines,
        count(*) FILTER (WHERE NOT {_CERTAIN})::int AS uncertain
    {_CONCERNED} AND (%(pharmacy)s::text IS NULL OR l.pharmacy = %(pharmacy)s)
    GROUP BY l.pharmacy) AS c
LEFT JOIN recall_v1.acknowledgement AS a
    ON a.recall = %(recall)s AND a.pharmacy = c.pharmacy AND a.superseded_position IS NULL
ORDER BY c.pharmacy
"""  # noqa: S608 - constants only
_CONCERNING: Final = """
SELECT w.recall
FROM unnest(%(recalls)s::text[], %(products)s::text[], %(batches)s::text[],
        %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    AS w (recall, product, batch, starts, ends)
WHERE EXISTS (
    SELECT FROM product_recall_v1.line AS l
    WHERE l.superseded_position IS NULL AND l.product_index = w.product
        AND l.pharmacy = %(pharmacy)s
        AND (w.batch IS NULL OR l.batch_index = w.batch OR l.batch_index IS NULL)
        AND (w.starts IS NULL OR l.delivered_at >= w.starts)
        AND (w.ends IS NULL OR l.delivered_at < w.ends)
)
"""


async def notices(
    connection: Connection,
    *,
    limit: int | None,
    recall: str | None = None,
    authority: str | None = None,
    open_only: bool = False,
) -> list[Notice]:
    """Recalls, the newest first; all of them without a limit."""
    async with connection.cursor(row_factory=class_row(Notice)) as cursor:
        await cursor.execute(
            _NOTICES,
            {"recall": recall, "authority": authority, "open_only": open_only, "limit": limit},
        )
        return await cursor.fetchall()


async def concerning(
    connection: Connection, concerns: Mapping[str, Concern], *, pharmacy: str
) -> set[str]:
    """Those of these recalls for which a pharmacy has a line; one statement for all."""
    listed = list(concerns.values())
    values = {
        "recalls": list(concerns),
        "products": [one.product_index for one in listed],
        "batches": [one.batch_index for one in listed],
        "starts": [one.start for one in listed],
        "ends": [one.end for one in listed],
        "pharmacy": pharmacy,
    }
    cursor = await connection.execute(_CONCERNING, values)
    return {recall async for (recall,) in cursor}


async def lines(
    connection: Connection, concern: Concern, *, pharmacy: str, limit: int, after: str = ""
) -> list[ConcernedLine]:
    """One pharmacy's lines, by DGUID, behind `after`."""
    values = {**_values(concern), "pharmacy": pharmacy, "limit": limit, "after": after}
    async with connection.cursor(row_factory=class_row(ConcernedLine)) as cursor:
        await cursor.execute(_LINES, values)
        return await cursor.fetchall()


async def pharmacies(
    connection: Connection, concern: Concern, *, recall: str, pharmacy: str | None = None
) -> list[ConcernedPharmacy]:
    """The pharmacies concerned, or one of them, with what each acknowledged."""
    values = {**_values(concern), "recall": recall, "pharmacy": pharmacy}
    async with connection.cursor(row_factory=class_row(ConcernedPharmacy)) as cursor:
        await cursor.execute(_PHARMACIES, values)
        return await cursor.fetchall()


def _values(concern: Concern) -> dict[str, Any]:
    return {
        "product": concern.product_index,
        "batch": concern.batch_index,
        "start": concern.start,
        "end": concern.end,
    }
