"""A projection's tables as dictionaries: changes applied one by one, in the plainest way.

The independent fold that a stored projection is compared with. It shares the folds and nothing
else with what writes to PostgreSQL: no sets, no stages, no SQL.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple, assert_never

from projections.folds import history, surveillance
from projections.folds.changes import SUPERSEDED, Close, Fill, Upsert
from projections.folds.history import PutVersion, Supersede
from projections.folds.surveillance import Read

Row = dict[str, Any]
Key = tuple[Any, ...]
Change = Upsert | Fill | Close | PutVersion | Supersede | Read

HISTORY_TABLE: Final = "dispensation"
HISTORY_KEY: Final = ("delivered_month", "pharmacy", "dguid", "version")


_PREFIX: Final = 2
"""Columns of a primary key under which rows are found again: whatever ends a row names them."""


class Touched(NamedTuple):
    """A row that a change put or changed: what it was (None: not there) and what it is."""

    table: str
    key: Key
    before: Row | None
    after: Row


@dataclass(slots=True)
class Tables:
    """Rows by table and primary key; `erased` is the last erased generation of each subject.

    Reads of days before `kept_from` have left. With a `journal`, every row that changes is noted
    there.
    """

    primary_keys: Mapping[str, Sequence[str]]
    erased: Mapping[str, int] = field(default_factory=dict)
    kept_from: date | None = None
    rows: dict[str, dict[Key, Row]] = field(default_factory=dict)
    journal: list[Touched] | None = None
    _keys: dict[tuple[str, Key], list[Key]] = field(default_factory=dict)

    def apply(self, changes: Iterable[Change]) -> None:
        """Applies changes in their order; again changes nothing."""
        for change in changes:
            match change:
                case Upsert():
                    self._put(change)
                case Fill() | Close():
                    self._end_or_fill(change)
                case PutVersion():
                    self._put_version(change)
                case Supersede(line=line, position=position):
                    row = self._table(HISTORY_TABLE).get(line)
                    if row is not None and row[SUPERSEDED] is None:
                        self._write(HISTORY_TABLE, line, {**row, SUPERSEDED: position})
                case Read():
                    self._count(change)
                case _:
                    assert_never(change)

    def _table(self, name: str) -> dict[Key, Row]:
        return self.rows.setdefault(name, {})

    def _write(self, name: str, key: Key, row: Row) -> None:
        table = self._table(name)
        before = table.get(key)
        if before is None:
            self._keys.setdefault((name, key[:_PREFIX]), []).append(key)
        table[key] = row
        if self.journal is not None:
            self.journal.append(Touched(name, key, before, row))

    def _gone(self, row: Mapping[str, Any]) -> bool:
        erased = self.erased.get(row.get("subject") or "", 0)
        return bool((row.get("generation") or 1) <= erased)

    def _put(self, change: Upsert) -> None:
        table = self._table(change.table)
        key = tuple(change.row[name] for name in self.primary_keys[change.table])
        former = table.get(key, {}).get("recorded_position", -1)
        if former < change.row.get("recorded_position", 0) and not self._gone(change.row):
            self._write(change.table, key, dict(change.row))

    def _end_or_fill(self, change: Fill | Close) -> None:
        for key in self._candidates(change):
            row = self._table(change.table)[key]
            matches = all(row[name] == value for name, value in change.key.items())
            ended = row.get(SUPERSEDED)
            if not matches or row["recorded_position"] >= change.position:
                continue
            match change:
                case Close():
                    if ended is None:
                        ending = {**change.values, SUPERSEDED: change.position}
                        self._write(change.table, key, {**row, **ending})
                case Fill():
                    if ended is None or ended > change.position:
                        self._write(change.table, key, {**row, **change.values})
                case _:
                    assert_never(change)

    def _candidates(self, change: Fill | Close) -> list[Key]:
        """Keys of the rows that a change may concern."""
        first = self.primary_keys[change.table][:_PREFIX]
        if all(name in change.key for name in first):
            return self._keys.get((change.table, tuple(change.key[name] for name in first)), [])
        return list(self._table(change.table))

    def _count(self, read: Read) -> None:
        if self.kept_from is not None and read.day < self.kept_from:
            return
        pair, day = self._table(surveillance.PAIR), self._table(surveillance.DAY)
        counted = surveillance.counted(pair.get(read.pair), day.get(read.reader_day), read)
        if counted is not None:
            self._write(surveillance.PAIR, read.pair, counted.pair)
            self._write(surveillance.DAY, read.reader_day, counted.day)

    def _put_version(self, put: PutVersion) -> None:
        table = self._table(HISTORY_TABLE)
        at = put.delivered_at
        if put.withdraws is not None:
            former = put.line._replace(version=put.withdraws)
            at = table.get(former, {}).get("delivered_at")
        key = put.line
        row = history.row_of(put, at)
        if at is not None and key not in table and not self._gone(row):
            self._write(HISTORY_TABLE, key, {**row, SUPERSEDED: None})
