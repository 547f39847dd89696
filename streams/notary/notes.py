"""Signed notes and checkpoints, byte for byte as C2SP signed-note and tlog-checkpoint say.

A note is text, a blank line, and signature lines `— name base64(key id || signature)`. Signatures
of keys that a reader does not know are skipped; one failing signature of a known key refuses the
note. A checkpoint is a note of three lines: origin, size in decimal, root in base64.
"""

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from streams.notary.tree import HASH_BYTES

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
"""Signature types: a log's own, and a witness's over a time and the checkpoint."""
MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TIME_BYTES: Final = 8
_DASH: Final = "\u2014 "
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class NoteInvalid(Exception):
    """A note, checkpoint or key is malformed, or a signature does not hold; the text says which."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name, as `name+id+base64(type || key)` tells it."""

    name: str
    kind: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell its signatures from others of the name."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def holds(self, text: str, signature: bytes) -> bool:
        """Whether the signature, without its key id, is this key's over the note's text."""
        message, raw = text.encode(), signature
        if self.kind == COSIGNATURE:
            if len(signature) != _TIME_BYTES + _SIGNATURE_BYTES:
                return False
            message = cosigned(text, int.from_bytes(signature[:_TIME_BYTES]))
            raw = signature[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(raw, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: `value` follows the key id."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends in a newline, and its signatures in order."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{one}\n" for one in self.signatures)

    def signed_by(self, known: Collection[Verifier]) -> tuple[Verifier, ...]:
        """The known keys whose signatures hold.

        Raises:
            NoteInvalid: a signature of a known key does not hold.
        """
        keys = {(one.name, one.key_id): one for one in known}
        found: list[Verifier] = []
        for signature in self.signatures:
            key = keys.get((signature.name, signature.key_id))
            if key is None:
                continue
            if not key.holds(self.text, signature.value):
                raise NoteInvalid(f"a signature of {key.name} does not hold")
            if key not in found:
                found.append(key)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: so many leaves under this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def cosigned(text: str, seconds: int) -> bytes:
    """What a witness signs: the checkpoint's text and when it saw it, in seconds since 1970."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Signature:
    """A log's signature over a note's text."""
    return Signature(name, verifier(name, key).key_id, key.sign(text.encode()))


def cosign(text: str, name: str, key: Ed25519PrivateKey, seconds: int) -> Signature:
    """A witness's signature over a checkpoint's text (C2SP tlog-cosignature)."""
    value = seconds.to_bytes(_TIME_BYTES) + key.sign(cosigned(text, seconds))
    return Signature(name, verifier(name, key, COSIGNATURE).key_id, value)


def verifier(name: str, key: Ed25519PrivateKey, kind: int = ED25519) -> Verifier:
    """The public half of a signing key.

    Raises:
        NoteInvalid: the name has a space or a plus sign.
    """
    return Verifier(_name(name), kind, key.public_key().public_bytes_raw())


def parse_verifier(text: str) -> Verifier:
    """The key that a line such as `example.org/log+1a2b3c4d+AQ...` tells.

    Raises:
        NoteInvalid: it has another form, or the id is not the key's.
    """
    name, key_id, encoded = (*text.split("+", 2), "", "")[:3]
    raw = _decoded(encoded, "the key")
    if len(raw) != 1 + _KEY_BYTES or raw[0] not in (ED25519, COSIGNATURE):
        raise NoteInvalid("the key is no Ed25519 key of a log or witness")
    found = Verifier(_name(name), raw[0], raw[1:])
    if found.key_id.hex() != key_id:
        raise NoteInvalid("the key's id does not belong to its name and key")
    return found


def parse_note(data: bytes) -> Note:
    """The note in these bytes.

    Raises:
        NoteInvalid: with what is wrong in its form; no signature has been checked.
    """
    text, lines = _halves(data)
    if not 0 < len(lines) <= MAX_SIGNATURES:
        raise NoteInvalid(f"a note has from 1 to {MAX_SIGNATURES} signatures")
    return Note(text, tuple(_signature(line) for line in lines))


def parse_checkpoint(note: Note, origin: str | None = None) -> Checkpoint:
    """The checkpoint that a note's text is, of that origin if one is named.

    Raises:
        NoteInvalid: it is none, or of another log.
    """
    lines = note.text.split("\n")
    if len(lines) != 4 or not all(lines[:3]):  # noqa: PLR2004 - three lines and what ends them
        raise NoteInvalid("a checkpoint has three lines: origin, size, root")
    if origin is not None and lines[0] != origin:
        raise NoteInvalid(f"the checkpoint is of another log than {origin}")
    if not _SIZE.fullmatch(lines[1]):
        raise NoteInvalid("the size is no decimal number without leading zeros")
    root = _decoded(lines[2], "the root")
    if len(root) != HASH_BYTES:
        raise NoteInvalid(f"the root is not {HASH_BYTES} bytes long")
    return Checkpoint(lines[0], int(lines[1]), root)


def open_checkpoint(
    data: bytes, log: Verifier, witnesses: Sequence[Verifier] = (), *, needed: int = 0
) -> Checkpoint:
    """The checkpoint in a note that the log has signed, and `needed` of the witnesses.

    Raises:
        NoteInvalid: malformed, of another log, or not signed by all that it needs.
    """
    note = parse_note(data)
    signers = note.signed_by((log, *witnesses))
    if log not in signers:
        raise NoteInvalid(f"the checkpoint carries no signature of {log.name}")
    cosigners = len({one.name for one in signers if one is not log})
    if cosigners < needed:
        raise NoteInvalid(f"{cosigners} of the {needed} witnesses asked for have cosigned")
    return parse_checkpoint(note, log.name)


def _halves(data: bytes) -> tuple[str, list[str]]:
    if len(data) > MAX_NOTE_BYTES:
        raise NoteInvalid(f"a note has at most {MAX_NOTE_BYTES} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteInvalid("a note is UTF-8") from None
    if _CONTROL.search(whole):
        raise NoteInvalid("newline is the only control character in a note")
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not text or not signatures.endswith("\n"):
        raise NoteInvalid("a note is text, a blank line, and signature lines")
    return text + "\n", signatures[:-1].split("\n")


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NoteInvalid("a signature line is a dash, a name and a base64 text")
    raw = _decoded(encoded, "a signature")
    if len(raw) <= 4:  # noqa: PLR2004 - a key id, and something behind it
        raise NoteInvalid("a signature is shorter than its key id")
    return Signature(_name(name), raw[:4], raw[4:])


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NoteInvalid("a key's name is UTF-8 without space or plus sign, and is not empty")
    return name


def strict_base64(text: str) -> bytes:
    """The bytes that a text in base64 stands for.

    Raises:
        ValueError: it is no base64, or not in the one form that these bytes have.
    """
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not in its one form")
    return raw


def _decoded(text: str, what: str) -> bytes:
    try:
        return strict_base64(text)
    except ValueError:
        raise NoteInvalid(f"{what} is not base64 in its one form") from None
