"""Handovers: the key that signs a log gives its place to the next one, and both say so; pure.

Beside the log lies the file `handovers`: one signed note for each change of its key, the oldest
first. Its text is a heading, origin, size and root of the last checkpoint that the former key
signs, the former key and its successor; both have signed it. Up to that size the former key
speaks for the log, beyond it only the successor: what the former signs then shows that it is in
somebody else's hands. The heading is no origin and the second line no size, so a handover is never
taken for a checkpoint.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams.notary import notes
from streams.notary.notes import Checkpoint, Note, NoteInvalid, Verifier

HANDOVERS: Final = "handovers"
"""The file's path below the log's prefix, and the header of a decided checkpoint that holds it."""
HEADING: Final = "dpp log handover v1"
MAX_BYTES: Final = 1_000_000
_LINES: Final = 7


class HandoverInvalid(NoteInvalid):
    """A handover is malformed, not signed by both, or not of the log at hand."""


class RetiredKeySigned(NoteInvalid):
    """A former key has signed a checkpoint beyond its handover: somebody else has it."""


class KeyAbsent(Exception):
    """The private key that must sign now is not among those at hand."""


@dataclass(frozen=True, slots=True)
class Handover:
    """`last` is the last checkpoint that `former` signs; `successor` signs what is larger."""

    last: Checkpoint
    former: Verifier
    successor: Verifier

    @property
    def text(self) -> str:
        """The note's text."""
        last, root = self.last, base64.b64encode(self.last.root).decode()
        lines = (HEADING, last.origin, last.size, root, self.former, self.successor)
        return "".join(f"{line}\n" for line in lines)


