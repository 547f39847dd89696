r"""CBE (KBO, BCE) number of an enterprise or organisation.

Ten digits, the first 0 or 1; the last two are 97 - (first eight mod 97). Numbers of the old form of
nine digits get their leading zero back, and a `BE` of the VAT form is dropped. Source: Crossroads
Bank for Enterprises (https://economie.fgov.be), HL7 Belgium regex `[0-1]\d{9}`.

The rules are those of `stdnum.be.vat`, with one more: it compares the check digits modulo 97 and so
lets 00, 98 and 99 pass, which the formula never yields.

>>> validate('BE 0428.759.497')
'0428759497'
>>> validate('0428759498')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidChecksum: The number's checksum or check digit is invalid.
>>> format('0428759497')
'0428.759.497'
>>> check_digits('10000000')
'21'
"""

from stdnum.be import vat
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError

from schemas.identifiers import _digits


def compact(number: str) -> str:
    """Return the ten digits without separators, surrounding space and country letters.

    Raises:
        InvalidLength: the text is longer than any written form of a CBE number.
    """
    if len(number) > _digits.MAX_WRITTEN:
        raise InvalidLength
    compacted: str = vat.compact(number)
    return compacted


def validate(number: str) -> str:
    """Return the compact number if it is a possible CBE number.

    Raises:
        InvalidFormat: it holds something other than digits and separators, or only zeros.
        InvalidLength: it has not ten digits.
        InvalidComponent: the first digit is neither 0 nor 1.
        InvalidChecksum: the last two digits do not fit the first eight.
    """
    validated: str = vat.validate(compact(number))
    if validated[8:] != check_digits(validated[:8]):
        raise InvalidChecksum
    return validated


def is_valid(number: str) -> bool:
    """Tell whether the number is a possible CBE number."""
    try:
        validate(number)
    except ValidationError:
        return False
    return True


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the number as it is printed: `NNNN.NNN.NNN`."""
    number = compact(number)
    return f"{number[:4]}.{number[4:7]}.{number[7:]}"


def check_digits(first8: str) -> str:
    """Return the last two digits for the first eight.

    Raises:
        InvalidFormat: `first8` holds something other than digits.
        InvalidLength: `first8` has not eight digits.
    """
    return f"{97 - int(_digits.require(first8, 8)) % 97:02d}"
