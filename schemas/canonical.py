r"""Exact byte forms that are signed, bound as additional data, or digested.

Two forms, both fixed: a sequence of length-prefixed parts, and the JSON Canonicalization Scheme of
RFC 8785. Neither may ever change: old signatures and digests depend on every byte.

>>> lp('dpp-session-v1', b'')
b'\x00\x00\x00\x0edpp-session-v1\x00\x00\x00\x00'
>>> unlp(lp('a', 'bc'))
(b'a', b'bc')
>>> jcs({'b': 1.0, 'a': 'é'})
b'{"a":"\xc3\xa9","b":1}'
"""

from functools import lru_cache
from typing import cast

import rfc8785
from pydantic_core import to_json

from schemas.strictjson import MAX_INTEGER

_LENGTH_BYTES = 4
_SHORT = tuple(length.to_bytes(_LENGTH_BYTES, "big") for length in range(256))
_WRITTEN_ALIKE = frozenset({str, bool, type(None)})
_SHAPES = 512
"""How many lists of member names are kept sorted; far more than the contract has."""


class _NotPlain(Exception):
    """A value that takes the whole of RFC 8785 to write."""


def lp(*parts: bytes | str) -> bytes:
    """Return the parts one after the other, each behind its length as a big-endian uint32.

    Text is written in UTF-8. Different sequences of parts never give the same bytes.

    Raises:
        ValueError: a text holds a lone surrogate.
        OverflowError: a part is longer than 2**32 - 1 bytes.
    """
    pieces: list[bytes] = []
    try:
        for part in parts:
            piece = part.encode() if isinstance(part, str) else part
            length = len(piece)
            pieces.append(_SHORT[length] if length < len(_SHORT) else _written(length))
            pieces.append(piece)
    except UnicodeEncodeError as error:
        at = error.start
    else:
        return b"".join(pieces)
    # Raised outside the handler: the encoder's error carries the whole text.
    raise ValueError(f"a text to be length-prefixed holds a lone surrogate at character {at}")


def _written(length: int) -> bytes:
    return length.to_bytes(_LENGTH_BYTES, "big")


def unlp(data: bytes) -> tuple[bytes, ...]:
    """Return the parts of a sequence that `lp` made.

    Raises:
        ValueError: the bytes end inside a length or inside a part.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise ValueError(f"length-prefixed sequence cut short in the part at byte {at}")
        parts.append(data[start:end])
        at = end
    return tuple(parts)


def jcs(value: object) -> bytes:
    """Return the canonical JSON form of RFC 8785: sorted members, shortest numbers, no spaces.

    A whole double is written like an integer; beyond 2**53 - 1 `schemas.strictjson` refuses to read
    it back, so quantities travel as decimal strings.

    Raises:
        ValueError: something in the value has no canonical form: an integer beyond 2**53 - 1, NaN
            or an infinity, a lone surrogate, a member name that is not text, another type.
    """
    try:
        return to_json(_ordered(value))
    except (_NotPlain, TypeError, ValueError):
        pass
    try:
        return rfc8785.dumps(cast("dict[str, str]", value))
    except ValueError as error:
        kind = type(error).__name__
    # Raised outside the handler: the library's error names the value, which may be a person's.
    raise ValueError(f"a value has no RFC 8785 form ({kind})")


def _ordered(value: object) -> object:
    """The value with sorted members, for a serialiser that writes all else as RFC 8785 does.

    Raises:
        _NotPlain: it holds a fraction, or a member name of which the order is not that of bytes.
    """
    if type(value) in _WRITTEN_ALIKE:
        return value
    if isinstance(value, dict):
        return {
            name: member if type(member := value[name]) in _WRITTEN_ALIKE else _ordered(member)
            for name in _sorted(tuple(value))
        }
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return value
    raise _NotPlain


@lru_cache(maxsize=_SHAPES)
def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    """Member names in the order of their bytes; few lists of them occur, and those often."""
    if not "".join(names).isascii():
        raise _NotPlain
    return tuple(sorted(names))
