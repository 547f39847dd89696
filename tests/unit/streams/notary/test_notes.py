"""Signed notes and checkpoints in the C2SP forms; any other form is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from streams.notary import notes
from streams.notary.notes import Checkpoint, Note, NoteInvalid

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG = notes.verifier("dpp.example/log", KEY)
WITNESS = notes.verifier("witness.example", OTHER, notes.COSIGNATURE)
CHECKPOINT = Checkpoint("dpp.example/log", 70_000, bytes(range(32)))


def signed(checkpoint: Checkpoint = CHECKPOINT, *, witnessed: bool = False) -> bytes:
    signatures = [notes.sign(checkpoint.text, LOG.name, KEY)]
    if witnessed:
        signatures.append(notes.cosign(checkpoint.text, WITNESS.name, OTHER, 1_795_000_000))
    return str(Note(checkpoint.text, tuple(signatures))).encode()


def test_the_published_example_of_a_note_opens() -> None:
    """Peter Neumann's note, which the signed-note specification and Go's package both carry."""
    key = notes.parse_verifier("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = notes.parse_note(
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf"
        "qdngotpRZb6KE6RyyBwJnAM=\n".encode()
    )
    assert note.signed_by([key]) == (key,)


def test_a_key_is_told_in_one_line_and_read_back() -> None:
    assert notes.parse_verifier(str(LOG)) == LOG
    assert str(LOG).startswith("dpp.example/log+")
    assert LOG.key_id != notes.verifier(LOG.name, OTHER).key_id


def test_a_checkpoint_opens_with_the_logs_key() -> None:
    assert notes.open_checkpoint(signed(), LOG) == CHECKPOINT
    assert CHECKPOINT.text.split("\n")[:2] == ["dpp.example/log", "70000"]


def test_a_reader_counts_the_witnesses_it_trusts() -> None:
    data = signed(witnessed=True)
    assert notes.open_checkpoint(data, LOG, [WITNESS], needed=1) == CHECKPOINT
    assert notes.open_checkpoint(data, LOG) == CHECKPOINT
    with pytest.raises(NoteInvalid, match="0 of the 1 witnesses"):
        notes.open_checkpoint(signed(), LOG, [WITNESS], needed=1)


def test_a_failing_signature_of_a_known_key_refuses_the_note_bad() -> None:
    data = signed(witnessed=True).replace(b"70000", b"70001")
    with pytest.raises(NoteInvalid, match="does not hold"):
        notes.open_checkpoint(data, LOG)
    time_moved = bytearray(notes.cosign(CHECKPOINT.text, WITNESS.name, OTHER, 5).value)
    time_moved[7] ^= 1
    assert not WITNESS.holds(CHECKPOINT.text, bytes(time_moved))
    assert not WITNESS.holds(CHECKPOINT.text, b"short")


def test_signatures_of_unknown_keys_are_skipped_but_are_not_enough_bad() -> None:
    with pytest.raises(NoteInvalid, match="no signature of"):
        notes.open_checkpoint(signed(), notes.verifier(LOG.name, OTHER))


def test_a_checkpoint_of_another_origin_is_refused_bad() -> None:
    moved = Checkpoint("other.example/log", 1, bytes(32))
    data = str(Note(moved.text, (notes.sign(moved.text, LOG.name, KEY),))).encode()
    with pytest.raises(NoteInvalid, match="another log"):
        notes.open_checkpoint(data, LOG)


@pytest.mark.parametrize(
    "text",
    [
        "dpp.example/log\n07\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "dpp.example/log\n-7\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "dpp.example/log\n7\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "dpp.example/log\n7\nAB\n",
        "dpp.example/log\n7\n",
        "dpp.example/log\n7\n" + base64.b64encode(bytes(32)).decode() + "\nmore\n",
    ],
)
def test_a_checkpoint_of_another_form_is_refused_bad(text: str) -> None:
    data = str(Note(text, (notes.sign(text, LOG.name, KEY),))).encode()
    with pytest.raises(NoteInvalid):
        notes.open_checkpoint(data, LOG)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text without signatures\n",
        b"text\n\nno dash here\n",
        "text\n\n\u2014 name\n".encode(),
        "text\n\n\u2014 name not-base64!\n".encode(),
        "text\n\n\u2014 name AAAA\n".encode(),
        "text\n\n\u2014 na+me AAAAAAAA\n".encode(),
        "te\txt\n\n\u2014 name AAAAAAAA\n".encode(),
        "text\n\n\u2014 name AAAAAAAA".encode(),
        "text\n\n\u2014 name AAAAAAAA\n".encode() + b"\xff",
        bytes(notes.MAX_NOTE_BYTES + 1),
        b"text\n\n" + "\u2014 name AAAAAAAA\n".encode() * (notes.MAX_SIGNATURES + 1),
    ],
)
def test_a_note_of_another_form_is_refused_bad(data: bytes) -> None:
    with pytest.raises(NoteInvalid):
        notes.parse_note(data)


@pytest.mark.parametrize(
    "line",
    ["", "name", "name+00000000", "name+00000000+AQ==", "na me+00000000+", str(LOG)[:-4] + "AAA="],
)
def test_a_key_of_another_form_is_refused_bad(line: str) -> None:
    with pytest.raises(NoteInvalid):
        notes.parse_verifier(line)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_note_that_prints_back_or_refused(data: bytes) -> None:
    for candidate in (data, b"text\n\n" + data, "t\n\n\u2014 a ".encode() + data + b"\n"):
        try:
            note = notes.parse_note(candidate)
        except NoteInvalid:
            continue
        assert str(note).encode() == candidate
