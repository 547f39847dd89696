"""A session is taken over only as its publisher signed it, and its key opens only for it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.publisher import SessionOpened
from schemas.sealing import SealBroken, b64decode, b64encode
from schemas.sealing.session import (
    INTAKE_PRIVATE_BYTES,
    INTAKE_PUBLIC_BYTES,
    SUITE,
    intake_public_bytes,
    intake_public_key,
    session_info,
    signed_material,
    unseal_session_key,
    verify_session,
)

INTAKE = bytes(range(INTAKE_PRIVATE_BYTES))
OTHER_INTAKE = bytes(INTAKE_PRIVATE_BYTES)
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = SIGNING.public_key().public_bytes_raw()
SESSION_KEY = bytes(range(100, 132))
NOT_AFTER = datetime(2026, 3, 2, 9, tzinfo=UTC)


def opened(session_key: bytes = SESSION_KEY) -> SessionOpened:
    info = session_info(
        session="session-0000000001", publisher="80000551", key_id="key-1", not_after=NOT_AFTER
    )
    public = intake_public_key(intake_public_bytes(INTAKE))
    encapsulation = SUITE.encrypt(session_key, public, info=info)
    return SessionOpened(
        session="session-0000000001",
        publisher="80000551",
        key_id="key-1",
        not_after=NOT_AFTER,
        intake_key="intake-1",
        encapsulation=b64encode(encapsulation),
        signature=b64encode(SIGNING.sign(signed_material(info, encapsulation))),
    )


OPENED = opened()
ENCAPSULATION = b64decode(OPENED.encapsulation)
BOUND = {
    "session": "session-0000000002",
    "publisher": "80000552",
    "key_id": "key-2",
    "not_after": NOT_AFTER + timedelta(milliseconds=1),
}
BROKEN = {
    "empty": b"",
    "cut in the ML-KEM part": ENCAPSULATION[:500],
    "cut in the X25519 part": ENCAPSULATION[:1100],
    "cut in the ciphertext": ENCAPSULATION[:1130],
    "cut by one": ENCAPSULATION[:-1],
    "longer": ENCAPSULATION + b"\0",
    "X25519 of low order": ENCAPSULATION[:1088] + bytes(32) + ENCAPSULATION[1120:],
    "other ML-KEM part": bytes(1088) + ENCAPSULATION[1088:],
}


def test_a_session_is_verified_and_opens_to_its_key() -> None:
    verify_session(OPENED, PUBLIC)
    assert unseal_session_key(OPENED, INTAKE) == SESSION_KEY


def test_a_session_survives_being_written_and_read() -> None:
    read = SessionOpened.read(OPENED.write())
    verify_session(read, PUBLIC)
    assert unseal_session_key(read, INTAKE) == SESSION_KEY


def test_intake_keys_have_their_sizes() -> None:
    assert len(intake_public_bytes(INTAKE)) == INTAKE_PUBLIC_BYTES


@pytest.mark.parametrize("name", sorted(BOUND))
def test_an_altered_value_breaks_signature_and_seal_bad(name: str) -> None:
    changed = OPENED.model_copy(update={name: BOUND[name]})
    with pytest.raises(SealBroken):
        verify_session(changed, PUBLIC)
    with pytest.raises(SealBroken):
        unseal_session_key(changed, INTAKE)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_an_altered_encapsulation_breaks_signature_and_seal_bad(name: str) -> None:
    changed = OPENED.model_copy(update={"encapsulation": b64encode(BROKEN[name])})
    with pytest.raises(SealBroken):
        verify_session(changed, PUBLIC)
    with pytest.raises(SealBroken):
        unseal_session_key(changed, INTAKE)


@pytest.mark.parametrize("signature", ["", "AAAA", b64encode(bytes(64)), "A" * 85, "é", "a+b/"])
def test_a_signature_that_does_not_hold_is_refused_bad(signature: str) -> None:
    with pytest.raises(SealBroken):
        verify_session(OPENED.model_copy(update={"signature": signature}), PUBLIC)


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), b"\x01" * 32])
def test_another_or_malformed_signing_key_is_refused_bad(public: bytes) -> None:
    with pytest.raises(SealBroken):
        verify_session(OPENED, public)


@pytest.mark.parametrize("private", [OTHER_INTAKE, b"", INTAKE[:95], INTAKE + b"\0"])
def test_another_or_malformed_intake_key_does_not_open_it_bad(private: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal_session_key(OPENED, private)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_session_key_of_another_size_is_refused_bad(size: int) -> None:
    with pytest.raises(SealBroken, match="32 bytes"):
        unseal_session_key(opened(bytes(size)), INTAKE)


def test_the_same_moment_in_another_zone_is_the_same_session() -> None:
    text = OPENED.write().replace(b"2026-03-02T09:00:00Z", b"2026-03-02T10:00:00+01:00")
    assert b"+01:00" in text
    verify_session(SessionOpened.read(text), PUBLIC)
