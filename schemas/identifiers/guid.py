"""DGUID, SGUID and MGUID: identifiers of a dispensation line, a session and a message.

Thirty-two hexadecimal digits of any case, written 8-4-4-4-12. The original SDK takes the last 32
hexadecimal digits of a SHA-256, so there are **no** version and variant bits of RFC 4122: never ask
for a UUID version. They are compared without regard to case, so the compact form is lower-case.
Source: the patterns of the SMC schema.

>>> validate('0F8FAD5B-D9CB-069F-0165-70867728950E')
'0f8fad5b-d9cb-069f-0165-70867728950e'
>>> validate('0f8fad5bd9cb069f016570867728950e')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidLength: The number has an invalid length.
>>> from_hex('0F8FAD5BD9CB069F016570867728950E')
'0f8fad5b-d9cb-069f-0165-70867728950e'
"""

import re
from functools import lru_cache

from stdnum.exceptions import InvalidFormat, InvalidLength, ValidationError

PATTERN = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""The written form in any case, for a full match."""

_LENGTH = 36
_RECENT = 256
"""A little more than one submission names: each is looked at by several rules."""
_WRITTEN = re.compile(PATTERN)
_COMPACT = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile("[0-9a-fA-F]{32}")


def compact(number: str) -> str:
    """Return the identifier in lower case, without surrounding space; its hyphens belong to it."""
    return number.strip().lower()


def validate(number: str) -> str:
    """Return the identifier in lower case if it has the form 8-4-4-4-12.

    Raises:
        InvalidLength: it has not 36 characters.
        InvalidFormat: a character stands where it may not.
    """
    if _COMPACT.fullmatch(number) is not None:
        return number
    number = compact(number)
    if len(number) != _LENGTH:
        raise InvalidLength
    if _WRITTEN.fullmatch(number) is None:
        raise InvalidFormat
    return number


def is_valid(number: str) -> bool:
    """Tell whether the identifier has the form 8-4-4-4-12."""
    return normal(number) is not None


@lru_cache(maxsize=_RECENT)
def normal(number: str) -> str | None:
    """Return the identifier in lower case, None if it has not the form 8-4-4-4-12."""
    try:
        return validate(number)
    except ValidationError:
        return None


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the identifier as it is written: lower case, 8-4-4-4-12."""
    return compact(number)


def from_hex(digits: str) -> str:
    """Return the identifier made of 32 hexadecimal digits, for instance the end of a digest.

    Raises:
        InvalidFormat: it is not exactly 32 hexadecimal digits.
    """
    if _HEX.fullmatch(digits) is None:
        raise InvalidFormat
    digits = digits.lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
