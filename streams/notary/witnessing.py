"""What a witness decides, and how it is asked (C2SP tlog-witness); pure.

A witness cosigns a checkpoint only if it is signed by a log that it knows and continues what it has
cosigned of that log before. So of two histories of one log it cosigns at most one. Where it knows
several keys of a log, one after the other, a key that a later one has joined counts alone no more.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.notary import notes, tree
from streams.notary.notes import Checkpoint, Note, NoteInvalid, Verifier
from streams.notary.tree import ProofInvalid

MAX_PROOF_LINES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
BAD_REQUEST: Final = 400
UNTRUSTED: Final = 403
UNKNOWN_LOG: Final = 404
CONFLICT: Final = 409
UNPROVEN: Final = 422
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")


class RequestInvalid(Exception):
    """A request is not in the protocol's form; the text says how."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """One request: a checkpoint, and the proof that it continues the tree of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The checkpoint may take the place of the one that is kept, and then be cosigned."""

    checkpoint: Checkpoint
    text: str
    signer: Verifier
    """The latest of the log's keys that has signed it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The protocol's status; `size` goes with a conflict: the size that is kept.

    `misbehaviour`: the log has signed what does not continue what it signed before, or a key of it
    that has a successor has gone on alone.
    """

    status: int
    why: str
    size: int | None = None
    misbehaviour: bool = False


def write_request(request: AddCheckpoint) -> bytes:
    """The request's body."""
    lines = [f"old {request.old}", *(base64.b64encode(one).decode() for one in request.proof)]
    return "\n".join(lines).encode() + b"\n\n" + request.note


def parse_request(body: bytes) -> AddCheckpoint:
    """The request in a body; the checkpoint in it is not looked at yet.

    Raises:
        RequestInvalid: it has another form.
    """
    head, blank, note = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise RequestInvalid("the lines above the checkpoint are ASCII") from None
    old = _OLD.fullmatch(lines[0])
    if not blank or old is None:
        raise RequestInvalid("a request is an old size, a proof, a blank line and a checkpoint")
    if len(lines) - 1 > MAX_PROOF_LINES:
        raise RequestInvalid(f"a proof has at most {MAX_PROOF_LINES} lines")
    try:
        proof = tuple(notes.strict_base64(line) for line in lines[1:])
    except ValueError:
        raise RequestInvalid("a line of the proof is not base64 in its one form") from None
    return AddCheckpoint(int(old[1]), proof, note)


def origin_of(request: AddCheckpoint) -> str:
    """Which log a request is about.

    Raises:
        NoteInvalid: the checkpoint is malformed.
    """
    return notes.parse_checkpoint(notes.parse_note(request.note)).origin


def decide(
    request: AddCheckpoint,
    kept: Checkpoint | None,
    logs: Mapping[str, Sequence[Verifier]],
    latest: Verifier | None = None,
) -> Accepted | Refused:
    """Whether to cosign; `kept` is the last checkpoint cosigned of this log, signed by `latest`.

    `logs` are the keys known, by origin, the oldest first.
    """
    try:
        note = notes.parse_note(request.note)
        checkpoint = notes.parse_checkpoint(note)
    except NoteInvalid as error:
        return Refused(BAD_REQUEST, f"the checkpoint: {error}")
    if checkpoint.origin not in logs:
        return Refused(UNKNOWN_LOG, "this witness does not know the log")
    keys, size = logs[checkpoint.origin], 0 if kept is None else kept.size
    signer = _latest(note, keys)
    if signer is None:
        return Refused(UNTRUSTED, "no key of the log has signed the checkpoint")
    if latest in keys and keys.index(signer) < keys.index(latest):
        why = "a former key of the log has signed the checkpoint, and its successor has not"
        return Refused(UNTRUSTED, why, misbehaviour=checkpoint.size > size)
    refused = _out_of_step(request, size, checkpoint) or _continued(request, kept, checkpoint)
    return refused or Accepted(checkpoint, note.text, signer)


def _out_of_step(request: AddCheckpoint, size: int, checkpoint: Checkpoint) -> Refused | None:
    """None if the request begins at the size that is kept."""
    if request.old > checkpoint.size:
        return Refused(BAD_REQUEST, "the old size is larger than the checkpoint's")
    return None if request.old == size else Refused(CONFLICT, "another size is kept", size)


def _latest(note: Note, keys: Sequence[Verifier]) -> Verifier | None:
    """The latest of the keys that have signed; None if none has, or a signature does not hold."""
    try:
        return max(note.signed_by(keys), key=keys.index, default=None)
    except NoteInvalid:
        return None


def _continued(
    request: AddCheckpoint, kept: Checkpoint | None, checkpoint: Checkpoint
) -> Refused | None:
    """None if the checkpoint continues what is kept."""
    if request.old == 0:
        empty = checkpoint.size > 0 or checkpoint.root == tree.EMPTY_ROOT
        if request.proof or not empty:
            return Refused(UNPROVEN, "nothing needs a proof to continue nothing")
        return None
    root = tree.EMPTY_ROOT if kept is None else kept.root
    if request.old == checkpoint.size and root != checkpoint.root:
        why = "the tree of this size had another root"
        return Refused(CONFLICT, why, request.old, misbehaviour=True)
    try:
        tree.check_consistency(request.old, checkpoint.size, root, checkpoint.root, request.proof)
    except ProofInvalid as error:
        return Refused(UNPROVEN, str(error), misbehaviour=True)
    return None
