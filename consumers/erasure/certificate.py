"""The certificate of an erasure: what was destroyed, what remains until when, and that proof holds.

A signed note in the form of C2SP: the text is a heading, then one line of JSON; the signature is
the office's, under the name `<log origin>/erasures`. Whoever pins the office's key can check it
with nothing else. It names the person by pseudonym only.
"""

from datetime import date
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from schemas.model import Base64Url, Instant, Model, Pseudonym, ShortText
from streams.notary import notes
from streams.notary.notes import ED25519, NoteInvalid, Verifier

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
    text = f"{HEADING}\n{certificate.write().decode()}\n"
    return str(notes.Note(text, (notes.sign(text, _name(origin), office),)))


def check(note: bytes, origin: str, office: bytes) -> Certificate:
    """The certificate in a note that the office has signed.

    Raises:
        NoteInvalid: malformed, of another log, or not signed with this key.
    """
    parsed = notes.parse_note(note)
    key = Verifier(_name(origin), ED25519, office)
    if key not in parsed.signed_by([key]):
        raise NoteInvalid("the office has not signed it")
    heading, _, body = parsed.text.partition("\n")
    if heading != HEADING:
        raise NoteInvalid("it is no erasure certificate")
    try:
        return Certificate.model_validate_json(body)
    except ValidationError:
        raise NoteInvalid("its content is no erasure certificate of this version") from None


def _name(origin: str) -> str:
    return f"{origin}/erasures"
