"""What stands for a row when contents are hashed: one encoding for one row, whatever its types."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.content import (
    RowDigests,
    TableContent,
    Value,
    content_hash,
    require_encodable,
    table_content,
)

ENCODED: dict[str, tuple[str, Value, str]] = {
    "null": ("int8", None, "00000014 ffffffff"),
    "true": ("bool", True, "00000010 00000001 01"),
    "false": ("bool", False, "00000010 00000001 00"),
    "smallest int2": ("int2", -(2**15), "00000015 00000002 8000"),
    "negative int4": ("int4", -2, "00000017 00000004 fffffffe"),
    "greatest int8": ("int8", 2**63 - 1, "00000014 00000008 7fffffffffffffff"),
    "empty text": ("text", "", "00000019 00000000"),
    "text of two letters in five bytes": ("text", "é€", "00000019 00000005 c3a9e282ac"),
    "bytes": ("bytea", b"\x00,", "00000011 00000002 002c"),
    "day before 2000": ("date", date(1999, 12, 31), "0000043a 00000004 ffffffff"),
    "moment before 2000, in another zone": (
        "timestamptz",
        datetime(2000, 1, 1, 0, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=1))),
        "000004a0 00000008 ffffffffffffffff",
    ),
    "moment": ("timestamptz", datetime(2000, 1, 1, tzinfo=UTC), "000004a0 00000008" + "00" * 8),
    "empty array": ("_text", [], "000003f1 0000000c 00000000 00000000 00000019"),
    "texts": (
        "_text",
        ["a", ""],
        "000003f1 0000001d 00000001 00000000 00000019 00000002 00000001 00000001 61 00000000",
    ),
    "small numbers": (
        "_int2",
        [-1],
        "000003ed 0000001a 00000001 00000000 00000015 00000001 00000001 00000002 ffff",
    ),
    "great numbers": (
        "_int8",
        [-(2**63)],
        "000003f8 00000020 00000001 00000000 00000014 00000001 00000001 00000008 8000000000000000",
    ),
    "numbers": (
        "_int4",
        [7],
        "000003ef 0000001c 00000001 00000000 00000017 00000001 00000001 00000004 00000007",
    ),
}
UNLIKE: dict[str, tuple[Mapping[str, str], Mapping[str, Value], Mapping[str, Value]]] = {
    "a border between texts moves": (
        {"a": "text", "b": "text"},
        {"a": "x,", "b": "y"},
        {"a": "x", "b": ",y"},
    ),
    "a border between bytes moves": (
        {"a": "bytea", "b": "bytea"},
        {"a": b"12", "b": b"3"},
        {"a": b"1", "b": b"23"},
    ),
    "null and empty": ({"a": "text"}, {"a": None}, {"a": ""}),
    "null and no elements": ({"a": "_text"}, {"a": None}, {"a": []}),
    "no elements and an empty one": ({"a": "_text"}, {"a": []}, {"a": [""]}),
    "a border between elements moves": ({"a": "_text"}, {"a": ["x", "y"]}, {"a": ["xy"]}),
    "a null moves to another column": (
        {"a": "int4", "b": "int4"},
        {"a": 1, "b": None},
        {"a": None, "b": 1},
    ),
    "a microsecond": (
        {"a": "timestamptz"},
        {"a": datetime(2026, 1, 1, tzinfo=UTC)},
        {"a": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
    ),
}
TYPES: Mapping[str, str] = {"a": "text", "b": "int8", "c": "_text", "d": "bytea", "e": "bool"}
rows = st.fixed_dictionaries(
    {
        "a": st.none() | st.text(),
        "b": st.none() | st.integers(-(2**63), 2**63 - 1),
        "c": st.none() | st.lists(st.text(max_size=3), max_size=3),
        "d": st.none() | st.binary(max_size=4),
        "e": st.none() | st.booleans(),
    }
)


@pytest.mark.parametrize("name", ENCODED)
def test_a_value_is_encoded_as_postgresql_sends_it(name: str) -> None:
    kind, value, encoded = ENCODED[name]
    assert RowDigests({"c": kind}).encode({"c": value}) == bytes.fromhex("00000001" + encoded)


@pytest.mark.parametrize("name", UNLIKE)
def test_two_rows_that_differ_have_not_one_encoding_bad(name: str) -> None:
    types, one, other = UNLIKE[name]
    digests = RowDigests(types)
    assert digests.encode(one) != digests.encode(other)
    assert digests.of_row(one) != digests.of_row(other)


@given(one=rows, other=rows)
def test_rows_have_one_encoding_exactly_if_they_are_equal(
    one: dict[str, Value], other: dict[str, Value]
) -> None:
    digests = RowDigests(TYPES)
    assert (digests.encode(one) == digests.encode(other)) == (one == other)
    alike = {name for name in TYPES if one[name] == other[name]}
    told = {n for n in TYPES if digests.of_column(one, n) == digests.of_column(other, n)}
    assert told == alike


def test_a_number_of_another_type_has_another_encoding_bad() -> None:
    encoded = [RowDigests({"a": kind}).encode({"a": 1}) for kind in ("int2", "int4", "int8")]
    assert all(one != other for one, other in combinations(encoded, 2))


def test_a_column_that_a_row_does_not_have_counts_as_null() -> None:
    digests = RowDigests({"a": "text", "b": "int4"})
    assert digests.of_row({"a": "x"}) == digests.of_row({"b": None, "a": "x"})
    assert digests.of_column({}, "b") == digests.of_column({"b": None}, "b")


def test_the_order_of_columns_and_of_rows_does_not_matter() -> None:
    row: Mapping[str, Value] = {"a": "x", "b": 1}
    one, other = RowDigests({"a": "text", "b": "int4"}), RowDigests({"b": "int4", "a": "text"})
    assert one.encode(row) == other.encode(row)
    digests = [one.of_row({"a": str(number), "b": number}) for number in range(9)]
    assert table_content(digests) == table_content(reversed(digests))


def test_a_doubled_or_a_missing_row_is_another_content_bad() -> None:
    digests = [RowDigests({"a": "int4"}).of_row({"a": number}) for number in range(3)]
    contents = [digests, digests[:2], [*digests, digests[0]], []]
    hashes = {content_hash({"t": table_content(one)}) for one in contents}
    assert len(hashes) == len(contents)
    assert content_hash({"t": TableContent(1, b"d")}) != content_hash({"u": TableContent(1, b"d")})


def test_a_type_without_encoding_is_refused_by_name_bad() -> None:
    with pytest.raises(TypeError, match="columns of type numeric"):
        RowDigests({"a": "int4", "b": "numeric"})
    with pytest.raises(TypeError, match="columns of type numeric"):
        require_encodable(["int4", "numeric"])
