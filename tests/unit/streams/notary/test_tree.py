"""The tree against a naive recursive model that follows the words of RFC 6962 section 2.1."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.notary import tree
from streams.notary.tree import ProofInvalid

LEAVES = [b"leaf %d" % number for number in range(300)]
HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]


def model_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = model_split(len(leaves))
    return sha256(b"\x01" + model_root(leaves[:k]) + model_root(leaves[k:])).digest()


def model_split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def model_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = model_split(len(leaves))
    if index < k:
        return [*model_inclusion(index, leaves[:k]), model_root(leaves[k:])]
    return [*model_inclusion(index - k, leaves[k:]), model_root(leaves[:k])]


def model_consistency(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [model_root(leaves)]
    k = model_split(len(leaves))
    if old <= k:
        return [*model_consistency(old, leaves[:k], whole=whole), model_root(leaves[k:])]
    return [*model_consistency(old - k, leaves[k:], whole=False), model_root(leaves[:k])]


def nodes(height: int, index: int) -> bytes:
    first = index << height
    if height == 0:
        return HASHES[first]
    return tree.node_hash(nodes(height - 1, index * 2), nodes(height - 1, index * 2 + 1))


def test_known_answers() -> None:
    """The empty tree, the empty leaf, and one inner node, computed apart."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.EMPTY_ROOT.hex() == empty
    assert tree.leaf_hash(b"").hex() == (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert tree.node_hash(b"a" * 32, b"b" * 32) == sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()


@pytest.mark.parametrize("size", range(130))
def test_roots_are_those_of_the_model(size: int) -> None:
    assert tree.root_of(size, nodes) == model_root(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, 70))
def test_every_inclusion_proof_is_the_models_and_holds(size: int) -> None:
    root = model_root(LEAVES[:size])
    for index in range(size):
        proof = tree.inclusion_proof(index, size, nodes)
        assert list(proof) == model_inclusion(index, LEAVES[:size])
        tree.check_inclusion(index, size, HASHES[index], proof, root)


@pytest.mark.parametrize("new", range(1, 70))
def test_every_consistency_proof_is_the_models_and_holds(new: int) -> None:
    root = model_root(LEAVES[:new])
    for old in range(1, new + 1):
        proof = tree.consistency_proof(old, new, nodes)
        assert list(proof) == model_consistency(old, LEAVES[:new])
        tree.check_consistency(old, new, model_root(LEAVES[:old]), root, proof)


@given(st.data())
def test_a_larger_tree_proves_its_leaves_and_its_past(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    root = tree.root_of(size, nodes)
    tree.check_inclusion(index, size, HASHES[index], tree.inclusion_proof(index, size, nodes), root)
    tree.check_consistency(
        old, size, tree.root_of(old, nodes), root, tree.consistency_proof(old, size, nodes)
    )


@given(st.data())
def test_a_proof_with_any_hash_altered_dropped_or_added_is_refused_bad(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    root = tree.root_of(size, nodes)
    proof = list(tree.inclusion_proof(index, size, nodes))
    at = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    damaged = data.draw(
        st.sampled_from(
            [
                [*proof[:at], flipped, *proof[at + 1 :]],
                [*proof[:at], *proof[at + 1 :]],
                [*proof[:at], bytes(32), *proof[at:]],
                [*proof, bytes(32)],
                [*proof[:at], proof[at][:31], *proof[at + 1 :]],
            ]
        )
    )
    with pytest.raises(ProofInvalid):
        tree.check_inclusion(index, size, HASHES[index], damaged, root)


@given(st.data())
def test_a_consistency_proof_altered_in_any_way_is_refused_bad(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    roots = tree.root_of(old, nodes), tree.root_of(new, nodes)
    proof = list(tree.consistency_proof(old, new, nodes))
    at = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    damaged = data.draw(
        st.sampled_from(
            [
                [*proof[:at], flipped, *proof[at + 1 :]],
                [*proof[:at], *proof[at + 1 :]],
                [*proof, bytes(32)],
                [*proof[:at], proof[at] + b"x", *proof[at + 1 :]],
            ]
        )
    )
    with pytest.raises(ProofInvalid):
        tree.check_consistency(old, new, *roots, damaged)


def test_another_leaf_place_or_root_is_refused_bad() -> None:
    root = tree.root_of(7, nodes)
    proof = tree.inclusion_proof(3, 7, nodes)
    with pytest.raises(ProofInvalid, match="another root"):
        tree.check_inclusion(3, 7, HASHES[4], proof, root)
    with pytest.raises(ProofInvalid):
        tree.check_inclusion(4, 7, HASHES[3], proof, root)
    with pytest.raises(ProofInvalid, match="another root"):
        tree.check_inclusion(3, 7, HASHES[3], proof, tree.root_of(8, nodes))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_outside_the_tree_is_refused_bad(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        tree.inclusion_proof(index, size, nodes)
    with pytest.raises(ProofInvalid, match="has no leaf"):
        tree.check_inclusion(index, size, HASHES[0], (), HASHES[0])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_sizes_that_prove_nothing_are_refused_bad(old: int, new: int) -> None:
    with pytest.raises(IndexError):
        tree.consistency_proof(old, new, nodes)
    with pytest.raises(ProofInvalid, match="no proof leads"):
        tree.check_consistency(old, new, HASHES[0], HASHES[0], ())


def test_trees_of_one_size_need_equal_roots_and_no_hashes_bad() -> None:
    tree.check_consistency(5, 5, HASHES[0], HASHES[0], ())
    with pytest.raises(ProofInvalid, match="equal roots"):
        tree.check_consistency(5, 5, HASHES[0], HASHES[1], ())
    with pytest.raises(ProofInvalid, match="equal roots"):
        tree.check_consistency(5, 5, HASHES[0], HASHES[0], (HASHES[1],))
    with pytest.raises(ProofInvalid):
        tree.check_consistency(3, 5, HASHES[0], HASHES[1], ())
