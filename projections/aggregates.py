"""Consumption as an authority may see it: per group of products and month, small cells hidden.

Every answer is cut from the same tables: one per ATC code and closed month, with products as rows
and regions as columns. What is hidden is decided for the whole table, whatever part of it is asked,
so that several answers together tell no more than one. Wider ATC groups sum up what is shown of the
codes within and say how many were left out. Pure. Source: DESIGN section 8.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from projections.suppression import TOTAL, Place, hidden, with_totals
from schemas import brussels


@dataclass(frozen=True, slots=True)
class Counted:
    """Deliveries and packs of a product (CNK) of an ATC code in a region and month."""

    month: date
    atc: str
    cnk: str
    region: str
    lines: int
    units: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Deliveries and packs; None where they are hidden. `region` is `TOTAL` for the country."""

    month: date
    region: str
    lines: int | None
    units: int | None
    left_out: int = 0
    """Codes within a wider group whose part is hidden and not in the figures."""


@dataclass(frozen=True, slots=True)
class Protected:
    """One table: figures by product and region, totals among them, and which are hidden."""

    lines: Mapping[Place, int]
    units: Mapping[Place, int]
    hidden: frozenset[Place] = field(default_factory=frozenset)

    def shown(self, place: Place) -> tuple[int, int] | None:
        """Deliveries and packs at a place; None if they are hidden. What nobody had is nothing."""
        if place in self.hidden:
            return None
        return self.lines.get(place, 0), self.units.get(place, 0)


def closed_months(now: datetime, closed_after_days: int, kept_months: int) -> list[date]:
    """The months (first days) that may be counted, the earliest first.

    They ended long enough ago that late lines are in, and nothing of them has left the record yet.
    """
    today = brussels.day_of(now)
    oldest = brussels.shift_months(today, -kept_months)
    first = oldest if oldest.day == 1 else _next_month(oldest)
    found: list[date] = []
    while _next_month(first) + timedelta(days=closed_after_days) <= today:
        found.append(first)
        first = _next_month(first)
    return found


def _next_month(day: date) -> date:
    return brussels.shift_months(day.replace(day=1), 1)


def protect(
    counted: Iterable[Counted], regions: Sequence[str], min_lines: int
) -> Mapping[tuple[str, date], Protected]:
    """The table of each ATC code and month in which anything was counted."""
    lines: dict[tuple[str, date], dict[Place, int]] = {}
    units: dict[tuple[str, date], dict[Place, int]] = {}
    for one in counted:
        table, place = (one.atc, one.month), (one.cnk, one.region)
        for figures, amount in ((lines, one.lines), (units, one.units)):
            cells = figures.setdefault(table, {})
            cells[place] = cells.get(place, 0) + amount
    return {
        table: _protected(cells, units[table], regions, min_lines) for table, cells in lines.items()
    }


def _protected(
    lines: Mapping[Place, int],
    units: Mapping[Place, int],
    regions: Sequence[str],
    min_lines: int,
) -> Protected:
    products = sorted({product for product, _ in lines})
    whole = with_totals(lines, products, regions)
    return Protected(
        whole, with_totals(units, products, regions), hidden(whole, products, regions, min_lines)
    )


def of_product(
    tables: Mapping[tuple[str, date], Protected],
    atc: str,
    cnk: str,
    months: Sequence[date],
    regions: Sequence[str],
) -> tuple[Cell, ...]:
    """A product's cells, cut from the tables of its ATC code."""
    return _cells(tables, [atc], cnk, months, regions)


def of_group(
    tables: Mapping[tuple[str, date], Protected],
    codes: Sequence[str],
    months: Sequence[date],
    regions: Sequence[str],
) -> tuple[Cell, ...]:
    """The cells of a group of ATC codes: of one, its totals; of several, the sum of those shown."""
    return _cells(tables, codes, TOTAL, months, regions)


def _cells(
    tables: Mapping[tuple[str, date], Protected],
    codes: Sequence[str],
    row: str,
    months: Sequence[date],
    regions: Sequence[str],
) -> tuple[Cell, ...]:
    return tuple(
        _cell(
            [tables[code, month] for code in codes if (code, month) in tables], row, region, month
        )
        for month in months
        for region in (*regions, TOTAL)
    )


def _cell(found: Sequence[Protected], row: str, region: str, month: date) -> Cell:
    shown = [table.shown((row, region)) for table in found]
    known = [figures for figures in shown if figures is not None]
    left_out = len(shown) - len(known)
    if left_out and not known:
        return Cell(month, region, None, None, left_out)
    return Cell(
        month,
        region,
        sum(lines for lines, _ in known),
        sum(units for _, units in known),
        left_out,
    )
