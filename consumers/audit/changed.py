"""Which events changed which rows, told to somebody who may not see clinical content; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, assert_never

from projections.folds.changes import Close, Fill, Upsert
from projections.folds.history import PutVersion, Supersede
from projections.folds.surveillance import Read
from projections.memory import Change, Row, Touched

_SEALED: Final = "sealed"
_PLACES: Final = frozenset({"recorded_partition", "recorded_position"})
Clear = str | int | bool | list[str] | list[int] | None
"""A value as it is told: moments and days as text."""


@dataclass(frozen=True, slots=True)
class EventAt:
    """The event that changed something: its leaf, its place in Kafka, its id and type."""

    leaf: int
    topic: str
    partition: int
    offset: int
    id: str
    type: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Changed:
    """One row that an event put (`before` is empty) or changed.

    `columns` are all that differ; `before` and `after` hold the values of those that are neither
    sealed nor clinical.
    """

    event: EventAt
    projection: str
    table: str
    key: Mapping[str, str]
    subject: str | None
    generation: int | None
    put: bool
    columns: tuple[str, ...]
    before: Mapping[str, Clear]
    after: Mapping[str, Clear]


def position_of(change: Change) -> int:
    """The offset of the event that a change comes from, in the partition that was folded."""
    match change:
        case Upsert(row=row):
            position = row["recorded_position"]
            if not isinstance(position, int):
                raise TypeError("a row's recorded_position is a number")
            return position
        case Fill() | Close() | Supersede() | Read():
            return change.position
        case PutVersion():
            return change.recorded_position
        case _:
            assert_never(change)


def concerns(change: Change, subject: str) -> bool:
    """Whether a change may touch a row of the subject: it names the subject, or nobody."""
    match change:
        case Upsert(row=row):
            return row.get("subject") == subject
        case Fill(key=key) | Close(key=key):
            return key.get("subject", subject) == subject
        case PutVersion() | Read():
            return change.subject == subject
        case Supersede():
            return True
        case _:
            assert_never(change)


def told(
    touched: Touched,
    event: EventAt,
    projection: str,
    keys: Sequence[str],
    hidden: Collection[str],
) -> Changed | None:
    """What an auditor is told of a row that changed; None if nothing in it did.

    `hidden` are columns that only the holder of keys can know: they are named, never shown.
    """
    before, after = touched.before or {}, touched.after
    names = sorted({*before, *after} - _PLACES)
    differing = tuple(name for name in names if before.get(name) != after.get(name))
    if not differing:
        return None
    shown = [name for name in differing if is_clear(name, hidden, before, after)]
    row = zip(keys, touched.key, strict=True)
    return Changed(
        event,
        projection,
        touched.table,
        {name: str(value) for name, value in row if name not in hidden},
        after.get("subject"),
        after.get("generation"),
        touched.before is None,
        differing,
        {name: _clear(before[name]) for name in shown if name in before},
        {name: _clear(after[name]) for name in shown if name in after},
    )


def is_clear(name: str, hidden: Collection[str], *rows: Row) -> bool:
    """Whether a column's values may be shown: neither sealed, nor known to key holders only."""
    sealed = name in hidden or name.startswith(_SEALED) or name.endswith(f"_{_SEALED}")
    return not sealed and not any(isinstance(row.get(name), bytes) for row in rows)


def _clear(value: object) -> Clear:
    match value:
        case date():
            return value.isoformat()
        case None | str() | int() | list():
            return value
        case _:
            return str(value)


def without_erased(
    changes: Iterable[Changed], erased: Mapping[str, int]
) -> tuple[list[Changed], int]:
    """The changes of rows that nobody was erased from, and how many others there are."""
    kept: list[Changed] = []
    hidden = 0
    for one in changes:
        if one.subject is not None and (one.generation or 1) <= erased.get(one.subject, 0):
            hidden += 1
        else:
            kept.append(one)
    return kept, hidden
