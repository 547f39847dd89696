"""Signed documents: a heading, one line of JSON, and a signature over both, as a C2SP signed note.

Whoever pins the signer's public key can check one with nothing else. The name of a key says what it
may sign, so that a document of one kind is never taken for one of another.
"""

from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from schemas.model import Model
from streams.notary import notes
from streams.notary.notes import NoteInvalid, Verifier

M = TypeVar("M", bound=Model)


def sign(heading: str, body: Model, name: str, key: Ed25519PrivateKey) -> str:
    """The document as a note, signed under this name."""
    text = f"{heading}\n{body.write().decode()}\n"
    return str(notes.Note(text, (notes.sign(text, name, key),)))


def opened(note: bytes, heading: str, key: Verifier, model: type[M]) -> M:
    """What a note says that was signed with this key.

    Raises:
        NoteInvalid: malformed, under another name, not signed with this key, or no such document.
    """
    parsed = notes.parse_note(note)
    if key not in parsed.signed_by([key]):
        raise NoteInvalid(f"it is not signed with the key of {key.name} that was given")
    first, _, body = parsed.text.partition("\n")
    if first != heading:
        raise NoteInvalid(f"it is no {heading.rpartition(' ')[0]}")
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise NoteInvalid(f"its content is no {heading}") from None
