"""Which dispensations carried a recalled product or batch; notices go through the pharmacies."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from infra.postgres import Connection

_CARRIERS: Final = """
SELECT pharmacy, dguid, version, subject, generation, delivered_at
FROM product_recall_v1.line
WHERE {index} = %(wanted)s AND superseded_position IS NULL
    AND (pharmacy, dguid) > (%(pharmacy)s, %(dguid)s)
ORDER BY pharmacy, dguid LIMIT %(limit)s
"""
_BY_BATCH: Final = _CARRIERS.format(index="batch_index")
_BY_PRODUCT: Final = _CARRIERS.format(index="product_index")


@dataclass(frozen=True, slots=True)
class Carrier:
    """A line that stands and carried what is recalled."""

    pharmacy: str
    dguid: str
    version: int
    subject: str
    generation: int
    delivered_at: datetime


async def by_product(
    connection: Connection, *, product_index: str, limit: int, after: Carrier | None = None
) -> list[Carrier]:
    """Lines that carried a product (`folds.product_recall.product_index`), by pharmacy and line."""
    return await _page(connection, _BY_PRODUCT, product_index, limit, after)


async def by_batch(
    connection: Connection, *, batch_index: str, limit: int, after: Carrier | None = None
) -> list[Carrier]:
    """Lines that carried a batch (`folds.product_recall.batch_index`), by pharmacy and line."""
    return await _page(connection, _BY_BATCH, batch_index, limit, after)


async def _page(
    connection: Connection, query: str, wanted: str, limit: int, after: Carrier | None
) -> list[Carrier]:
    async with connection.cursor(row_factory=class_row(Carrier)) as cursor:
        await cursor.execute(
            query,
            {
                "wanted": wanted,
                "limit": limit,
                "pharmacy": "" if after is None else after.pharmacy,
                "dguid": "" if after is None else after.dguid,
            },
        )
        return await cursor.fetchall()
