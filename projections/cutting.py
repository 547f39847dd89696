"""A row as it stood at a cut, from the row as it stands later; pure.

A cut is a position for each partition: what was recorded below it is known. Whatever ends, accepts
or carries out a row has its position in a column, and what it filled beside it. So a version that
has gone on can be compared with one that ends earlier. A row that sums up all partitions has no
place, and can be compared only where nothing has gone on.
"""

from collections.abc import Mapping
from typing import Final

from projections.folds.changes import SUPERSEDED
from projections.memory import Row

_PARTITION: Final = "recorded_partition"
_POSITION: Final = "recorded_position"
_LATER: Final[Mapping[str, frozenset[str]]] = {
    SUPERSEDED: frozenset(
        {
            "superseded_at",
            "end_ce_id",
            "end_event_type",
            "end_author_role",
            "end_author",
            "end_sealed",
            "rejected_at",
            "lifted_at",
        }
    ),
    "accepted_position": frozenset({"accepted_at", "accepted_ce_id"}),
    "executed_position": frozenset({"executed_at", "executed_by"}),
}
"""Columns that hold the position of a later event, and those that it filled."""


def as_of(row: Row, cut: Mapping[int, int], reached: Mapping[int, int]) -> Row | None:
    """The row when only what lies before the cut is known; None if it was not there yet.

    `reached` is how far the version has come: a position behind that is nobody's, and stays as it
    is. A row that was put anew behind the cut, in place of an earlier one, counts as not there:
    what it was before is not kept.
    """
    if _PARTITION not in row:
        done = all(cut.get(number, 0) >= position for number, position in reached.items())
        return row if done else None
    number = row[_PARTITION]
    later = range(cut.get(number, 0), reached.get(number, 0))
    if row[_POSITION] in later:
        return None
    gone: set[str] = set()
    for position, filled in _LATER.items():
        if row.get(position) in later:
            gone |= {position, *filled}
    return {**row, **{name: None for name in gone if name in row}} if gone else row
