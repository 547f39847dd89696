"""Small cells cannot be recomputed: attacked by linear algebra, and by trying every table."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from projections.suppression import TOTAL, Place, hidden, with_totals

ROWS, COLUMNS = ("a", "b", "c"), ("x", "y", "z")
PRIME = 2_147_483_647


def counts(
    rows: Sequence[str], columns: Sequence[str], most: int
) -> st.SearchStrategy[dict[Place, int]]:
    places = list(product(rows, columns))
    return st.lists(st.integers(0, most), min_size=len(places), max_size=len(places)).map(
        lambda values: dict(zip(places, values, strict=True))
    )


def lines_of(rows: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[list[Place], Place]]:
    """Cells and their total, along rows and along columns, the margins too."""
    for row in [*rows, TOTAL]:
        yield [(row, column) for column in columns], (row, TOTAL)
    for column in [*columns, TOTAL]:
        yield [(row, column) for row in rows], (TOTAL, column)


def recomputed(unknown: Sequence[Place], rows: Sequence[str], columns: Sequence[str]) -> set[Place]:
    """Unknowns that the equations fix, by elimination in a prime field: an attack of its own."""
    index = {place: number for number, place in enumerate(unknown)}
    matrix = []
    for cells, total in lines_of(rows, columns):
        row = [0] * len(unknown)
        for place in cells:
            if place in index:
                row[index[place]] += 1
        if total in index:
            row[index[total]] -= 1
        matrix.append([value % PRIME for value in row])
    pivots: list[tuple[int, list[int]]] = []
    for column in range(len(unknown)):
        found = next((row for row in matrix if row[column]), None)
        if found is None:
            continue
        matrix.remove(found)
        inverse = pow(found[column], PRIME - 2, PRIME)
        found = [value * inverse % PRIME for value in found]
        matrix = [_less(row, found, column) for row in matrix]
        pivots = [(at, _less(row, found, column)) for at, row in pivots]
        pivots.append((column, found))
    return {unknown[at] for at, row in pivots if sum(1 for value in row if value) == 1}


def _less(row: list[int], pivot: list[int], column: int) -> list[int]:
    return [(a - row[column] * b) % PRIME for a, b in zip(row, pivot, strict=True)]


@given(counts(ROWS, COLUMNS, 30), st.integers(2, 12))
def test_no_hidden_cell_follows_from_what_is_shown(cells: dict[Place, int], threshold: int) -> None:
    table = with_totals(cells, ROWS, COLUMNS)
    left_out = hidden(table, ROWS, COLUMNS, threshold)
    assert recomputed(sorted(left_out), ROWS, COLUMNS) == set()


@given(counts(ROWS, COLUMNS, 30), st.integers(2, 12))
def test_small_cells_are_hidden_and_what_is_hidden_beside_a_total_is_not_small(
    cells: dict[Place, int], threshold: int
) -> None:
    table = with_totals(cells, ROWS, COLUMNS)
    left_out = hidden(table, ROWS, COLUMNS, threshold)
    assert {place for place, count in table.items() if 0 < count < threshold} <= left_out
    for line, total in lines_of(ROWS, COLUMNS):
        beside = [place for place in line if place in left_out]
        if beside and total not in left_out:
            assert len(beside) >= 2
            assert sum(table[place] for place in beside) >= threshold


def _fills(
    shown: Mapping[Place, int], rows: Sequence[str], columns: Sequence[str], most: int
) -> Iterator[dict[Place, int]]:
    """Every table without negative cells that shows what is shown, up to `most` in a cell."""
    places = list(product(rows, columns))
    choices = [[shown[place]] if place in shown else range(most + 1) for place in places]
    for values in product(*choices):
        table = with_totals(dict(zip(places, values, strict=True)), rows, columns)
        if all(table[place] == count for place, count in shown.items()):
            yield table


@settings(max_examples=40)
@given(counts(("a", "b"), ("x", "y"), 3), st.integers(2, 3))
def test_trying_every_table_finds_several_values_for_every_hidden_cell(
    cells: dict[Place, int], threshold: int
) -> None:
    rows, columns = ("a", "b"), ("x", "y")
    table = with_totals(cells, rows, columns)
    left_out = hidden(table, rows, columns, threshold)
    assume(left_out)
    shown = {place: count for place, count in table.items() if place not in left_out}
    possible: dict[Place, set[int]] = {place: set() for place in left_out}
    for fill in _fills(shown, rows, columns, 5):
        for place, values in possible.items():
            values.add(fill[place])
    assert all(len(values) > 1 for values in possible.values())


def test_without_the_complement_the_attack_succeeds() -> None:
    table = with_totals(
        {("a", "x"): 2, ("b", "x"): 20, ("a", "y"): 30, ("b", "y"): 40}, ("a", "b"), ("x", "y")
    )
    assert recomputed([("a", "x")], ("a", "b"), ("x", "y")) == {("a", "x")}
    left_out = hidden(table, ("a", "b"), ("x", "y"), 10)
    assert left_out == {("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")}


@pytest.mark.parametrize(
    ("cells", "threshold", "left_out"),
    [
        ({}, 10, set()),
        ({("a", "x"): 10}, 10, set()),
        ({("a", "x"): 9}, 10, {("a", "x"), ("a", TOTAL), (TOTAL, "x"), (TOTAL, TOTAL)}),
    ],
)
def test_a_table_of_one_cell_shows_it_or_nothing(
    cells: dict[Place, int], threshold: int, left_out: set[Place]
) -> None:
    table = with_totals(cells, ("a",), ("x",))
    assert hidden(table, ("a",), ("x",), threshold) == left_out


def test_nothing_is_hidden_where_nothing_is_small() -> None:
    cells = dict.fromkeys(product(ROWS, COLUMNS), 50)
    assert hidden(with_totals(cells, ROWS, COLUMNS), ROWS, COLUMNS, 10) == set()
