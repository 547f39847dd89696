"""Small cells of a table are hidden, with as many others as keep anybody from computing them.

A table has rows, columns and their true totals, all of it additive. A cell that counts few is
hidden; on every line of the table (a row or column with its total) at least two cells are hidden or
none, what is hidden beside a shown total is not few in sum, and no hidden cell follows from the
others by linear algebra. Pure; the threshold is policy data. Source: DESIGN section 8.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

TOTAL: Final = ""
"""Stands for all rows, or all columns."""
Place = tuple[str, str]
"""Row and column."""


def with_totals(
    counts: Mapping[Place, int], rows: Sequence[str], columns: Sequence[str]
) -> dict[Place, int]:
    """The whole table: cells that nobody counted are 0, and totals are added."""
    table = {(row, column): counts.get((row, column), 0) for row in rows for column in columns}
    for row in rows:
        table[row, TOTAL] = sum(table[row, column] for column in columns)
    for column in (*columns, TOTAL):
        table[TOTAL, column] = sum(table[row, column] for row in rows)
    return table


def hidden(
    table: Mapping[Place, int], rows: Sequence[str], columns: Sequence[str], threshold: int
) -> frozenset[Place]:
    """The places to leave out of a whole table, totals among them.

    Every round hides one place more, so it ends, at the latest with nothing shown.
    """
    lines = list(_lines(rows, columns))
    found = {place for place, count in table.items() if 0 < count < threshold}
    while True:
        exposed = next((line for line in lines if _is_exposed(line, table, found, threshold)), None)
        if exposed is None:
            weak = _determined(lines, found)
            exposed = next((line for line in lines if weak & set(line) and set(line) - found), None)
        if exposed is None:
            return frozenset(found)
        found.add(min(set(exposed) - found, key=lambda place: _rank(place, table)))


def _lines(rows: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[Place, ...]]:
    """Rows, then columns, each with its total as the last."""
    for row in (*rows, TOTAL):
        yield (*((row, column) for column in columns), (row, TOTAL))
    for column in (*columns, TOTAL):
        yield (*((row, column) for row in rows), (TOTAL, column))


def _is_exposed(
    line: tuple[Place, ...], table: Mapping[Place, int], found: set[Place], threshold: int
) -> bool:
    left_out = [place for place in line if place in found]
    if not left_out or len(left_out) == len(line):
        return False
    if len(left_out) == 1:
        return True
    # What is hidden in sum is the total less what is shown, for anybody who sees the total.
    return line[-1] not in found and sum(table[place] for place in left_out) < threshold


def _rank(place: Place, table: Mapping[Place, int]) -> tuple[int, bool, int, Place]:
    """What is hidden first: cells before totals, something before nothing, little before much."""
    return (place.count(TOTAL), table[place] == 0, table[place], place)


def _determined(lines: Sequence[tuple[Place, ...]], found: set[Place]) -> set[Place]:
    """Hidden places whose value follows from what is shown: alone in a row of the reduced system.

    Each line says that its cells less its total are 0.
    """
    reduced: dict[Place, dict[Place, Fraction]] = {}
    for line in lines:
        equation = {
            place: Fraction(-1 if place == line[-1] else 1) for place in line if place in found
        }
        for place in [place for place in equation if place in reduced]:
            _subtract(equation, reduced[place], equation[place])
        if not equation:
            continue
        pivot = min(equation)
        scale = equation[pivot]
        equation = {place: value / scale for place, value in equation.items()}
        for other in reduced.values():
            if pivot in other:
                _subtract(other, equation, other[pivot])
        reduced[pivot] = equation
    return {pivot for pivot, equation in reduced.items() if len(equation) == 1}


def _subtract(
    equation: dict[Place, Fraction], other: Mapping[Place, Fraction], factor: Fraction
) -> None:
    for place, value in other.items():
        rest = equation.get(place, Fraction(0)) - factor * value
        if rest:
            equation[place] = rest
        else:
            equation.pop(place, None)
