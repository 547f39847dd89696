"""What a replay became, subject by subject, in a file: to compare what two versions of code make.

A line of JSON says what was replayed; then comes one for each projection, table and subject, in
their order, with a hash for each column. Columns that only the holder of keys can know are hashed
under a key of the installation, since a plain hash of so few possible values would confirm guesses.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TextIO

from consumers.audit.replayed import Replayed
from projections.comparing import SubjectContent
from projections.shells import Projection
from schemas.sealing.facts import blind_index
from streams.notary.notes import Checkpoint

FORM: Final = "dpp-replay-v2"
_KIND: Final = "replay"
Place = tuple[str, str, str]
"""Projection, table, subject (empty: the rows of nobody)."""


class ExportInvalid(Exception):
    """A file is no export, or two cannot be compared; the text says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """What was replayed: the log up to `size` leaves, each projection at its positions."""

    code: str
    origin: str
    size: int
    root: str
    positions: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Unlike:
    """A subject's rows of a table that two versions of code make otherwise.

    `columns` are those that differ, or that one of them does not have; `rows` the numbers of rows.
    """

    projection: str
    table: str
    subject: str | None
    columns: tuple[str, ...]
    rows: tuple[int, int]


class FileExport:
    """Writes an export; `index_key` is needed where columns are hidden."""

    def __init__(self, file: TextIO, code: str, checkpoint: Checkpoint, index_key: bytes) -> None:
        self._file = file
        self._code = code
        self._checkpoint = checkpoint
        self._index_key = index_key

    def begin(self, found: Sequence[Replayed]) -> None:
        """The first line: what was replayed."""
        told = {
            "form": FORM,
            "code": self._code,
            "origin": self._checkpoint.origin,
            "size": self._checkpoint.size,
            "root": self._checkpoint.root.hex(),
            "positions": {one.projection: one.positions for one in found},
        }
        self._file.write(json.dumps(told) + "\n")

    def add(self, projection: Projection, one: SubjectContent) -> None:
        """A line of one subject's rows in a table."""
        columns = dict(one.columns)
        for name in projection.key_derived & columns.keys():
            columns[name] = blind_index(self._index_key, _KIND, columns[name])
        line = [projection.name, one.table, one.subject, one.rows, dict(sorted(columns.items()))]
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def head_of(file: TextIO) -> Head:
    """What a file is of; it is read up to its second line.

    Raises:
        ExportInvalid: it is no export.
    """
    try:
        told = json.loads(file.readline())
        if told.pop("form") != FORM:
            raise ExportInvalid("it is an export of another version")
        return Head(**told)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ExportInvalid("its first line does not say what was replayed") from None


def check_same(one: Head, other: Head) -> None:
    """Two exports can be compared if they are of the same leaves and positions.

    Raises:
        ExportInvalid: they are not.
    """
    if (one.origin, one.size, one.root) != (other.origin, other.size, other.root):
        raise ExportInvalid("they are not of the same log at the same size")
    if one.positions != other.positions:
        raise ExportInvalid("they were not made at the same positions: name one --as-of for both")


def compare(one: TextIO, other: TextIO) -> Iterator[Unlike]:
    """The subjects whose rows two exports of the same log and positions do not agree on.

    Raises:
        ExportInvalid: a line has another form, or lines are not in their order.
    """
    left, right = _lines(one), _lines(other)
    mine, theirs = next(left, _END), next(right, _END)
    while (place := min(mine.place, theirs.place)) != _END.place:
        a = mine if mine.place == place else _Line(place, 0, {})
        b = theirs if theirs.place == place else _Line(place, 0, {})
        names = sorted({*a.columns, *b.columns})
        columns = tuple(name for name in names if a.columns.get(name) != b.columns.get(name))
        if columns or a.rows != b.rows:
            projection, table, subject = place
            yield Unlike(projection, table, subject or None, columns, (a.rows, b.rows))
        mine = next(left, _END) if a is mine else mine
        theirs = next(right, _END) if b is theirs else theirs


class _Line(NamedTuple):
    place: Place
    rows: int
    columns: Mapping[str, str]


_END: Final = _Line(("\U0010ffff", "", ""), 0, {})


def _lines(file: TextIO) -> Iterator[_Line]:
    last: Place = ("", "", "")
    for text in file:
        try:
            projection, table, subject, rows, columns = json.loads(text)
            place = (projection, table, subject or "")
            found = _Line(place, int(rows), dict(columns))
        except (ValueError, TypeError):
            raise ExportInvalid("a line has another form") from None
        if place <= last:
            raise ExportInvalid("its lines are not in their order")
        last = place
        yield found
