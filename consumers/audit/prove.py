"""Finds a record in a log, and makes the proof that it is there."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.notary import handover, leaf, notes, proofs, reading, tiles, tree
from streams.notary.directory import Read
from streams.notary.leaf import Leaf
from streams.notary.notes import Checkpoint, Verifier
from streams.notary.opening import Demand, open_log
from streams.notary.proofs import InclusionProof
from streams.notary.tiles import WIDTH
from streams.notary.tree import ProofInvalid

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
    opened = open_log(read, Demand(log))
    note, size = opened.note, opened.checkpoint.size
    for index in range(-(-size // WIDTH) - 1, -1, -1):
        width = tiles.width_at(size, 0, index)
        entries = reading.entries(read, index, width)
        for at in range(width - 1, -1, -1):
            if matches(leaf.decode(entries[at])):
                return proven(read, index * WIDTH + at, entries[at], note)
    return None


def check_within(read: Read, proof: InclusionProof, entry: bytes, demand: Demand) -> Checkpoint:
    """As `proofs.check`, and the proof's checkpoint is a part of the log that `read` gives.

    So a proof of years ago holds under the key of that time, and one that somebody has made with a
    former key since then does not.

    Raises:
        NoteInvalid: a checkpoint is malformed, or not signed by all that it needs.
        ProofInvalid: the proof does not hold, or is of another history than the log.
        LogUnavailable: files are missing, or the log does not answer.
    """
    opened = open_log(read, Demand(demand.log))
    checkpoint = handover.open_checkpoint(
        proof.checkpoint, opened.keys, demand.witnesses, needed=demand.needed
    )
    hashed = tree.leaf_hash(entry)
    tree.check_inclusion(proof.index, checkpoint.size, hashed, proof.path, checkpoint.root)
    size = opened.checkpoint.size
    nodes = reading.nodes(read, size)
    if checkpoint.size > size or tree.root_of(checkpoint.size, nodes) != checkpoint.root:
        raise ProofInvalid("its checkpoint is of another history than the log")
    return checkpoint


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
