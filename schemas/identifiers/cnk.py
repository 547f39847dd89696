"""CNK: the Belgian national product code, seven digits of which the last is a Luhn check digit.

No public text states the check rule; it was found by computation and holds for all 17,843 codes of
the 2013 product filter. `1439562`, widely copied in Belgian FHIR examples, fails it. `0000000`
passes Luhn but means "no code", so it is refused as a product. Other SAM codes of seven digits pass
too: only the code system that travels with a code tells what it is.

A CNK is not always a pack: raw substances and formulary preparations have one as well. Source of
the format: APB product codes (https://www.apb.be) and the SAM v2 export.

>>> validate('5521-950')
'5521950'
>>> validate('1439562')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidChecksum: The number's checksum or check digit is invalid.
>>> validate('0000000')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidComponent: One of the parts of the number are invalid or unknown.
>>> format('5521950')
'5521-950'
>>> check_digit('143956')
'1'
"""

from functools import lru_cache

from stdnum import luhn
from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from schemas.identifiers import _digits

NO_CODE = "0000000"
"""What senders write when a product has no CNK."""
_PRODUCTS = 32_768
"""More codes than one country's pharmacies dispense: each is computed once."""


def compact(number: str) -> str:
    """Return the code without separators and surrounding space; leading zeros are kept.

    Raises:
        InvalidLength: the text is longer than any written form of a CNK.
    """
    return _digits.compact(number, " -.")


def validate(number: str) -> str:
    """Return the compact code if it is a possible CNK of a product.

    Raises:
        InvalidFormat: it holds something other than digits and separators.
        InvalidLength: it has not seven digits.
        InvalidChecksum: the last digit is not the Luhn digit of the first six.
        InvalidComponent: it is `0000000`, which means "no code".
    """
    number = _digits.require(compact(number), 7)
    if not _passes_luhn(number):
        raise InvalidChecksum
    if number == NO_CODE:
        raise InvalidComponent
    return number


def code(number: str) -> str | None:
    """Return the seven digits of a written code, whatever the check digit; None if it is none.

    >>> code('1439-562'), code('143956')
    ('1439562', None)
    """
    return _code(number) if len(number) <= _digits.MAX_WRITTEN else None


def is_valid(number: str) -> bool:
    """Tell whether the code is a possible CNK of a product."""
    seven = code(number)
    return seven is not None and seven != NO_CODE and _passes_luhn(seven)


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the code as printed on packs: `NNNN-NNN`."""
    number = compact(number)
    return f"{number[:4]}-{number[4:]}"


def check_digit(first6: str) -> str:
    """Return the last digit for the first six.

    Raises:
        InvalidFormat: `first6` holds something other than digits.
        InvalidLength: `first6` has not six digits.
    """
    digit: str = luhn.calc_check_digit(_digits.require(first6, 6))
    return digit


@lru_cache(maxsize=_PRODUCTS)
def _code(number: str) -> str | None:
    try:
        return _digits.require(compact(number), 7)
    except ValidationError:
        return None


@lru_cache(maxsize=_PRODUCTS)
def _passes_luhn(number: str) -> bool:
    valid: bool = luhn.is_valid(number)
    return valid
