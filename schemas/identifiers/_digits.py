"""What every all-digit identifier needs: a bounded clean-up, and length and alphabet checks."""

from stdnum.exceptions import InvalidFormat, InvalidLength
from stdnum.util import clean

MAX_WRITTEN = 40
"""Longest written form looked at, in characters: no identifier with separators comes near it.

The bound stands before any work on the text, and before `int`, which refuses very long digit
strings with an error class of its own."""


def compact(number: str, separators: str) -> str:
    """Remove separators and surrounding space, and write digits of other scripts in ASCII.

    Raises:
        InvalidLength: the text is longer than any written form of an identifier.
    """
    if number.isascii() and number.isdigit():
        return number
    if len(number) > MAX_WRITTEN:
        raise InvalidLength
    cleaned: str = clean(number, separators)
    return cleaned.strip()


def require(number: str, *lengths: int) -> str:
    """Return a compact number that holds only ASCII digits and has one of the lengths.

    Raises:
        InvalidFormat: a character is not an ASCII digit.
        InvalidLength: the count of digits is another one.
    """
    if not (number.isascii() and number.isdigit()):
        raise InvalidFormat
    if len(number) not in lengths:
        raise InvalidLength
    return number
