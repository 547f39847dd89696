"""NIHDI (RIZIV, INAMI) number of a caregiver.

Eleven digits: one for the profession, five serial, two check digits, three for the qualification.
The check digits are 97 - (first six mod 97) or 89 - (first six mod 89): modulo 89 is in use since
2013 for nurses and midwives and since 1 April 2019 for doctors, so the first six digits alone do
not name a person. The first **eight** do (`identity`); the qualification may change over a career.
HL7 Belgium (invariant be-inv-NIHDI) still accepts the eight digits alone, as a deprecated form.

Published lists disagree on the meaning of the first digit, so nothing is refused because of it, and
a role is never decided by it: the registry of caregivers is asked.

Source: https://www.riziv.fgov.be, and the HL7 Belgium core profiles
(https://www.ehealth.fgov.be/standards/fhir/core/).

>>> validate('1-00001-06-001')
'10000106001'
>>> validate('10000135001')
'10000135001'
>>> identity('10000106001'), profession('10000106001'), qualification('10000106001')
('10000106', '1', '001')
>>> validate('10000106')
'10000106'
>>> qualification('10000106') is None
True
>>> validate('10000107001')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidChecksum: The number's checksum or check digit is invalid.
>>> format('10000106001')
'1-00001-06-001'
"""

from functools import lru_cache
from typing import Literal

from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from schemas.identifiers import _digits

_CAREGIVERS = 65_536
"""Prescribers write many prescriptions each: their digits are mostly computed once."""


def compact(number: str) -> str:
    """Return the number without separators and surrounding space.

    Raises:
        InvalidLength: the text is longer than any written form of a NIHDI number.
    """
    return _digits.compact(number, " -./")


def validate(number: str) -> str:
    """Return the compact number, of eleven digits or in the deprecated form of eight.

    Raises:
        InvalidFormat: it holds something other than digits and separators.
        InvalidLength: it has neither eleven nor eight digits.
        InvalidChecksum: the check digits fit neither modulo 97 nor modulo 89.
        InvalidComponent: the first six digits are zero.
    """
    number = _digits.require(compact(number), 11, 8)
    first6 = number[:6]
    if number[6:8] not in (check_digits(first6), check_digits(first6, modulus=89)):
        raise InvalidChecksum
    if first6 == "000000":
        raise InvalidComponent
    return number


def validate_identity(number: str) -> str:
    """Return the compact number if it is a valid identity: exactly the eight-digit form.

    Raises:
        ValidationError: as `validate`, and `InvalidLength` for eleven digits.
    """
    return _digits.require(validate(number), 8)


def is_valid(number: str) -> bool:
    """Tell whether the number is a possible NIHDI number of eleven or eight digits."""
    return normal(number) is not None


def normal(number: str) -> str | None:
    """Return the compact number, None if it is no possible NIHDI number."""
    return _normal(number) if len(number) <= _digits.MAX_WRITTEN else None


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the number as it is printed: `P-SSSSS-CC-QQQ`, or `P-SSSSS-CC` for eight digits."""
    number = compact(number)
    parts = (number[:1], number[1:6], number[6:8], number[8:])
    return "-".join(part for part in parts if part)


def identity(number: str) -> str:
    """Return the eight digits that name the caregiver, whatever the qualification.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    return validate(number)[:8]


def profession(number: str) -> str:
    """Return the first digit of a valid number.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    return validate(number)[0]


def qualification(number: str) -> str | None:
    """Return the last three digits of a valid number, None for the form of eight digits.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    return validate(number)[8:] or None


def check_digits(first6: str, *, modulus: Literal[97, 89] = 97) -> str:
    """Return the two check digits for a profession digit and a serial.

    Raises:
        InvalidFormat: `first6` holds something other than digits.
        InvalidLength: `first6` has not six digits.
    """
    return f"{modulus - int(_digits.require(first6, 6)) % modulus:02d}"


@lru_cache(maxsize=_CAREGIVERS)
def _normal(number: str) -> str | None:
    try:
        return validate(number)
    except ValidationError:
        return None
