"""The content hash of a projection: what its rows say, whatever their order, as one SHA-256.

A row is encoded unambiguously: for each column, in the order of their names, its value as text with
a comma behind it, texts and bytes with their length in front; then the bytes of the columns that
hold bytes. A table's hash is over the sorted SHA-256 digests of its rows, in 256 groups by their
first byte, so that it can be computed at any size; being a hash of a sorted list, it is as hard to
forge as SHA-256, which a sum or an exclusive or of digests is not. The projection's hash is over
the hashes and counts of its tables.

`projections.hashing` computes the same in SQL. The public hash leaves out columns that only the
holder of the keys can know; anybody with the log can compute the rest.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from schemas.canonical import lp

Value = str | int | bool | bytes | date | datetime | list[str] | list[int] | None


@dataclass(frozen=True, slots=True)
class TableContent:
    """Number of rows of a table, and their hash."""

    rows: int
    digest: bytes


def encode_row(row: Mapping[str, Value], columns: Iterable[str]) -> bytes:
    """The bytes that stand for a row; a column that it does not have counts as null."""
    texts, blobs = [], []
    for name in sorted(columns):
        value = row.get(name)
        texts.append(_text(value))
        if isinstance(value, bytes):
            blobs.append(value)
    return "".join(texts).encode() + b"".join(blobs)


def _text(value: Value) -> str:
    match value:
        case None:
            text = ""
        case bool():
            text = "t" if value else "f"
        case int():
            text = str(value)
        case str():
            text = f"{len(value.encode())}:{value}"
        case bytes():
            text = str(len(value))
        case datetime():
            text = _moment(value)
        case date():
            text = value.isoformat()
        case list():
            listed = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            text = f"{len(listed.encode())}:{listed}"
    return f"{text},"


def _moment(value: datetime) -> str:
    """As PostgreSQL writes it in UTC: no zeros at the end of a fraction."""
    moment = value.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}+00"


def row_digest(row: Mapping[str, Value], columns: Iterable[str]) -> bytes:
    """SHA-256 of a row."""
    return hashlib.sha256(encode_row(row, columns)).digest()


def table_content(digests: Iterable[bytes]) -> TableContent:
    """The content of a table whose rows have these digests, in any order."""
    groups: defaultdict[int, list[bytes]] = defaultdict(list)
    for one in digests:
        groups[one[0]].append(one)
    hashed = (hashlib.sha256(b"".join(sorted(groups[first]))).digest() for first in sorted(groups))
    rows = sum(map(len, groups.values()))
    return TableContent(rows, hashlib.sha256(b"".join(hashed)).digest())


def content_hash(tables: Mapping[str, TableContent]) -> str:
    """The hash of a projection, in hexadecimal."""
    parts: list[bytes | str] = []
    for name in sorted(tables):
        parts += [name, str(tables[name].rows), tables[name].digest]
    return hashlib.sha256(lp(*parts)).hexdigest()
