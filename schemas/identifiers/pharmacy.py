"""Pharmacy number: the six-digit APB number of a pharmacy and two check digits.

Check digits = 97 - (first six mod 97). The SMC schema (`PharmacyIdType`) asks only for eight
digits; the rule was confirmed by computation on published numbers such as 80000551.

>>> validate('80000551')
'80000551'
>>> validate('80000552')
Traceback (most recent call last):
    ...
stdnum.exceptions.InvalidChecksum: The number's checksum or check digit is invalid.
>>> apb_number('80000551')
'800005'
>>> check_digits('274575')
'32'
"""

from functools import lru_cache

from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from schemas.identifiers import _digits

_PHARMACIES = 8_192
"""More than there are in Belgium: the digits of each are computed once."""


def compact(number: str) -> str:
    """Return the number without separators and surrounding space.

    Raises:
        InvalidLength: the text is longer than any written form of a pharmacy number.
    """
    return _digits.compact(number, " -./")


@lru_cache(maxsize=_PHARMACIES)
def validate(number: str) -> str:
    """Return the compact number if it is a possible pharmacy number.

    Raises:
        InvalidFormat: it holds something other than digits and separators.
        InvalidLength: it has not eight digits.
        InvalidChecksum: the last two digits do not fit the first six.
        InvalidComponent: the APB number is zero.
    """
    number = _digits.require(compact(number), 8)
    if number[6:] != check_digits(number[:6]):
        raise InvalidChecksum
    if number[:6] == "000000":
        raise InvalidComponent
    return number


def is_valid(number: str) -> bool:
    """Tell whether the number is a possible pharmacy number."""
    try:
        validate(number)
    except ValidationError:
        return False
    return True


def format(number: str) -> str:  # noqa: A001 - one of python-stdnum's five function names
    """Return the number as it is written: eight digits, no separators are in use."""
    return compact(number)


def apb_number(number: str) -> str:
    """Return the six-digit APB number of a valid pharmacy number.

    Raises:
        ValidationError: the number is not valid; the subclasses are those of `validate`.
    """
    return validate(number)[:6]


@lru_cache(maxsize=_PHARMACIES)
def check_digits(first6: str) -> str:
    """Return the two check digits for an APB number.

    Raises:
        InvalidFormat: `first6` holds something other than digits.
        InvalidLength: `first6` has not six digits.
    """
    return f"{97 - int(_digits.require(first6, 6)) % 97:02d}"
