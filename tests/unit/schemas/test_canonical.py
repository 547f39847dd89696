"""Exact forms: known answers, and properties that signatures and digests rest on."""

import math
from typing import cast

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import jcs, lp, unlp
from schemas.strictjson import parse

PARTS = st.lists(st.binary(max_size=12) | st.text(max_size=12).filter(str.isprintable), max_size=5)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(
    ("parts", "encoded"),
    [
        ((), ""),
        (("",), "00000000"),
        (("a",), "0000000161"),
        ((b"a", "bc"), "0000000161" + "000000026263"),
        (("é",), "00000002c3a9"),
        (("\U0001f600",), "00000004f09f9880"),
        (("dpp-session-v1",), "0000000e6470702d73657373696f6e2d7631"),
        ((b"\x00" * 256,), "00000100" + "00" * 256),
    ],
)
def test_parts_stand_behind_their_lengths(parts: tuple[bytes | str, ...], encoded: str) -> None:
    assert lp(*parts).hex() == encoded


def test_parts_stand_behind_their_lengths_bad() -> None:
    with pytest.raises(ValueError, match="lone surrogate at character 4") as raised:
        lp("ok", "name\ud800")
    assert not isinstance(raised.value, UnicodeError)
    assert raised.value.__context__ is None


@settings(deadline=None)
@given(parts=PARTS)
def test_parts_are_read_back(parts: list[bytes | str]) -> None:
    raw = tuple(part.encode() if isinstance(part, str) else part for part in parts)
    assert unlp(lp(*parts)) == raw


@settings(deadline=None)
@given(
    one=st.lists(st.binary(max_size=6), max_size=4),
    other=st.lists(st.binary(max_size=6), max_size=4),
)
def test_different_parts_never_give_the_same_bytes(one: list[bytes], other: list[bytes]) -> None:
    assert (lp(*one) == lp(*other)) is (one == other)


@settings(deadline=None)
@given(data=st.binary(max_size=20))
def test_bytes_that_are_read_are_exactly_what_is_written(data: bytes) -> None:
    try:
        parts = unlp(data)
    except ValueError:
        return
    assert lp(*parts) == data


@pytest.mark.parametrize(
    "encoded", ["00", "000000", "00000001", "0000000261", "000000016100", "ffffffff61"]
)
def test_parts_are_read_back_bad(encoded: str) -> None:
    with pytest.raises(ValueError, match="cut short"):
        unlp(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1e21, "1e+21"),
        (999999999999999900000.0, "999999999999999900000"),
        (333333333.3333332, "333333333.3333332"),
        (0.000001, "0.000001"),
        (0.0000033333333333333333, "0.0000033333333333333333"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (424.0, "424"),
    ],
)
def test_numbers_are_written_as_rfc_8785_appendix_b(number: float, written: str) -> None:
    assert jcs(number) == jcs(float(written)) == written.encode()


def test_the_example_of_rfc_8785_section_3_2_2_has_its_known_form() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
        "literals": [None, True, False],
    }
    assert jcs(value).decode() == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_members_are_sorted_by_utf_16_as_rfc_8785_section_3_2_3() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = list(parse(jcs(dict.fromkeys(names, 0)), max_bytes=1000))  # type: ignore[call-overload] # a dict
    assert written == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@settings(deadline=None)
@given(value=VALUES)
def test_canonical_form_is_stable(value: object) -> None:
    # Whole doubles are written like integers, so the values here stay where integers are exact.
    once = jcs(value)
    again = parse(once, max_bytes=100_000)
    assert jcs(again) == once


@settings(deadline=None)
@given(value=VALUES)
def test_canonical_form_is_that_of_the_reference_library(value: object) -> None:
    assert jcs(value) == rfc8785.dumps(cast("dict[str, str]", value))


@settings(deadline=None)
@given(members=st.dictionaries(TEXTS, st.integers(0, 9), max_size=6))
def test_order_of_members_does_not_matter(members: dict[str, int]) -> None:
    assert jcs(members) == jcs(dict(reversed(members.items())))


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, {"a": b"x"}, {1, 2}],
)
def test_canonical_form_is_stable_bad(value: object) -> None:
    with pytest.raises(ValueError, match=r"^a value has no RFC 8785 form \(\w+\)$") as raised:
        jcs(value)
    assert raised.value.__context__ is None
