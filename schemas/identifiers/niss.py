"""NISS, INSZ, SSIN: the Belgian social security number, BIS numbers included.

Eleven digits `YYMMDD SSS CC`: birth date, a counter that is odd for men and even for women, and
CC = 97 - (first nine digits mod 97), with `2` put before the nine digits for births from 2000 on.
At most one of the two variants matches, so the check digits also tell the century.

Month or day may be 00 (unknown, or the counters of that day ran out); a wholly unknown date is
written 1900-00-01 or 2000-00-01. A BIS number, for people outside the National Register, has its
month raised by 40 when the sex was known at issue, by 20 when not. So a date or a sex read here is
best effort, never truth. Counters 000 and 999 are not assigned to anybody, yet the fictitious
`00000000097` of the federal developers carries 000: such numbers are valid here, and
`has_assigned_counter` tells them apart for a warning.

Sources: National Register instructions IT 000
(https://www.ibz.rrn.fgov.be/fileadmin/user_upload/nl/rr/instructies/IT-lijst/IT000_Rijksregisternummer.pdf),
Crossroads Bank registers (https://www.ksz-bcss.fgov.be/nl/project/rijksregisterksz-registers).

Writing and formatting come from `stdnum.be.nn`. Its `validate` and `get_birth_*` are not used:
they read today's date to decide whether a number may belong to this century, so a replay in another
year could decide differently. Here the caller passes the date, or none.

No error raised here contains the number.

>>> validate('85.00.00-001 38')
'85000000138'
>>> validate('00000000097')
'00000000097'
>>> validate('85000000139')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidChecksum: The number's checksum or check digit is invalid.
>>> format('85000000138')
'85.00.00-001.38'
>>> birth_date('95472899731')
datetime.date(2095, 7, 28)
>>> sex('95472899731'), is_bis('95472899731')
('M', True)
>>> sex('95272899785') is None
True
>>> with_check_digits('850000001', born_from_2000=False)
'85000000138'
"""

import calendar
import datetime as dt
from functools import lru_cache
from typing import Literal

from stdnum.be import nn
from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from schemas.identifiers import _digits

_UNKNOWN_DATES = frozenset({"000001", "002001", "004001"})
_NOT_ASSIGNED = frozenset({"000", "999"})
_AT_HAND = 4
"""Several things are asked of one number after another; no more of them are kept than that."""
_FROM_2000 = 2_000_000_000
_SEX_UNKNOWN = 20
_SEX_KNOWN = 40
_VALID_MONTHS = frozenset(
    added + month for added in (0, _SEX_UNKNOWN, _SEX_KNOWN) for month in range(13)
)


def compact(number: str) -> str:
    """Return the number without separators and surrounding space.

    Raises:
        InvalidLength: the text is longer than any written form of a NISS.
    """
    return _digits.compact(number, " -.")


def validate(number: str, *, on: dt.date | None = None) -> str:
    """Return the compact number if it is a valid NISS or BIS number.

    Args:
        number: the number as written.
        on: the date of the event that carries it. When given, a number whose check digits place
            the birth in a later year is refused; without it both centuries are open.

    Raises:
        InvalidFormat: it holds something other than digits and separators.
        InvalidLength: it has not 11 digits.
        InvalidChecksum: the check digits fit neither century.
        InvalidComponent: the month is impossible, or the birth year lies after `on`.
    """
    number, born = _read(number)
    if on is not None and born > on.year and number[:6] not in _UNKNOWN_DATES:
        raise InvalidComponent
    return number


@lru_cache(maxsize=_AT_HAND)
def _read(number: str) -> tuple[str, int]:
    """The compact number and the year of birth that it tells."""
    number = _digits.require(compact(number), 11)
    born = _century(number) + int(number[:2])
    if int(number[2:4]) not in _VALID_MONTHS:
        raise InvalidComponent
    return number, born


def is_valid(number: str, *, on: dt.date | None = None) -> bool:
    """Tell whether the number is a valid NISS or BIS number; `on` as in `validate`."""
    try:
        validate(number, on=on)
    except ValidationError:
        return False
    return True


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the number as printed on cards: `YY.MM.DD-SSS.CC`."""
    written: str = nn.format(compact(number))
    return written


def with_check_digits(first9: str, born_from_2000: bool) -> str:
    """Return the full number for its first nine digits.

    Args:
        first9: `YYMMDDSSS`.
        born_from_2000: whether the century of birth is the 21st.

    Raises:
        InvalidFormat: `first9` holds something other than digits.
        InvalidLength: `first9` has not nine digits.
    """
    first9 = _digits.require(first9, 9)
    base = int("2" + first9 if born_from_2000 else first9)
    return f"{first9}{97 - base % 97:02d}"


def birth_date(number: str) -> dt.date | None:
    """Return the birth date that a valid number suggests, None when it does not name a whole one.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    number = validate(number)
    year = _century(number) + int(number[:2])
    month, day = int(number[2:4]) % _SEX_UNKNOWN, int(number[4:6])
    if number[:6] in _UNKNOWN_DATES or month == 0 or day == 0:
        return None
    if day > calendar.monthrange(year, month)[1]:
        return None
    return dt.date(year, month, day)


def earliest_birth(number: str) -> dt.date | None:
    """Return the first day on which the holder of a valid number can have been born.

    Where the number names no whole date this is the first day of its year; None where the date is
    wholly unknown.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    number = validate(number)
    if number[:6] in _UNKNOWN_DATES:
        return None
    return birth_date(number) or dt.date(_century(number) + int(number[:2]), 1, 1)


def sex(number: str) -> Literal["M", "F"] | None:
    """Return the sex that a valid number suggests.

    None for a BIS number issued while the sex was unknown, and for a counter that is not assigned.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    number = validate(number)
    if _SEX_UNKNOWN <= int(number[2:4]) < _SEX_KNOWN or number[6:9] in _NOT_ASSIGNED:
        return None
    return "M" if int(number[6:9]) % 2 else "F"


def is_bis(number: str) -> bool:
    """Tell whether a valid number is a BIS number.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    return int(validate(number)[2:4]) >= _SEX_UNKNOWN


def has_assigned_counter(number: str) -> bool:
    """Tell whether a valid number's counter is one that is given to persons (001 to 998).

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    return validate(number)[6:9] not in _NOT_ASSIGNED


def _century(number: str) -> int:
    first9, check = int(number[:9]), int(number[9:])
    for century, base in ((1900, first9), (2000, _FROM_2000 + first9)):
        if check == 97 - base % 97:
            return century
    raise InvalidChecksum
