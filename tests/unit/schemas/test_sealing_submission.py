"""A sealed submission opens as it was sent, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sealing import SealBroken
from schemas.sealing.submission import associated_data, seal, unseal

KEY = bytes(range(32))
NONCE = bytes(range(12))
PHARMACY = b"80000551"
HEADERS = (
    ("content-type", b"application/vnd.dpp.sealed"),
    ("ce_dataschema", b"https://schemas.dpp.be/registry/x/1.writer.json"),
    ("ce_id", b"7a0e4c1e-0000-4000-8000-000000000001"),
    ("ce_publisherepoch", b"epoch-1"),
    ("ce_sequence", b"7"),
    ("ce_sessionid", b"session-0000000001"),
    ("ce_source", b"/pharmacies/80000551"),
    ("ce_specversion", b"1.0"),
    ("ce_time", b"2026-03-01T09:30:00.000Z"),
    ("ce_type", b"be.dpp.dispensation.register.v1"),
)
BODY = b'{"a":1}'
SEALED = seal(KEY, NONCE, PHARMACY, HEADERS, BODY)


def refuse(
    *,
    session: bytes = KEY,
    key: bytes = PHARMACY,
    headers: tuple[tuple[str, bytes], ...] = HEADERS,
    sealed: bytes = SEALED,
) -> None:
    with pytest.raises(SealBroken) as refused:
        unseal(session, key, headers, sealed)
    assert BODY.decode() not in str(refused.value)


def test_a_submission_opens_as_it_was_sent() -> None:
    assert unseal(KEY, PHARMACY, HEADERS, SEALED) == BODY


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12), st.binary())
def test_any_body_comes_back_byte_for_byte(session: bytes, nonce: bytes, body: bytes) -> None:
    sealed = seal(session, nonce, PHARMACY, HEADERS, body)
    assert sealed[:12] == nonce
    assert len(sealed) == len(body) + 28
    assert unseal(session, PHARMACY, HEADERS, sealed) == body


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_an_altered_attribute_breaks_the_seal_bad(name: str) -> None:
    refuse(headers=tuple((n, v + b"x" if n == name else v) for n, v in HEADERS))


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_a_missing_attribute_breaks_the_seal_bad(name: str) -> None:
    refuse(headers=tuple((n, v) for n, v in HEADERS if n != name))


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_a_doubled_attribute_breaks_the_seal_bad(name: str) -> None:
    refuse(headers=(*HEADERS, *((n, v) for n, v in HEADERS if n == name)))


def test_a_renamed_or_added_attribute_breaks_the_seal_bad() -> None:
    refuse(headers=tuple((n.replace("sequence", "sequencf"), v) for n, v in HEADERS))
    refuse(headers=(*HEADERS, ("ce_added", b"")))


def test_values_swapped_between_attributes_break_the_seal_bad() -> None:
    swapped = {"ce_id": b"epoch-1", "ce_publisherepoch": b"7a0e4c1e-0000-4000-8000-000000000001"}
    refuse(headers=tuple((n, swapped.get(n, v)) for n, v in HEADERS))


@pytest.mark.parametrize("key", [b"", b"80000552", b"80000551 ", b"8000055"])
def test_a_submission_moved_to_another_key_breaks_the_seal_bad(key: bytes) -> None:
    refuse(key=key)


def test_another_session_breaks_the_seal_bad() -> None:
    refuse(session=bytes(32))


@pytest.mark.parametrize("size", range(len(SEALED)))
def test_a_cut_value_breaks_the_seal_bad(size: int) -> None:
    refuse(sealed=SEALED[:size])


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_an_altered_byte_breaks_the_seal_bad(at: int) -> None:
    refuse(sealed=SEALED[:at] + bytes([SEALED[at] ^ 0x80]) + SEALED[at + 1 :])


def test_a_longer_value_breaks_the_seal_bad() -> None:
    refuse(sealed=SEALED + b"\0")


def test_the_order_of_headers_and_headers_of_the_transport_do_not_matter() -> None:
    moved = (("traceparent-internal", b"00-1"), *reversed(HEADERS))
    assert unseal(KEY, PHARMACY, moved, SEALED) == BODY


def test_bytes_that_move_between_key_and_attributes_bind_differently() -> None:
    assert associated_data(b"ab", [("ce_x", b"c")]) != associated_data(b"a", [("ce_x", b"bc")])
    assert associated_data(b"a", [("ce_xb", b"c")]) != associated_data(b"a", [("ce_x", b"bc")])
