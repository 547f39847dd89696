"""RID: the identifier of a Recip-e electronic prescription.

Twelve characters: `BE`, the kind of prescription (P, K or N), P or a digit, and eight digits or
capital letters other than I, O and U, which the strict Recip-e validator leaves out because they
are misread. There is no check digit. Source: https://recip-e.be, SMC schema pattern
`BE([PKN])([P0-9])([0-9A-Z]){8}`.

>>> validate('bep0 12ab 34cd')
'BEP012AB34CD'
>>> validate('BEP012AB34CO')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidFormat: The number has an invalid format.
>>> kind('BEP012AB34CD')
'P'
"""

import re
from functools import lru_cache

from stdnum.exceptions import InvalidFormat, InvalidLength, ValidationError

from schemas.identifiers import _digits

PATTERN = "BE[PKN][P0-9][0-9A-HJ-NP-TV-Z]{8}"
"""The compact form, for a full match."""

_LENGTH = 12
_RECENT = 256
"""A little more than one submission names: each is looked at twice."""
_COMPACT = re.compile(PATTERN)


def compact(number: str) -> str:
    """Return the identifier in capitals, without spaces and hyphens.

    Raises:
        InvalidLength: the text is longer than any written form of a RID.
    """
    if len(number) > _digits.MAX_WRITTEN:
        raise InvalidLength
    return number.strip().replace(" ", "").replace("-", "").upper()


def validate(number: str) -> str:
    """Return the compact identifier if it has the form of a RID.

    Raises:
        InvalidLength: it has not twelve characters.
        InvalidFormat: a character stands where it may not.
    """
    number = compact(number)
    if len(number) != _LENGTH:
        raise InvalidLength
    if _COMPACT.fullmatch(number) is None:
        raise InvalidFormat
    return number


def is_valid(number: str) -> bool:
    """Tell whether the identifier has the form of a RID."""
    return normal(number) is not None


@lru_cache(maxsize=_RECENT)
def normal(number: str) -> str | None:
    """Return the compact identifier, None if it has not the form of a RID."""
    try:
        return validate(number)
    except ValidationError:
        return None


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the identifier as it is printed under its barcode: twelve capitals and digits."""
    return compact(number)


def kind(number: str) -> str:
    """Return the letter of the kind of prescription: P pharmaceutical, K physiotherapy, N nursing.

    Raises:
        ValidationError: the identifier is not valid; the subclasses are those of `validate`.
    """
    return validate(number)[2]
