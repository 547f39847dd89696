"""Parsers of what strangers send: whatever the bytes, one clear refusal or one exact meaning.

Each parser is given bytes out of nothing, and good ones that were damaged in a few places. What it
accepts must be written back to the same bytes: nothing has two forms, so nothing slips through one
reader and not another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.notary import leaf, notes, proofs, tiles, tree, witnessing
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import NoteInvalid
from streams.notary.proofs import InclusionProof
from streams.notary.tiles import BundleInvalid
from streams.notary.tree import ProofInvalid
from streams.notary.witnessing import AddCheckpoint, RequestInvalid
from tests.support.audit_log import KEY, LOG, ORIGIN, entry, signed

HASHES: Final = tuple(tree.leaf_hash(b"%d" % number) for number in range(5))
TEXT: Final = notes.parse_note(signed(7, bytes(32))).text
COSIGNED: Final = signed(7, bytes(32)) + f"{notes.cosign(TEXT, 'w.example', KEY, 5)}\n".encode()


@dataclass(frozen=True)
class Parser:
    """`again` parses and writes back; `refusals` are all that it may raise."""

    again: Callable[[bytes], bytes]
    refusals: tuple[type[Exception], ...]
    good: tuple[bytes, ...]


def _note(data: bytes) -> bytes:
    return str(notes.parse_note(data)).encode()


def _checkpoint(data: bytes) -> bytes:
    note = notes.parse_note(data)
    checkpoint = notes.parse_checkpoint(note)
    notes.open_checkpoint(data, LOG)
    return str(notes.Note(checkpoint.text, note.signatures)).encode()


def _verifier(data: bytes) -> bytes:
    return str(notes.parse_verifier(data.decode("utf-8", "surrogateescape"))).encode()


def _proof(data: bytes) -> bytes:
    return proofs.write(proofs.read(data))


def _request(data: bytes) -> bytes:
    return witnessing.write_request(witnessing.parse_request(data))


def _bundle(data: bytes) -> bytes:
    return tiles.pack(tiles.unpack(data, 3))


def _leaf(data: bytes) -> bytes:
    decoded = leaf.decode(data)
    assert leaf.place(data) == (decoded.topic, decoded.partition, decoded.offset)
    return leaf.encode(decoded)


PARSERS: Final = {
    "note": Parser(_note, (NoteInvalid,), (signed(7, bytes(32)), COSIGNED)),
    "checkpoint": Parser(_checkpoint, (NoteInvalid,), (signed(7, bytes(32)), COSIGNED)),
    "key": Parser(_verifier, (NoteInvalid,), (str(LOG).encode(),)),
    "proof": Parser(
        _proof,
        (ProofInvalid,),
        tuple(
            proofs.write(InclusionProof(3, HASHES, signed(7, bytes(32)), extra))
            for extra in (None, b"more")
        ),
    ),
    "request": Parser(
        _request,
        (RequestInvalid,),
        (witnessing.write_request(AddCheckpoint(3, HASHES, signed(7, bytes(32)))),),
    ),
    "bundle": Parser(_bundle, (BundleInvalid,), (tiles.pack([b"", b"one", bytes(300)]),)),
    "leaf": Parser(_leaf, (LeafInvalid,), (entry(0), entry(77, value=bytes(range(256))))),
}


@st.composite
def damaged(draw: st.DrawFn, good: tuple[bytes, ...]) -> bytes:
    """Good bytes with some cut out, put in, doubled or flipped."""
    data = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 3))):
        at, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        part = draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(data[at:end] * 2),
                st.sampled_from([b"\n", b"\n\n", b" ", b"=", b"\r\n", b"\xff\xff\xff\xff", b"0"]),
            )
        )
        data = data[:at] + part + data[draw(st.sampled_from([at, end])) :]
    return data


def refused_or_exact(parser: Parser, data: bytes) -> None:
    try:
        again = parser.again(data)
    except parser.refusals as refusal:
        assert str(refusal)  # noqa: PT017 - every refusal says why
        return
    assert again == data


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_have_one_meaning(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    refused_or_exact(parser, data.draw(damaged(parser.good)))


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60)
@given(data=st.binary(max_size=200))
def test_bytes_out_of_nothing_are_refused_or_have_one_meaning(name: str, data: bytes) -> None:
    refused_or_exact(PARSERS[name], data)


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_written_is_read(name: str) -> None:
    for good in PARSERS[name].good:
        assert PARSERS[name].again(good) == good


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_proof_proves_nothing(data: st.DataObject) -> None:
    entries = [entry(number) for number in range(7)]
    hashes = [tree.leaf_hash(one) for one in entries]

    def nodes(height: int, at: int) -> bytes:
        return tiles.subtree(b"".join(hashes[at << height : (at + 1) << height]))

    note = signed(7, tree.root_of(7, nodes))
    good = proofs.write(InclusionProof(3, tree.inclusion_proof(3, 7, nodes), note))
    found = data.draw(damaged((good,)))
    number = data.draw(st.integers(0, 6))
    try:
        read = proofs.read(found)
        checkpoint = proofs.check(read, entries[number], LOG)
    except (ProofInvalid, NoteInvalid):
        return
    # Signatures of unknown keys and extra data may be added; what is proven stays what it was.
    assert (read.index, number, checkpoint.origin, checkpoint.size) == (3, 3, ORIGIN, 7)
