"""A log's key hands over to the next: who speaks for the log at which size, and who no more."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from streams.notary import handover, notes
from streams.notary.handover import (
    Handover,
    HandoverInvalid,
    Held,
    KeyAbsent,
    LogKeys,
    RetiredKeySigned,
)
from streams.notary.notes import Checkpoint, NoteInvalid
from tests.support.audit_log import KEY, LOG, NEXT, NEXT_KEY, ORIGIN, signed

THIRD_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
THIRD = notes.verifier(ORIGIN, THIRD_KEY)
FIRST_LAST, SECOND_LAST = Checkpoint(ORIGIN, 30, bytes(32)), Checkpoint(ORIGIN, 50, b"r" * 32)
ONE = handover.joined(b"", handover.signed(FIRST_LAST, KEY, NEXT_KEY))
TWO = handover.joined(ONE, handover.signed(SECOND_LAST, NEXT_KEY, THIRD_KEY))
SUCCESSION = (Handover(FIRST_LAST, LOG, NEXT), Handover(SECOND_LAST, NEXT, THIRD))


def test_a_file_of_handovers_is_read_as_it_was_written() -> None:
    assert handover.parse(b"", ORIGIN) == ()
    assert handover.parse(ONE, ORIGIN) == SUCCESSION[:1]
    assert handover.parse(TWO, ORIGIN) == SUCCESSION
    assert [handover.from_text(one.text) for one in SUCCESSION] == list(SUCCESSION)


def test_a_handover_is_never_taken_for_a_checkpoint() -> None:
    note = notes.parse_note(ONE)
    assert set(note.signed_by([LOG, NEXT])) == {LOG, NEXT}
    with pytest.raises(NoteInvalid):
        notes.parse_checkpoint(note)


def signed_by(*keys: Ed25519PrivateKey, last: Checkpoint = FIRST_LAST) -> bytes:
    text = Handover(last, LOG, NEXT).text
    return str(notes.Note(text, tuple(notes.sign(text, ORIGIN, one) for one in keys))).encode()


@pytest.mark.parametrize(
    "file",
    [
        b"\n",
        b"text",
        ONE[:-1],
        ONE + b"\n",
        ONE + ONE,
        ONE.replace(b"\n30\n", b"\n31\n"),
        ONE.replace(b"v1", b"v2"),
        ONE.replace(ORIGIN.encode(), b"other.example/log"),
        signed_by(KEY),
        signed_by(NEXT_KEY),
        signed_by(KEY, THIRD_KEY),
        handover.joined(b"", handover.signed(FIRST_LAST, KEY, KEY)),
        handover.joined(ONE, handover.signed(SECOND_LAST, THIRD_KEY, KEY)),
        handover.joined(ONE, handover.signed(Checkpoint(ORIGIN, 29, bytes(32)), NEXT_KEY, KEY)),
        handover.joined(ONE, handover.signed(SECOND_LAST, KEY, THIRD_KEY)),
        signed(30, bytes(32)),
        b"x" * (handover.MAX_BYTES + 1),
    ],
)
def test_what_is_no_succession_signed_by_both_is_refused_bad(file: bytes) -> None:
    with pytest.raises(HandoverInvalid):
        handover.parse(file, ORIGIN)


def test_handovers_of_another_log_are_refused_bad() -> None:
    with pytest.raises(HandoverInvalid):
        handover.parse(ONE, "another.example/log")


@given(st.binary(max_size=200), st.integers(0, len(TWO)))
def test_whatever_stands_in_the_file_is_read_or_refused(junk: bytes, at: int) -> None:
    for file in (junk, TWO[:at] + junk + TWO[at:], TWO[:at]):
        try:
            found = handover.parse(file, ORIGIN)
        except HandoverInvalid:
            continue
        assert found == SUCCESSION[: len(found)]


@pytest.mark.parametrize(
    ("size", "ruling", "retired"),
    [
        (0, LOG, ()),
        (30, LOG, ()),
        (31, NEXT, (LOG,)),
        (50, NEXT, (LOG,)),
        (51, THIRD, (LOG, NEXT)),
    ],
)
@pytest.mark.parametrize("pinned", [LOG, NEXT, THIRD])
def test_whichever_key_is_pinned_it_vouches_for_the_whole_succession(
    pinned: notes.Verifier, size: int, ruling: notes.Verifier, retired: tuple[notes.Verifier, ...]
) -> None:
    keys = LogKeys.of(pinned, SUCCESSION)
    assert (keys.ruling(size), keys.retired(size)) == (ruling, retired)


def test_a_key_outside_the_succession_speaks_for_itself_alone() -> None:
    stranger = notes.verifier(ORIGIN, STRANGER)
    keys = LogKeys.of(stranger, SUCCESSION)
    assert (keys.ruling(5), keys.ruling(99), keys.retired(99)) == (stranger, stranger, ())


KEYS = LogKeys.of(LOG, SUCCESSION)


@pytest.mark.parametrize(
    ("size", "signers"),
    [
        (30, (KEY,)),
        (30, (KEY, NEXT_KEY)),
        (31, (NEXT_KEY,)),
        (50, (NEXT_KEY, THIRD_KEY)),
        (51, (THIRD_KEY,)),
    ],
)
def test_a_checkpoint_is_opened_by_the_key_of_its_size(
    size: int, signers: tuple[Ed25519PrivateKey, ...]
) -> None:
    note = signed(size, bytes(32), *signers[1:], key=signers[0])
    assert handover.open_checkpoint(note, KEYS).size == size


@pytest.mark.parametrize(
    ("size", "signers"),
    [(31, (KEY,)), (31, (NEXT_KEY, KEY)), (51, (NEXT_KEY,)), (99, (THIRD_KEY, KEY))],
)
def test_a_former_key_that_signs_beyond_its_handover_is_told_bad(
    size: int, signers: tuple[Ed25519PrivateKey, ...]
) -> None:
    note = signed(size, bytes(32), *signers[1:], key=signers[0])
    with pytest.raises(RetiredKeySigned, match="in somebody else's hands"):
        handover.open_checkpoint(note, KEYS)


@pytest.mark.parametrize(
    ("size", "key"), [(30, NEXT_KEY), (40, THIRD_KEY), (51, Ed25519PrivateKey.generate())]
)
def test_a_key_whose_turn_it_is_not_signs_nothing_bad(size: int, key: Ed25519PrivateKey) -> None:
    with pytest.raises(NoteInvalid, match="no signature of"):
        handover.open_checkpoint(signed(size, bytes(32), key=key), KEYS)


BOTH = Held((KEY, NEXT_KEY))


def test_while_a_successor_is_there_both_sign() -> None:
    assert handover.signers(Held((KEY,)), ()).keys == (KEY,)
    both = handover.signers(BOTH, ())
    assert (both.keys, both.due) == ((KEY, NEXT_KEY), False)
    note = both.sign(FIRST_LAST)
    assert note.signed_by([LOG, NEXT]) == (LOG, NEXT)


def test_after_the_handover_the_successor_signs_alone_whatever_else_is_there() -> None:
    after = handover.signers(BOTH, SUCCESSION[:1])
    assert (after.keys, after.due) == ((NEXT_KEY,), False)
    assert handover.signers(Held((NEXT_KEY,)), SUCCESSION[:1]).keys == (NEXT_KEY,)


def test_only_the_key_that_was_asked_to_hands_over() -> None:
    asked = Held((KEY, NEXT_KEY), retiring=LOG.key)
    assert handover.signers(asked, ()).due
    # What was asked of a key that has handed over is asked of nobody after it.
    later = Held((KEY, NEXT_KEY, THIRD_KEY), retiring=LOG.key)
    assert not handover.signers(later, SUCCESSION[:1]).due
    assert not handover.signers(Held((KEY,), retiring=LOG.key), ()).due


@pytest.mark.parametrize("held", [Held(()), Held((KEY,)), Held((THIRD_KEY,))])
def test_without_the_key_that_signs_now_nobody_signs_bad(held: Held) -> None:
    with pytest.raises(KeyAbsent):
        handover.signers(held, SUCCESSION[:1])
