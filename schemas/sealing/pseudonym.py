"""Subjects and parties as keyed pseudonyms.

HMAC-SHA256 under the installation's pseudonym key; its first 128 bits in lower-case base32. A plain
hash would be undone in a minute, since there are so few national numbers.
"""

import hmac
from typing import Final

from schemas.canonical import lp
from schemas.identifiers import cbe, nihdi, niss
from schemas.registrations import PartyKind

_BYTES: Final = 16
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Two characters of base32 for each ten bits."""
_SHIFTS: Final = range(120, -1, -10)


def _short(digest: bytes) -> str:
    # 128 bits and two of filling are 26 characters; the standard library takes five times as long.
    bits = int.from_bytes(digest[:_BYTES], "big") << 2
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


def subject_pseudonym(key: bytes, number: str) -> str:
    """The pseudonym of a person by NISS or BIS number (11 digits, any punctuation).

    Raises:
        stdnum.exceptions.ValidationError: the number is not valid.
    """
    return _short(hmac.digest(key, niss.validate(number).encode(), "sha256"))


def party_pseudonym(key: bytes, kind: PartyKind, number: str) -> str:
    """The pseudonym of somebody named in a registration or a token.

    Professionals are matched on the first 8 digits of their NIHDI number, since the rest may
    change over a career; organisations on the whole number, a CBE number in its ten digits
    however it is written; citizens are subjects.

    Raises:
        stdnum.exceptions.ValidationError: the number is not valid for its kind.
    """
    if kind == "citizen":
        return subject_pseudonym(key, number)
    identity = nihdi.identity(number) if kind == "professional" else _organisation(number)
    return _short(hmac.digest(key, lp("dpp-party-v1", kind, identity), "sha256"))


def operator_pseudonym(key: bytes, issuer: str, subject: str) -> str:
    """The pseudonym of an operator: who they are (`sub`) at the issuer of their token."""
    return _short(hmac.digest(key, lp("dpp-operator-v1", issuer, subject), "sha256"))


def _organisation(number: str) -> str:
    if cbe.is_valid(number):
        # An exclusion must meet the organisation whichever form a token or a registration uses.
        return cbe.validate(number)
    return "".join(ch for ch in number if ch.isalnum())
