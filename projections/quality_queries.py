"""A pharmacy's own receipts and gap notices, as the stage wrote them."""

from dataclasses import dataclass
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

    `partition` is that of the pharmacy's number. What it put elsewhere was refused.
    """
    async with connection.cursor(row_factory=class_row(ReceiptRow)) as cursor:
        await cursor.execute(
            _LETTERS,
            {"pharmacy": pharmacy, "partition": partition, "after": after, "limit": limit},
        )
        return await cursor.fetchall()
