"""Records that others trust carry the office's one signature over exactly what they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.envelope import Envelope, EnvelopeFault, parse
from schemas.sealing import SealBroken, b64encode
from schemas.sealing.office import SIGNATURE_HEADER, OfficeKeys, enrolment_material, sign, verify

OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = OFFICE.public_key().public_bytes_raw()
KEY, VALUE = b"80000551", b'{"publisher":"80000551"}'
HEADERS = (
    ("content-type", b"application/json"),
    ("ce_id", b"1"),
    ("ce_source", b"/office"),
    ("ce_type", b"be.dpp.publisher.enrolled.v1"),
)
SIGNED = tuple(sign(OFFICE, KEY, HEADERS, VALUE))
SIGNATURE = SIGNED[-1]


def refuse(
    headers: tuple[tuple[str, bytes], ...] = SIGNED,
    *,
    public: bytes = PUBLIC,
    key: bytes = KEY,
    value: bytes = VALUE,
) -> None:
    with pytest.raises(SealBroken):
        verify(public, key, headers, value)


def test_a_signed_record_is_accepted() -> None:
    verify(PUBLIC, KEY, SIGNED, VALUE)


def test_the_order_of_headers_and_headers_of_the_transport_do_not_matter() -> None:
    verify(PUBLIC, KEY, (("other", b"x"), *reversed(SIGNED)), VALUE)


@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_an_altered_missing_or_doubled_header_is_refused_bad(name: str) -> None:
    refuse(tuple((n, v + b"x" if n == name else v) for n, v in SIGNED))
    refuse(tuple((n, v) for n, v in SIGNED if n != name))
    refuse((*SIGNED, *((n, v) for n, v in SIGNED if n == name)))


def test_an_added_attribute_is_refused_bad() -> None:
    refuse((*SIGNED, ("ce_added", b"")))


def test_another_key_value_or_office_is_refused_bad() -> None:
    refuse(key=b"80000552")
    refuse(value=VALUE + b" ")
    refuse(public=Ed25519PrivateKey.from_private_bytes(b"\1" * 32).public_key().public_bytes_raw())
    refuse(public=b"short")


def test_no_signature_or_two_are_refused_bad() -> None:
    refuse(HEADERS)
    refuse((*SIGNED, SIGNATURE))
    refuse((*SIGNED, (SIGNATURE_HEADER, b"")))


@pytest.mark.parametrize("text", [b"", b"AAAA", b"\xff\xfe", b"not base64!", SIGNATURE[1] + b"="])
def test_a_malformed_signature_is_refused_bad(text: bytes) -> None:
    refuse((*HEADERS, (SIGNATURE_HEADER, text)))


@pytest.mark.parametrize("value", [b"", None])
@pytest.mark.parametrize("name", [name for name, _ in HEADERS])
def test_an_empty_or_null_header_is_no_envelope_and_never_reaches_a_signature_bad(
    name: str, value: bytes | None
) -> None:
    complete = Envelope(
        id="1",
        source="/office",
        type="be.dpp.publisher.enrolled.v1",
        time=datetime(2026, 3, 1, tzinfo=UTC),
    ).headers()
    assert isinstance(parse(complete), Envelope)
    emptied: list[tuple[str, Any]] = [(n, value if n == name else v) for n, v in complete]
    assert parse(emptied) == EnvelopeFault("header_invalid", name)


def test_a_proof_of_enrolment_names_publisher_key_id_and_key() -> None:
    made = {
        enrolment_material("80000551", "key-1", PUBLIC),
        enrolment_material("80000552", "key-1", PUBLIC),
        enrolment_material("80000551", "key-2", PUBLIC),
        enrolment_material("80000551", "key-1", bytes(32)),
        enrolment_material("80000551k", "ey-1", PUBLIC),
    }
    assert len(made) == 5


NEXT, AFTER = (bytes([number]) * 32 for number in (1, 2))
YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def test_each_office_key_signs_from_its_time_on_until_the_next_one_does() -> None:
    keys = OfficeKeys(PUBLIC, ((YEAR, NEXT), (YEAR + timedelta(days=365), AFTER)))
    assert OfficeKeys.parse(str(keys)) == keys
    assert OfficeKeys.parse(b64encode(PUBLIC)) == OfficeKeys(PUBLIC)
    for moment, key in (
        (YEAR - timedelta(microseconds=1), PUBLIC),
        (YEAR, NEXT),
        (YEAR + timedelta(days=364), NEXT),
        (YEAR + timedelta(days=365), AFTER),
    ):
        assert keys.at(moment) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        b64encode(PUBLIC) + ",",
        f"{b64encode(PUBLIC)},{b64encode(NEXT)}",
        f"{b64encode(PUBLIC)},{b64encode(NEXT)}@2027-01-01T00:00:00",
        f"{b64encode(PUBLIC)},AAAA@2027-01-01T00:00:00Z",
        (
            f"{b64encode(PUBLIC)},{b64encode(NEXT)}@2027-01-01T00:00:00Z,"
            f"{b64encode(AFTER)}@2027-01-01T00:00:00Z"
        ),
    ],
)
def test_office_keys_that_nobody_can_pin_are_refused_bad(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        OfficeKeys.parse(text)
