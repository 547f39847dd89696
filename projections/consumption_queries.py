"""What was dispensed of products, per month and pharmacy, from the projection without subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from infra.postgres import Connection


@dataclass(frozen=True, slots=True)
class Consumed:
    """Deliveries (`lines`) and packs of a product in one month (its first day) at one pharmacy.

    A line that came back counts as no delivery and takes its packs off.
    """

    month: date
    product_index: str
    pharmacy: str
    lines: int
    units: int


async def consumption(
    connection: Connection, *, products: Sequence[str], start: datetime, end: datetime
) -> list[Consumed]:
    """Counts of products (`folds.product_recall.product_index`) delivered in [start, end)."""
    async with connection.cursor(row_factory=class_row(Consumed)) as cursor:
        await cursor.execute(
            "SELECT date_trunc('month', delivered_at AT TIME ZONE 'Europe/Brussels')::date"
            " AS month, product_index, pharmacy, count(*) FILTER (WHERE units > 0) AS lines,"
            " sum(units)::bigint AS units FROM consumption_v1.line"
            " WHERE superseded_position IS NULL AND product_index = ANY(%(products)s)"
            " AND delivered_at >= %(start)s AND delivered_at < %(end)s"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            {"products": list(products), "start": start, "end": end},
        )
        return await cursor.fetchall()
