"""The certificate of an erasure: what was destroyed, what remains until when, and that proof holds.

A signed note in the form of C2SP: the text is a heading, then one line of JSON; the signature is
the office's, under the name `<log origin>/erasures`. Whoever pins the office's key can check it
with nothing else. It names the person by pseudonym only.
"""

from datetime import date
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from consumers import documents
from schemas.model import Base64Url, Instant, Model, Pseudonym, ShortText
from streams.notary.notes import ED25519, Verifier

HEADING: Final = "dpp erasure certificate v1"


class Place(Model):
    """A record of `dpp.subject.registered`."""

    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]


class Replayed(Model):
    """A projection after the erasure: built anew from the log it has the same content.

    `content` is the hash of all rows at `positions` (next offset by partition).
    """

    projection: ShortText
    version: Annotated[int, Field(ge=1)]
    positions: dict[str, int]
    content: ShortText
    rows_of_subject: Annotated[int, Field(ge=0, le=0)] = 0


class LogHolds(Model):
    """The transparency log, recomputed after the erasure up to `size` leaves.

    `leaves` are the indexes of those whose sealed content nobody can read any more.
    """

    origin: ShortText
    size: Annotated[int, Field(ge=1)]
    root: Base64Url
    leaves: tuple[int, ...]


class Certificate(Model):
    """One erasure of one generation of a subject."""

    erasure: ShortText
    ground: ShortText
    subject: Pseudonym
    generation: Annotated[int, Field(ge=1)]
    requested_at: Instant
    approvals: Annotated[int, Field(ge=2)]
    executed_at: Instant
    executed: Place
    secret_destroyed_at: Instant
    copies_until: date
    """Day from which no sealed submission about the subject is kept: until then the backbone, which
    holds the intake key, could open those that are."""
    projections: tuple[Replayed, ...]
    log: LogHolds
    issued_at: Instant


def sign(certificate: Certificate, origin: str, office: Ed25519PrivateKey) -> str:
    """The certificate as a signed note."""
    return documents.sign(HEADING, certificate, _name(origin), office)


def check(note: bytes, origin: str, office: bytes) -> Certificate:
    """The certificate in a note that the office has signed.

    Raises:
        NoteInvalid: malformed, of another log, or not signed with this key.
    """
    key = Verifier(_name(origin), ED25519, office)
    return documents.opened(note, HEADING, key, Certificate)


def _name(origin: str) -> str:
    return f"{origin}/erasures"
