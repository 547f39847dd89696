"""The canonical bytes of a leaf: one Kafka record, exactly as the broker keeps it.

    "dpp-leaf-v1" · topic · partition · offset · timestamp · key · value · (header name · value)*

Every part is a uint32 big-endian length and that many bytes; the three numbers are 4, 8 and 8
bytes big-endian. What is absent (a key, a tombstone's value) has the length 0xFFFFFFFF and no
bytes, so that it differs from what is empty. Headers keep their order. One record has one form,
and one form is of one record. Source: DESIGN sections 4.3 and 9.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from schemas import topics
from streams.notary.tiles import MAX_ENTRY_BYTES

MAGIC: Final = b"dpp-leaf-v1"
LOGGED: Final = (
    topics.PUBLISHER_REGISTERED.name,
    topics.PUBLISHER_SESSIONS.name,
    topics.POLICY_REGISTERED.name,
    topics.DISPENSATION_RECORDED.name,
    topics.DISPENSATION_RECEIPTS.name,
    topics.SUBJECT_REGISTERED.name,
    topics.SUBJECT_RECEIPTS.name,
    topics.ACCESS_AUDITED.name,
)
"""The topics whose records become leaves; nothing else does."""
_ABSENT: Final = 0xFFFFFFFF
_LENGTH: Final = struct.Struct(">I")
_pack_length = _LENGTH.pack
_PLACE: Final = struct.Struct(">IIIQIQ")
_ABSENT_PART: Final = _LENGTH.pack(_ABSENT)
_MAGIC_PART: Final = _LENGTH.pack(len(MAGIC)) + MAGIC
_FIXED_PARTS: Final = 7


class LeafInvalid(Exception):
    """Bytes are no leaf, or a record has none; the text says why."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One record: its place, the broker's time in ms since 1970 UTC, and its bytes."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None


class Placed(Protocol):
    """A record at its place."""

    @property
    def topic(self) -> str:
        """Its topic."""
        ...

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its offset there."""
        ...

    @property
    def timestamp_ms(self) -> int:
        """The broker's time in ms since 1970 UTC."""
        ...


class Recorded(Placed, Protocol):
    """A record as it is read from Kafka, or a leaf."""

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, bytes | None], ...]:
        """Its headers in order."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value; None is a tombstone."""
        ...


def encode(record: Recorded) -> bytes:
    """The bytes of the leaf that a record is.

    Raises:
        LeafInvalid: they would be more than an entry bundle can hold.
    """
    place = _PLACE.pack(4, record.partition, 8, record.offset, 8, record.timestamp_ms)
    pieces = [_MAGIC_PART, _text_part(record.topic), place, _part(record.key), _part(record.value)]
    for name, value in record.headers:
        pieces.append(_text_part(name))
        pieces.append(_part(value))
    data = b"".join(pieces)
    if len(data) > MAX_ENTRY_BYTES:
        raise LeafInvalid(f"a leaf has at most {MAX_ENTRY_BYTES} bytes, this one {len(data)}")
    return data


def decode(data: bytes) -> Leaf:
    """The record in a leaf's bytes.

    Raises:
        LeafInvalid: they are not what `encode` writes.
    """
    parts = _parts(data)
    names = [_text(name) for name in parts[_FIXED_PARTS::2]]
    return Leaf(
        *_place(parts),
        timestamp_ms=_number(parts[4], 8),
        key=parts[5],
        headers=tuple(zip(names, parts[_FIXED_PARTS + 1 :: 2], strict=True)),
        value=parts[6],
    )


def place(data: bytes) -> tuple[str, int, int]:
    """Topic, partition and offset of the record in a leaf's bytes, without the rest of it.

    Raises:
        LeafInvalid: they are not a leaf's.
    """
    return _place(_parts(data))


def _place(parts: list[bytes | None]) -> tuple[str, int, int]:
    return _text(parts[1]), _number(parts[2], 4), _number(parts[3], 8)


def _part(part: bytes | None) -> bytes:
    return _ABSENT_PART if part is None else _pack_length(len(part)) + part


@lru_cache(1024)
def _text_part(text: str) -> bytes:
    """A topic's or header's name: there are few, and each stands in many leaves."""
    return _part(text.encode())


def _parts(data: bytes) -> list[bytes | None]:
    parts: list[bytes | None] = []
    at, end, length_at = 0, len(data), _LENGTH.unpack_from
    try:
        while at < end:
            (length,) = length_at(data, at)
            at += _LENGTH.size
            if length == _ABSENT:
                parts.append(None)
            else:
                parts.append(data[at : at + length])
                at += length
    except struct.error:
        at = -1
    if at != end:
        raise LeafInvalid("the leaf ends inside a part")
    if len(parts) < _FIXED_PARTS or len(parts) % 2 == 0 or parts[0] != MAGIC:
        raise LeafInvalid("these bytes are no leaf of this version")
    return parts


def _number(part: bytes | None, size: int) -> int:
    if part is None or len(part) != size:
        raise LeafInvalid("a number of the leaf has another size")
    return int.from_bytes(part)


def _text(part: bytes | None) -> str:
    if part is None:
        raise LeafInvalid("the topic or a header's name is absent")
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise LeafInvalid("the topic or a header's name is not UTF-8") from None
