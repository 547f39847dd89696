"""Consumption for authorities: months, cells, and that answers together tell no more."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.aggregates import (
    Cell,
    Counted,
    Protected,
    closed_months,
    of_group,
    of_product,
    protect,
)
from projections.authorities import may
from projections.suppression import TOTAL
from schemas.policy import AccessPolicy, AggregatesRule, baseline
from tests.unit.projections.test_suppression import _less

MONTH, REGIONS = date(2026, 1, 1), ("north", "south", "west")
PRODUCTS = {"1": "A01AA01", "2": "A01AA01", "3": "A01AA02", "4": "A01AA02", "5": "A01AA02"}
CODES = ("A01AA01", "A01AA02")
AFMPS, INAMI = "0000000394", "0000000196"
Variable = tuple[str, str]


@pytest.mark.parametrize(
    ("now", "days", "months"),
    [
        (datetime(2026, 3, 10, 12, tzinfo=UTC), 30, ["2025-04", "2026-01"]),
        (datetime(2026, 3, 30, 23, tzinfo=UTC), 30, ["2025-04", "2026-02"]),
        (datetime(2026, 3, 2, 12, tzinfo=UTC), 30, ["2025-04", "2025-12"]),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), 0, ["2025-03", "2026-02"]),
        (datetime(2026, 2, 28, 23, 30, tzinfo=UTC), 0, ["2025-03", "2026-02"]),
    ],
)
def test_months_are_counted_that_are_closed_and_still_whole(
    now: datetime, days: int, months: list[str]
) -> None:
    found = [f"{month:%Y-%m}" for month in closed_months(now, days, 12)]
    assert [found[0], found[-1]] == months


def counted(cells: Mapping[Variable, int]) -> list[Counted]:
    return [
        Counted(MONTH, PRODUCTS[cnk], cnk, region, lines, 2 * lines)
        for (cnk, region), lines in cells.items()
        if lines
    ]


def by_region(cells: Iterable[Cell]) -> dict[str, int | None]:
    return {one.region: one.lines for one in cells}


def test_a_product_and_its_group_are_cut_from_one_table() -> None:
    cells = dict.fromkeys(product(("1", "2"), REGIONS), 20)
    tables = protect(counted(cells), REGIONS, 10)
    alone = of_product(tables, "A01AA01", "1", [MONTH], REGIONS)
    assert by_region(alone) == {**dict.fromkeys(REGIONS, 20), TOTAL: 60}
    assert [one.units for one in alone] == [40, 40, 40, 120]
    group = of_group(tables, ["A01AA01"], [MONTH], REGIONS)
    assert by_region(group) == {**dict.fromkeys(REGIONS, 40), TOTAL: 120}


def test_a_small_cell_hides_others_in_its_row_and_column() -> None:
    cells = dict.fromkeys(product(("1", "2"), REGIONS), 20) | {("1", "north"): 3}
    tables = protect(counted(cells), REGIONS, 10)
    one = by_region(of_product(tables, "A01AA01", "1", [MONTH], REGIONS))
    other = by_region(of_product(tables, "A01AA01", "2", [MONTH], REGIONS))
    assert one["north"] is None
    assert sum(value is None for value in one.values()) >= 2
    assert sum(value is None for value in other.values()) >= 2


def test_a_wider_group_sums_what_is_shown_and_says_what_is_left_out() -> None:
    cells = dict.fromkeys(product(("1", "2"), REGIONS), 20) | {("3", "north"): 3}
    tables = protect(counted(cells), REGIONS, 10)
    found = {one.region: one for one in of_group(tables, CODES, [MONTH], REGIONS)}
    assert (found["north"].lines, found["north"].left_out) == (40, 1)
    assert (found[TOTAL].lines, found[TOTAL].left_out) == (120, 1)


def test_what_nobody_had_is_nothing() -> None:
    assert by_region(of_product({}, "A01AA01", "1", [MONTH], REGIONS)) == dict.fromkeys(
        (*REGIONS, TOTAL), 0
    )


def _equations(
    tables: Mapping[tuple[str, date], Protected],
) -> list[tuple[set[Variable], int]]:
    """Every figure of every answer that an authority can get, as a sum of base cells."""
    places = set(product(PRODUCTS, REGIONS))
    found: list[tuple[set[Variable], int]] = []

    def told(cells: Iterable[Cell], within: set[Variable]) -> None:
        for one in cells:
            if one.lines is not None:
                region = {v for v in within if one.region in (TOTAL, v[1])}
                found.append((region, one.lines))

    for cnk, atc in PRODUCTS.items():
        told(of_product(tables, atc, cnk, [MONTH], REGIONS), {v for v in places if v[0] == cnk})
    for code in CODES:
        within = {v for v in places if PRODUCTS[v[0]] == code}
        told(of_group(tables, [code], [MONTH], REGIONS), within)
    for one in of_group(tables, CODES, [MONTH], REGIONS):
        # Asking for each code alone tells which of them are in the sum.
        shown = {
            code
            for code in CODES
            for cell in of_group(tables, [code], [MONTH], [*REGIONS])
            if cell.region == one.region and cell.lines is not None
        }
        if one.lines is not None:
            within = {v for v in places if PRODUCTS[v[0]] in shown}
            found.append(({v for v in within if one.region in (TOTAL, v[1])}, one.lines))
    return found


@given(st.lists(st.integers(0, 25), min_size=15, max_size=15), st.integers(2, 10))
def test_all_answers_together_determine_no_small_cell(values: list[int], threshold: int) -> None:
    variables = list(product(PRODUCTS, REGIONS))
    cells = dict(zip(variables, values, strict=True))
    tables = protect(counted(cells), REGIONS, threshold)
    equations = _equations(tables)
    assert all(sum(cells[v] for v in within) == lines for within, lines in equations)
    matrix = [[int(v in within) for v in variables] for within, _ in equations]
    fixed = _fixed(matrix, variables)
    small = {v for v, lines in cells.items() if 0 < lines < threshold}
    assert not fixed & small


def _fixed(matrix: list[list[int]], variables: list[Variable]) -> set[Variable]:
    prime = 2_147_483_647
    pivots: list[tuple[int, list[int]]] = []
    for column in range(len(variables)):
        found = next((row for row in matrix if row[column]), None)
        if found is None:
            continue
        matrix.remove(found)
        inverse = pow(found[column], prime - 2, prime)
        found = [value * inverse % prime for value in found]
        matrix = [_less(row, found, column) for row in matrix]
        pivots = [(at, _less(row, found, column)) for at, row in pivots]
        pivots.append((column, found))
    return {variables[at] for at, row in pivots if sum(1 for value in row if value) == 1}


@pytest.mark.parametrize(
    ("pharmacy", "region"),
    [("27457532", "south"), ("27000000", "centre"), ("80000551", "unknown")],
)
def test_the_longest_beginning_of_a_pharmacys_number_names_its_region(
    pharmacy: str, region: str
) -> None:
    rule = AggregatesRule(regions={"2": "north", "27": "centre", "2745": "south"})
    assert rule.region(pharmacy) == region


@pytest.mark.parametrize(
    ("authority", "purpose", "year", "granted"),
    [
        (AFMPS, "recall", 2026, True),
        (AFMPS, "consumption", 2026, True),
        (INAMI, "consumption", 2026, True),
        (INAMI, "recall", 2026, False),
        (AFMPS, "recall", 2025, False),
        ("0123456749", "consumption", 2026, False),
        (None, "consumption", 2026, False),
    ],
)
def test_an_authority_may_what_policy_data_mandate_it_for(
    authority: str | None, purpose: str, year: int, granted: bool
) -> None:
    policy = baseline("access").data
    assert isinstance(policy, AccessPolicy)
    now = datetime(year, 6, 1, tzinfo=UTC)
    assert may(authority, purpose, policy, now) is granted  # type: ignore[arg-type]
