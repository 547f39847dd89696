"""The Merkle tree of RFC 6962: hashes, roots, proofs and their checks, over integers and bytes.

A tree of `size` leaves is told by its perfect subtrees: `Node(height, index)` covers the leaves
`index << height` up to, and without, `(index + 1) << height`. Whoever can look up their hashes can
make every root and every proof, so nothing here knows how they are stored. A node without a
sibling moves up unchanged and is never doubled. Source: RFC 6962 section 2.1, RFC 9162 section 2.1.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"

Node = tuple[int, int]
"""(height, index) of a perfect subtree; height 0 is a leaf hash."""
Nodes = Callable[[int, int], bytes]
"""Looks up the hash of a perfect subtree that the tree has, by height and index."""


class ProofInvalid(Exception):
    """A proof does not prove what it was given for; the text says which condition failed."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf with these bytes."""
    return sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(_NODE + left + right).digest()


def perfect_subtrees(size: int) -> tuple[Node, ...]:
    """The fewest perfect subtrees that cover `size` leaves, from left to right."""
    found: list[Node] = []
    start = 0
    for height in range(size.bit_length() - 1, -1, -1):
        if size >> height & 1:
            found.append((height, start >> height))
            start += 1 << height
    return tuple(found)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over the hashes of a tree's perfect subtrees, from left to right."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def root_of(size: int, nodes: Nodes) -> bytes:
    """The root of the first `size` leaves."""
    return fold([nodes(*node) for node in perfect_subtrees(size)])


def inclusion_proof(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """The audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.

    Raises:
        IndexError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, nodes))
            end = middle
        else:
            path.append(_range_hash(start, middle, nodes))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Proof that the tree of `new` leaves goes on from the one of `old` leaves; empty if equal.

    Raises:
        IndexError: `old` is not from 1 to `new`.
    """
    if not 0 < old <= new:
        raise IndexError(f"no consistency proof leads from {old} to {new} leaves")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, nodes))
            end = middle
        else:
            path.append(_range_hash(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        path.append(_range_hash(start, end, nodes))
    return tuple(reversed(path))


def root_by_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2).

    Raises:
        ProofInvalid: the leaf lies outside, a hash is missing, left over, or not 32 bytes long.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} leaves has no leaf {index}")
    _check_hashes((leaf, *proof))
    at, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof has more hashes than the tree has levels")
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof has fewer hashes than the tree has levels")
    return root


def check_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Checks that the tree with this root has the leaf hash at that index.

    Raises:
        ProofInvalid: it is not shown.
    """
    if root_by_inclusion(index, size, leaf, proof) != root:
        raise ProofInvalid("the proof leads to another root")


def check_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Checks that the second tree is the first one with leaves added (RFC 9162 s. 2.1.4.2).

    Raises:
        ProofInvalid: it is not shown; an `old` of 0 proves nothing and is refused.
    """
    if not 0 < old <= new:
        raise ProofInvalid(f"no proof leads from {old} to {new} leaves")
    _check_hashes((old_root, new_root, *proof))
    if old == new:
        if proof or old_root != new_root:
            raise ProofInvalid("trees of one size need equal roots and an empty proof")
        return
    hashes = list(proof)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofInvalid("the proof is empty")
    first, second = _roots_by_consistency(old, new, hashes)
    if first != old_root:
        raise ProofInvalid("the proof leads to another old root")
    if second != new_root:
        raise ProofInvalid("the proof leads to another new root")


def _roots_by_consistency(old: int, new: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofInvalid("the proof has more hashes than the tree has levels")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof has fewer hashes than the tree has levels")
    return first, second


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise ProofInvalid(f"a hash is not {HASH_BYTES} bytes long")


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, end: int, nodes: Nodes) -> bytes:
    """Root of the leaves from `start` to `end`; `start` is a multiple of their split."""
    hashes: list[bytes] = []
    while start < end:
        height = (end - start).bit_length() - 1
        hashes.append(nodes(height, start >> height))
        start += 1 << height
    return fold(hashes)
