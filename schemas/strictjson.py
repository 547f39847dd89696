r"""The one JSON parser of the whole path: it refuses what parsers disagree about.

Two programs that read the same bytes differently are a security hole (OWASP ASVS 1.5.3), so
everything that Python, Postgres and other readers treat differently is refused at the gate with a
stable reason: duplicate keys, NaN, numbers that a double cannot hold, lone surrogates, NUL and
other control characters. Size and depth are checked before parsing. Format: RFC 8259, and RFC 7493
(I-JSON) for keys, numbers and surrogates.

A text without escapes and fractions, as almost every one is, is parsed by pydantic's parser and
counted: an object that named a member twice has lost a colon. Every other text, and all that are
refused, pass Python's own parser with hooks. No error holds a part of the input: only the reason,
and a position.

>>> parse(b'{"units": 2, "note": "1.10"}', max_bytes=100)
{'units': 2, 'note': '1.10'}
>>> parse(b'{"a": 1, "a": 2}', max_bytes=100)
Traceback (most recent call last):
    ...
schemas.strictjson.MalformedJson: duplicate_key: an object names a member twice
>>> dumps({'b': 1, 'a': 'é'})
b'{"b":1,"a":"\xc3\xa9"}'
"""

import codecs
import json
import math
import re
from typing import Any, Final, Literal, NoReturn

from pydantic_core import from_json

Reason = Literal[
    "too_large",
    "not_utf8",
    "bom",
    "too_deep",
    "duplicate_key",
    "not_a_number",
    "number_out_of_range",
    "surrogate",
    "control_character",
    "syntax",
]
"""Why a text is refused; the words are part of the contract (receipts and dead letters)."""

MAX_INTEGER = 2**53 - 1
"""Largest magnitude of an integer that every reader of JSON holds exactly (RFC 7493)."""

_MAX_INTEGER_TEXT = len(f"-{MAX_INTEGER}")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_OPENING = frozenset(b"[{")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CONTROL_ESCAPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1c\x1e\x1f]")
"""An escape may name U+001D: it separates the fields of a GS1 scan, and every reader holds it."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_DOUBTFUL_ESCAPE = re.compile(rb"\\(?:[bf]|u(?:00[01]|[dD][89a-fA-F]))")
_ANY_NONZERO = re.compile("[1-9]")
_UNDECIDED: Final = object()


class MalformedJson(ValueError):
    """A text is not JSON as this system accepts it.

    Attributes:
        reason: stable word for receipts and metrics.
        detail: where or which limit, in English; never a part of the input.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


def parse(data: bytes, *, max_bytes: int, max_depth: int = 16) -> object:
    """Return the value of a JSON text.

    Args:
        data: the text in UTF-8, without a byte order mark.
        max_bytes: largest size that is looked at.
        max_depth: how many arrays and objects may be nested.

    Raises:
        MalformedJson: the text is refused; `reason` says why.
    """
    if len(data) > max_bytes:
        raise MalformedJson("too_large", f"{len(data)} bytes, at most {max_bytes} are accepted")
    text = _decode(data)
    plain = _UNDECIDED if b"\\" in data else _plain(data, max_depth)
    return _checked(data, text, max_depth) if plain is _UNDECIDED else plain


def _plain(data: bytes, max_depth: int) -> object:
    """The value of a text without escapes that is surely in order, else `_UNDECIDED`."""
    try:
        value: object = from_json(data, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return _UNDECIDED
    level: list[Any] = [value]
    colons = depth = 0
    while level:
        inner: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                colons += item.count(":")
            elif kind is dict:
                colons += len(item)
                inner += item.values()
            elif kind is list:
                inner += item
            elif kind is float or (kind is int and abs(item) > MAX_INTEGER):
                return _UNDECIDED
        level, depth = inner, depth + 1
    # Each member has a colon outside its name, so a member that was lost leaves one uncounted.
    return value if colons == data.count(b":") and depth <= max_depth else _UNDECIDED


def _checked(data: bytes, text: str, max_depth: int) -> object:
    if _is_deeper(data, max_depth):
        raise MalformedJson("too_deep", f"more than {max_depth} levels")
    value = _load(text)
    if b"\\" in data and _DOUBTFUL_ESCAPE.search(data):
        # Only these escapes can write what is checked here: the parser refuses raw control
        # characters, and UTF-8 holds no surrogates. The search may find too much, never too little.
        _check_strings(value)
    return value


def dumps(value: object) -> bytes:
    """Return a JSON text: UTF-8, no spaces, members in the order given.

    Raises:
        ValueError: a number is NaN or infinite, or a string holds a lone surrogate.
        TypeError: a value has no JSON form.
    """
    text = _ENCODER.encode(value)
    if not text.isascii() and _SURROGATE.search(text):
        raise ValueError("a string to be written as JSON holds a lone surrogate")
    return text.encode()


def _decode(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF8):
        raise MalformedJson("bom", "the text begins with a byte order mark")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at = error.start
    # Raised outside the handler: the decoder's error carries the whole text.
    raise MalformedJson("not_utf8", f"at byte {at}")


def _is_deeper(data: bytes, limit: int) -> bool:
    """Tell whether brackets outside strings are nested deeper than the limit.

    Up to the first syntax error the strings seen here are those the parser sees, so the parser
    never recurses deeper than what is counted.
    """
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    if b"\\" in data:
        data = _ESCAPE.sub(b"", data)
    depth = 0
    for mark in b"".join(data.translate(None, _NOT_STRUCTURE).split(b'"')[::2]):
        if mark in _OPENING:
            depth += 1
            if depth > limit:
                return True
        else:
            depth -= 1
    return False


def _load(text: str) -> object:
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        at = error.pos
        is_control = error.msg.startswith("Invalid control character")
    except RecursionError:
        at = -1
        is_control = False
    else:
        return value
    # Raised outside the handlers: the decoder's error carries the whole text.
    if at < 0:
        raise MalformedJson("too_deep", "more levels than the parser can hold")
    if is_control and _CONTROL.match(text, at):
        raise MalformedJson("control_character", f"at character {at}")
    raise MalformedJson("syntax", f"at character {at}")


def _check_strings(value: object) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            _check_string(item)
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _check_string(text: str) -> None:
    if _CONTROL_ESCAPED.search(text):
        raise MalformedJson("control_character", "an escape in a string names one")
    if not text.isascii() and _SURROGATE.search(text):
        raise MalformedJson("surrogate", "an escape in a string names half a pair")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson("duplicate_key", "an object names a member twice")
    return members


def _integer(text: str) -> int:
    if len(text) <= _MAX_INTEGER_TEXT:
        number = int(text)
        if -MAX_INTEGER <= number <= MAX_INTEGER:
            return number
    raise MalformedJson("number_out_of_range", "an integer is beyond 2**53 - 1")


def _real(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedJson("number_out_of_range", "a number is too large for a double")
    if number == 0 and _ANY_NONZERO.search(text.lower().partition("e")[0]):
        raise MalformedJson("number_out_of_range", "a number is too small for a double")
    return number


def _constant(_name: str) -> NoReturn:
    raise MalformedJson("not_a_number", "NaN and infinities are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
