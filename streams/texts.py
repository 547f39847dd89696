"""What both stages tell a person about a code, in French, Dutch, German and English."""

from typing import NamedTuple


class Texts(NamedTuple):
    """One sentence in each language."""

    fr: str
    nl: str
    de: str
    en: str
