"""Offline inclusion proofs, byte for byte as C2SP tlog-proof says.

A proof is a first line that names the form, an optional line of extra data in base64, the leaf's
index, the hashes of its audit path, a blank line, and the checkpoint it leads to. Whoever has the
leaf's bytes, the proof and the log's public key needs nothing else.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.notary import notes, tree
from streams.notary.notes import Checkpoint, Verifier
from streams.notary.tree import ProofInvalid

FORM: Final = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES: Final = 1_000_000
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """The audit path of a leaf, and the checkpoint, as published, that it leads to."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def write(proof: InclusionProof) -> bytes:
    """The proof's file."""
    lines = [FORM]
    if proof.extra is not None:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(one).decode() for one in proof.path]
    return "\n".join(lines).encode() + b"\n\n" + proof.checkpoint


def read(data: bytes) -> InclusionProof:
    """The proof in a file; nothing of it is checked yet.

    Raises:
        ProofInvalid: the file has another form.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise ProofInvalid(f"a proof has at most {MAX_PROOF_BYTES} bytes")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ProofInvalid("the lines above the checkpoint are ASCII") from None
    if not blank or lines.pop(0) != FORM:
        raise ProofInvalid(f"a proof begins with {FORM} and ends with a checkpoint")
    extra: bytes | None = None
    if lines and lines[0].startswith("extra "):
        extra = _decoded(lines.pop(0).removeprefix("extra "))
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if found is None:
        raise ProofInvalid("a proof names the index of its leaf")
    return InclusionProof(int(found[1]), tuple(map(_decoded, lines)), checkpoint, extra)


def check(
    proof: InclusionProof,
    entry: bytes,
    log: Verifier,
    witnesses: Sequence[Verifier] = (),
    *,
    needed: int = 0,
) -> Checkpoint:
    """The checkpoint under which the log has these bytes as that leaf.

    Raises:
        NoteInvalid: the checkpoint is malformed, or not signed by all that it needs.
        ProofInvalid: the path does not lead from the leaf to the checkpoint's root.
    """
    checkpoint = notes.open_checkpoint(proof.checkpoint, log, witnesses, needed=needed)
    leaf = tree.leaf_hash(entry)
    tree.check_inclusion(proof.index, checkpoint.size, leaf, proof.path, checkpoint.root)
    return checkpoint


def _decoded(line: str) -> bytes:
    try:
        return notes.strict_base64(line)
    except ValueError:
        raise ProofInvalid("a line of the proof is not base64 in its one form") from None
