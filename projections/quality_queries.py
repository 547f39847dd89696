"""What a pharmacy may learn about its own submissions, and the office about all of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from infra.postgres import Connection
from schemas.receipts import GAP_CLOSED, GAP_NOTICED, RECEIPT


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt or gap notice: `body` is its JSON as written, `offset` its place in the topic."""

    type: str
    partition: int
    offset: int
    ce_id: str
    body: bytes


_COLUMNS: Final = 'recorded_partition AS partition, recorded_position AS "offset", ce_id, body'
_MINE: Final = (
    "WHERE pharmacy = %(pharmacy)s AND recorded_partition = %(partition)s"
    " AND recorded_position > %(after)s"
)
_LETTERS: Final = f"""
(SELECT '{RECEIPT}' AS type, {_COLUMNS} FROM quality_v1.receipt {_MINE}
 ORDER BY recorded_position LIMIT %(limit)s)
UNION ALL
(SELECT '{GAP_NOTICED}', {_COLUMNS} FROM quality_v1.gap {_MINE}
 ORDER BY recorded_position LIMIT %(limit)s)
UNION ALL
(SELECT '{GAP_CLOSED}', {_COLUMNS} FROM quality_v1.gap_closed {_MINE}
 ORDER BY recorded_position LIMIT %(limit)s)
ORDER BY "offset" LIMIT %(limit)s
"""  # noqa: S608 - constants only


async def receipts(
    connection: Connection, *, pharmacy: str, partition: int, after: int = -1, limit: int
) -> list[ReceiptRow]:
    """A pharmacy's receipts and gap notices behind an offset of its partition, oldest first.

    `partition` is that of the pharmacy's number. What it put elsewhere was refused; `receipt_of`
    finds the receipt of that.
    """
    async with connection.cursor(row_factory=class_row(ReceiptRow)) as cursor:
        await cursor.execute(
            _LETTERS,
            {"pharmacy": pharmacy, "partition": partition, "after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def receipt_of(
    connection: Connection, *, pharmacy: str, partition: int, source_offset: int
) -> ReceiptRow | None:
    """The pharmacy's receipt for that place of the submitted topic, once there is one."""
    async with connection.cursor(row_factory=class_row(ReceiptRow)) as cursor:
        await cursor.execute(
            f"SELECT '{RECEIPT}' AS type, {_COLUMNS} FROM quality_v1.receipt"  # noqa: S608 - constants only
            " WHERE partition = %s AND source_offset = %s AND pharmacy = %s",
            (partition, source_offset, pharmacy),
        )
        return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class GapRow:
    """Numbers `first` to `last` were passed over; `closed` are those that arrived since."""

    pharmacy: str
    epoch: str
    first: int
    last: int
    noticed_at: datetime
    closed: list[int]

    @property
    def is_open(self) -> bool:
        """Whether a number is still missing."""
        return len(self.closed) < self.last - self.first + 1


async def gaps(connection: Connection, *, pharmacy: str) -> list[GapRow]:
    """A pharmacy's gap notices in the order of their numbers."""
    async with connection.cursor(row_factory=class_row(GapRow)) as cursor:
        await cursor.execute(
            "SELECT pharmacy, epoch, first, last, noticed_at, ARRAY("
            "SELECT number FROM quality_v1.gap_closed AS c WHERE c.pharmacy = g.pharmacy"
            " AND c.epoch = g.epoch AND c.number BETWEEN g.first AND g.last ORDER BY number"
            ") AS closed FROM quality_v1.gap AS g WHERE pharmacy = %s"
            " ORDER BY noticed_at, epoch, first",
            (pharmacy,),
        )
        return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """Counts of receipts by outcome and of lines by fate; codes count findings."""

    outcomes: dict[str, int]
    lines_recorded: int
    lines_rejected: int
    lines_duplicate: int
    dead_letters: int
    rejections: dict[str, int]
    warnings: dict[str, int]
    open_numbers: int
    """Sequence numbers that were passed over and have not arrived."""
    last_seen: datetime | None
    """Append time of the latest submission."""


async def quality_summary(connection: Connection, *, pharmacy: str | None = None) -> QualitySummary:
    """One pharmacy's quality, or everybody's with receipts that belong to nobody."""
    where, values = ("WHERE pharmacy = %s", (pharmacy,)) if pharmacy else ("", ())
    cursor = await connection.execute(
        "SELECT coalesce(sum(lines_recorded), 0), coalesce(sum(lines_rejected), 0),"  # noqa: S608
        " coalesce(sum(lines_duplicate), 0), count(*) FILTER (WHERE dead_letter),"
        f" max(appended_at) FROM quality_v1.receipt {where}",
        values,
    )
    totals = await cursor.fetchone() or (0, 0, 0, 0, None)
    return QualitySummary(
        outcomes=await _counts(connection, "outcome", "", where, values),
        lines_recorded=totals[0],
        lines_rejected=totals[1],
        lines_duplicate=totals[2],
        dead_letters=totals[3],
        rejections=await _counts(connection, "code", ", unnest(rejections) AS code", where, values),
        warnings=await _counts(connection, "code", ", unnest(warnings) AS code", where, values),
        open_numbers=await _open_numbers(connection, where, values),
        last_seen=totals[4],
    )


async def _counts(
    connection: Connection, what: str, source: str, where: str, values: tuple[str | None, ...]
) -> dict[str, int]:
    cursor = await connection.execute(
        f"SELECT {what}, count(*) FROM quality_v1.receipt{source} {where} GROUP BY 1 ORDER BY 1",  # noqa: S608 - constants only
        values,
    )
    return {name: count async for name, count in cursor}


async def _open_numbers(connection: Connection, where: str, values: tuple[str | None, ...]) -> int:
    cursor = await connection.execute(
        "SELECT (SELECT coalesce(sum(last - first + 1), 0) FROM quality_v1.gap "  # noqa: S608
        f"{where}) - (SELECT count(*) FROM quality_v1.gap_closed {where})",
        (*values, *values),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0
