"""The content hash of a projection: what its rows say, whatever their order, as one digest.

A row is encoded as PostgreSQL sends a record in binary form (`record_send`): the number of columns,
then of each, in the order of their names, the number of its type, the length of its value (-1 for
null) and the value as that type is sent. So it says itself where a value ends and of what type it
is, and depends on no time zone and on no order of columns in the table. Source: the documentation
of PostgreSQL, "Formats and Format Codes" and the send functions of the types.

A digest is SHA-512 cut to its first 32 bytes: as hard to forge as SHA-256, and faster on servers
that were built without a library of ciphers. A table's digest is over the sorted digests of its
rows, in 256 groups by their first byte, so that it can be computed at any size; being a hash of a
sorted list, it is as hard to forge as the hash itself, which a sum or an exclusive or of digests is
not. The projection's hash is over the digests and counts of its tables.

`projections.hashing` computes the same in SQL. The public hash leaves out columns that only the
holder of the keys can know; anybody with the log can compute the rest.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from struct import Struct
from typing import Any, Final

from schemas.canonical import lp

Value = str | int | bool | bytes | date | datetime | list[str] | list[int] | None
_Encode = Callable[[Any], bytes]

_DIGEST_BYTES: Final = 32
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where PostgreSQL counts moments and days from."""
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_COUNT: Final = Struct(">i").pack
_FIELD: Final = Struct(">Ii").pack
"""In front of a value: number of its type, and length."""
_NULL: Final = -1
_ARRAY: Final = Struct(">iiI").pack
"""In front of an array: dimensions, whether there are nulls, number of the elements' type."""
_DIMENSION: Final = Struct(">ii").pack
"""Number of elements, and the number of the first one."""


@dataclass(frozen=True, slots=True)
class TableContent:
    """Number of rows of a table, and their digest."""

    rows: int
    digest: bytes


class RowDigests:
    """Digests of a table's rows; `types` are its columns by name with PostgreSQL's type names.

    A column that a row does not have counts as null.

    Raises:
        TypeError: a column has a type that no encoding is defined for.
    """

    def __init__(self, types: Mapping[str, str]) -> None:
        self._fields = [(name, *_field(types[name])) for name in sorted(types)]
        self._single = {name: (null, encode) for name, null, encode in self._fields}
        self._count = _COUNT(len(self._fields))

    def encode(self, row: Mapping[str, Value]) -> bytes:
        """The bytes that stand for a row."""
        parts = [self._count]
        for name, null, encode in self._fields:
            value = row.get(name)
            parts.append(null if value is None else encode(value))
        return b"".join(parts)

    def of_row(self, row: Mapping[str, Value]) -> bytes:
        """The digest of a row."""
        return _digest(self.encode(row))

    def of_column(self, row: Mapping[str, Value], name: str) -> bytes:
        """The digest of a row's value in one column, with its type."""
        null, encode = self._single[name]
        value = row.get(name)
        return _digest(null if value is None else encode(value))


def require_encodable(types: Iterable[str]) -> None:
    """Refuses types that no encoding is defined for.

    Raises:
        TypeError: one is not; the text names it.
    """
    for kind in types:
        _field(kind)


def table_content(digests: Iterable[bytes]) -> TableContent:
    """The content of a table whose rows have these digests, in any order."""
    groups: defaultdict[int, list[bytes]] = defaultdict(list)
    for one in digests:
        groups[one[0]].append(one)
    hashed = (_digest(b"".join(sorted(groups[first]))) for first in sorted(groups))
    rows = sum(map(len, groups.values()))
    return TableContent(rows, _digest(b"".join(hashed)))


def content_hash(tables: Mapping[str, TableContent]) -> str:
    """The hash of a projection, in hexadecimal."""
    parts: list[bytes | str] = []
    for name in sorted(tables):
        parts += [name, str(tables[name].rows), tables[name].digest]
    return _digest(lp(*parts)).hex()


def _digest(encoded: bytes) -> bytes:
    return hashlib.sha512(encoded).digest()[:_DIGEST_BYTES]


def _day(value: date) -> int:
    return value.toordinal() - _EPOCH_DAY


def _microseconds(value: datetime) -> int:
    since = value - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _fixed(number: int, form: str) -> _Encode:
    """Values that are sent as one number."""
    layout = Struct(f">Ii{form}")
    return partial(layout.pack, number, layout.size - 8)


def _counted(number: int, form: str, count: Callable[[Any], int]) -> _Encode:
    """Values that are sent as a number that is counted from something."""
    send = _fixed(number, form)
    return lambda value: send(count(value))


def _lengthy(number: int, send: _Encode) -> _Encode:
    def encode(value: object) -> bytes:
        sent = send(value)
        return _FIELD(number, len(sent)) + sent

    return encode


def _array(element: int, send: _Encode) -> _Encode:
    """Arrays of one dimension; an empty one has none."""

    def encode(values: Sequence[Any]) -> bytes:
        parts = [_ARRAY(1 if values else 0, None in values, element)]
        if values:
            parts.append(_DIMENSION(len(values), 1))
        for value in values:
            sent = b"" if value is None else send(value)
            parts += (_COUNT(_NULL if value is None else len(sent)), sent)
        return b"".join(parts)

    return encode


_TYPES: Final[Mapping[str, tuple[int, _Encode]]] = {
    "bool": (16, _fixed(16, "?")),
    "bytea": (17, _lengthy(17, bytes)),
    "int8": (20, _fixed(20, "q")),
    "int2": (21, _fixed(21, "h")),
    "int4": (23, _fixed(23, "i")),
    "text": (25, _lengthy(25, str.encode)),
    "date": (1082, _counted(1082, "i", _day)),
    "timestamptz": (1184, _counted(1184, "q", _microseconds)),
    "_int2": (1005, _lengthy(1005, _array(21, Struct(">h").pack))),
    "_int4": (1007, _lengthy(1007, _array(23, Struct(">i").pack))),
    "_int8": (1016, _lengthy(1016, _array(20, Struct(">q").pack))),
    "_text": (1009, _lengthy(1009, _array(25, str.encode))),
}
"""By name: PostgreSQL's number of the type, and what writes a field of it."""


def _field(kind: str) -> tuple[bytes, _Encode]:
    """How a null of a type is written, and what writes its values."""
    if kind not in _TYPES:
        raise TypeError(f"no canonical form is defined for columns of type {kind}")
    number, encode = _TYPES[kind]
    return _FIELD(number, _NULL), encode
