"""A certificate is read as it was signed; altered, foreign or unsigned it is refused."""

from datetime import UTC, date, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.erasure.certificate import Certificate, LogHolds, Place, Replayed, check, sign
from streams.notary import notes
from streams.notary.notes import NoteInvalid

ORIGIN = "dpp.example/log"
OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = OFFICE.public_key().public_bytes_raw()
AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
MADE = Certificate(
    erasure="erasure-0001",
    ground="consent_withdrawn",
    subject="a" * 26,
    generation=1,
    requested_at=AT,
    approvals=2,
    executed_at=AT,
    executed=Place(partition=1, offset=9),
    secret_destroyed_at=AT,
    copies_until=date(2026, 12, 28),
    projections=(Replayed(projection="history", version=1, positions={"0": 5}, content="ab"),),
    log=LogHolds(origin=ORIGIN, size=20, root="AA", leaves=(3, 7)),
    issued_at=AT,
)
NOTE = sign(MADE, ORIGIN, OFFICE).encode()


def test_it_is_read_as_it_was_signed() -> None:
    assert check(NOTE, ORIGIN, PUBLIC) == MADE


def _note(text: str, key: Ed25519PrivateKey = OFFICE) -> bytes:
    return str(notes.Note(text, (notes.sign(text, f"{ORIGIN}/erasures", key),))).encode()


@pytest.mark.parametrize(
    "note",
    [
        NOTE.replace(b'"generation":1', b'"generation":2'),
        NOTE.rpartition(b"\n\n")[0] + b"\n\n",
        _note("dpp erasure certificate v2\n{}\n"),
        _note("dpp erasure certificate v1\n{}\n"),
        _note(NOTE.decode().rpartition("\n\n")[0] + "\n", Ed25519PrivateKey.generate()),
        b"",
    ],
    ids=["altered", "unsigned", "another heading", "no content", "another key", "nothing"],
)
def test_what_the_office_did_not_state_is_refused_bad(note: bytes) -> None:
    with pytest.raises(NoteInvalid):
        check(note, ORIGIN, PUBLIC)


def test_a_certificate_of_another_log_is_refused_bad() -> None:
    with pytest.raises(NoteInvalid, match="not signed"):
        check(NOTE, "other.example/log", PUBLIC)
