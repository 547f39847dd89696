"""Headers of the usual form are read at once; what is read is what a careful look finds."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import envelope
from schemas.envelope import JSON, Envelope, EnvelopeFault, parse

ENVELOPE = Envelope(
    id="quality/0/7/1",
    source="/quality",
    type="be.dpp.dispensation.registered.v1",
    time=datetime(2026, 6, 1, 12, tzinfo=UTC),
    extensions={"sourceoffset": "7", "sourceordinal": "1"},
)
HEADERS = ENVELOPE.headers()
Headers = Sequence[tuple[str, bytes]]

names = st.sampled_from([name for name, _ in HEADERS] + ["ce_x", "ce_", "ce_X", "traceparent", "é"])
values = st.sampled_from(
    [value for _, value in HEADERS]
    + [b"", b"|", b"a|b", b"\xff", "é".encode(), b"a\nb", b"x" * 1025, b"2.0", b"2026-06-01"]
) | st.binary(max_size=12)
altered = st.tuples(st.integers(0, len(HEADERS)), names, values, st.booleans())


@given(st.lists(altered, max_size=3), st.permutations(HEADERS))
def test_headers_read_at_once_are_those_of_a_careful_look(
    changes: list[tuple[int, str, bytes, bool]], headers: list[tuple[str, bytes]]
) -> None:
    for at, name, value, in_place in changes:
        headers[at : at + in_place] = [(name, value)]
    assert envelope._plain(headers) in (None, envelope._careful(headers))


def test_headers_as_they_are_written_are_read_at_once() -> None:
    assert envelope._plain(HEADERS) == ENVELOPE == parse(HEADERS)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("ce_id", b"", EnvelopeFault("header_invalid", "ce_id")),
        ("ce_id", b"a\x00b", EnvelopeFault("header_invalid", "ce_id")),
        ("ce_id", b"\xff", EnvelopeFault("header_undecodable", "ce_id")),
        ("ce_id", b"x" * 1025, EnvelopeFault("header_too_large", "ce_id")),
        ("ce_specversion", b"0.3", EnvelopeFault("header_invalid", "ce_specversion")),
        ("ce_type", b"something", EnvelopeFault("header_invalid", "ce_type")),
        ("ce_time", b"2026-06-31T12:00:00Z", EnvelopeFault("header_invalid", "ce_time")),
        ("content-type", b"", EnvelopeFault("header_invalid", "content-type")),
    ],
)
def test_a_header_that_says_nothing_usable_is_named_bad(
    name: str, value: bytes, fault: EnvelopeFault
) -> None:
    assert parse([(one, value if one == name else other) for one, other in HEADERS]) == fault


@pytest.mark.parametrize("name", ["content-type", "ce_id", "ce_time", "ce_dataschema"])
def test_a_missing_or_doubled_header_is_named_bad(name: str) -> None:
    left = [(one, value) for one, value in HEADERS if one != name]
    assert parse(left) == EnvelopeFault("header_missing", name)
    assert parse([*HEADERS, (name, b"again")]) == EnvelopeFault("header_doubled", name)


@pytest.mark.parametrize(
    "headers",
    [
        [*HEADERS, ("traceparent", b"\xff")],
        [(name, b"a|b" if name == "ce_id" else value) for name, value in HEADERS],
        [(name, "é".encode() if name == "ce_id" else value) for name, value in HEADERS],
        [(name, b"x" * 900 if name.startswith("ce_source") else value) for name, value in HEADERS],
    ],
)
def test_unusual_headers_are_an_envelope_too(headers: Headers) -> None:
    found = parse(headers)
    assert isinstance(found, Envelope)
    assert found.content_type == JSON


def test_no_headers_are_no_envelope_bad() -> None:
    assert parse([]) == EnvelopeFault("header_missing", "content-type")
