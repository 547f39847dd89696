"""Finds a record in a log, and makes the proof that it is there."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.notary import leaf, notes, proofs, reading, tiles, tree
from streams.notary.directory import CHECKPOINT, Read
from streams.notary.leaf import Leaf
from streams.notary.notes import Verifier
from streams.notary.proofs import InclusionProof
from streams.notary.tiles import WIDTH

Matches = Callable[[Leaf], bool]


@dataclass(frozen=True, slots=True)
class Proven:
    """A leaf's bytes, and the proof's file."""

    index: int
    entry: bytes
    proof: bytes


def at_place(topic: str, partition: int, offset: int) -> Matches:
    """Whether a leaf is the record at that place in Kafka."""
    return lambda one: (one.topic, one.partition, one.offset) == (topic, partition, offset)


def by_id(ce_id: str) -> Matches:
    """Whether a leaf is the event of that id: a fact's, a receipt's or an access decision's."""
    wanted = ("ce_id", ce_id.encode())
    return lambda one: wanted in one.headers


def prove(read: Read, log: Verifier, matches: Matches) -> Proven | None:
    """The newest leaf that matches, proven under the published checkpoint; None if none does.

    The path is checked against the checkpoint before it is given out.

    Raises:
        NoteInvalid: the checkpoint is not the log's.
        LogUnavailable, BundleInvalid, LeafInvalid: files are missing or damaged.
        ProofInvalid: the log's files do not give its own root.
    """
    note = read(CHECKPOINT)
    size = notes.open_checkpoint(note, log).size
    for index in range(-(-size // WIDTH) - 1, -1, -1):
        width = tiles.width_at(size, 0, index)
        entries = reading.entries(read, index, width)
        for at in range(width - 1, -1, -1):
            if matches(leaf.decode(entries[at])):
                return proven(read, index * WIDTH + at, entries[at], note)
    return None


def proven(read: Read, index: int, entry: bytes, note: bytes) -> Proven:
    """The proof of a leaf under a checkpoint that is known to be the log's.

    The path is checked before it is given out.

    Raises:
        NoteInvalid, ProofInvalid: it is no checkpoint, or the log's files do not give its root.
        LogUnavailable: files are missing.
    """
    checkpoint = notes.parse_checkpoint(notes.parse_note(note))
    path = tree.inclusion_proof(index, checkpoint.size, reading.nodes(read, checkpoint.size))
    hashed = tree.leaf_hash(entry)
    tree.check_inclusion(index, checkpoint.size, hashed, path, checkpoint.root)
    return Proven(index, entry, proofs.write(InclusionProof(index, path, note)))