Handovers = tuple[Handover, ...]


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Who signs a log at which size, for a reader who pins one key of its succession."""

    pinned: Verifier
    handovers: Handovers = ()
    """Empty if the pinned key is none of the succession: then it speaks for itself alone."""

    @classmethod
    def of(cls, pinned: Verifier, handovers: Handovers) -> "LogKeys":
        """The succession as far as the pinned key vouches for it."""
        known = {one.former for one in handovers} | {one.successor for one in handovers}
        return cls(pinned, handovers if pinned in known else ())

    def ruling(self, size: int) -> Verifier:
        """The key whose signature a checkpoint of that size needs."""
        for one in self.handovers:
            if size <= one.last.size:
                return one.former
        return self.handovers[-1].successor if self.handovers else self.pinned

    def retired(self, size: int) -> tuple[Verifier, ...]:
        """The keys that sign no checkpoint of that size any more."""
        return tuple(one.former for one in self.handovers if size > one.last.size)


def open_checkpoint(
    data: bytes, keys: LogKeys, witnesses: Sequence[Verifier] = (), *, needed: int = 0
) -> Checkpoint:
    """The checkpoint in a note that the key of its size has signed, and `needed` witnesses.

    Raises:
        RetiredKeySigned: a former key has signed beyond its handover.
        NoteInvalid: as `notes.open_checkpoint`.
    """
    note = notes.parse_note(data)
    checkpoint = notes.parse_checkpoint(note, keys.pinned.name)
    retired = note.signed_by(keys.retired(checkpoint.size))
    if retired:
        raise RetiredKeySigned(
            f"the former key {_short(retired[0])} has signed {checkpoint.size} leaves, beyond its "
            "handover: it is in somebody else's hands"
        )
    return notes.open_checkpoint(data, keys.ruling(checkpoint.size), witnesses, needed=needed)


def signed(last: Checkpoint, former: Ed25519PrivateKey, successor: Ed25519PrivateKey) -> Note:
    """The handover of a log after `last`, signed by both keys."""
    keys = (former, successor)
    verifiers = [notes.verifier(last.origin, key) for key in keys]
    text = Handover(last, *verifiers).text
    return Note(text, tuple(notes.sign(text, last.origin, key) for key in keys))


def joined(file: bytes, note: Note) -> bytes:
    """The file with one more handover."""
    return file + (b"\n" if file else b"") + str(note).encode()


def parse(file: bytes, origin: str) -> Handovers:
    """The succession in a file, each handover signed by both of its keys; empty for an empty file.

    Raises:
        HandoverInvalid: malformed, of another log, not signed by both, or no succession.
    """
    if not file:
        return ()
    if len(file) > MAX_BYTES:
        raise HandoverInvalid(f"the handovers have at most {MAX_BYTES} bytes")
    parts = file.removesuffix(b"\n").split(b"\n\n")
    if len(parts) % 2 or not file.endswith(b"\n"):
        raise HandoverInvalid("each handover is a text, a blank line, and signature lines")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    found = tuple(_handover(b"\n\n".join(pair) + b"\n", origin) for pair in pairs)
    for one, after in pairwise(found):
        if after.former != one.successor or after.last.size < one.last.size:
            raise HandoverInvalid("the handovers do not follow each other")
    return found


def successors(known: Verifier, handovers: Handovers) -> tuple[Verifier, ...]:
    """The keys to which a known one gives way, one after the other; none if it never did."""
    found: list[Verifier] = []
    for one in handovers:
        if one.former == (found[-1] if found else known):
            found.append(one.successor)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Held:
    """The log's private keys at hand, oldest first; `retiring` (public bytes) is to hand over."""

    keys: tuple[Ed25519PrivateKey, ...]
    retiring: bytes | None = None


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signs now: both while a successor is there, so that readers who know one go on."""

    ruling: Ed25519PrivateKey
    successor: Ed25519PrivateKey | None
    due: bool
    """Whether the ruling key is to hand over to its successor now."""

    @property
    def keys(self) -> tuple[Ed25519PrivateKey, ...]:
        """All that sign the next checkpoint."""
        return (self.ruling,) if self.successor is None else (self.ruling, self.successor)

    def sign(self, checkpoint: Checkpoint) -> Note:
        """The checkpoint as a note with all their signatures."""
        text, origin = checkpoint.text, checkpoint.origin
        return Note(text, tuple(notes.sign(text, origin, key) for key in self.keys))


def signers(held: Held, handovers: Handovers) -> Signers:
    """The keys that sign after these handovers.

    Raises:
        KeyAbsent: the last successor's private half is not at hand.
    """
    publics = [key.public_key().public_bytes_raw() for key in held.keys]
    ruling = handovers[-1].successor.key if handovers else publics[0] if publics else None
    if ruling is None or ruling not in publics:
        raise KeyAbsent("the private key that signs now is not here")
    at = publics.index(ruling)
    successor = held.keys[at + 1] if at + 1 < len(publics) else None
    return Signers(held.keys[at], successor, successor is not None and held.retiring == ruling)


def from_text(text: str) -> Handover:
    """The handover that a note's text is; who signed it is not looked at.

    Raises:
        HandoverInvalid: it is none.
    """
    lines = text.split("\n")
    if len(lines) != _LINES or lines[0] != HEADING or lines[-1]:
        raise HandoverInvalid(f"a handover is {_LINES - 1} lines, the first {HEADING}")
    try:
        last = notes.parse_checkpoint(Note("\n".join((*lines[1:4], "")), ()))
        found = Handover(last, notes.parse_verifier(lines[4]), notes.parse_verifier(lines[5]))
    except NoteInvalid as error:
        raise HandoverInvalid(str(error)) from None
    both = {found.former, found.successor}
    names = {(one.name, one.kind) for one in both}
    if len(both) != 2 or names != {(last.origin, notes.ED25519)}:  # noqa: PLR2004 - two keys
        raise HandoverInvalid("a handover names two keys of the log")
    return found


def _handover(data: bytes, origin: str) -> Handover:
    try:
        note = notes.parse_note(data)
        found = from_text(note.text)
        both = {found.former, found.successor}
        signed_by_both = set(note.signed_by(both)) == both
    except NoteInvalid as error:
        raise HandoverInvalid(f"one of them does not hold: {error}") from None
    if not signed_by_both or found.last.origin != origin:
        raise HandoverInvalid(f"a handover of {origin} is signed by both of its keys")
    return found


def _short(key: Verifier) -> str:
    return f"{key.name}+{key.key_id.hex()}"
