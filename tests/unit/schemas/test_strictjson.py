"""The parser refuses what parsers disagree about, with a stable reason and without an echo."""

import json
import math
import traceback
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import strictjson
from schemas.strictjson import MAX_INTEGER, MalformedJson, Reason, dumps, parse

LIMIT = 6_000_000

GOOD: list[tuple[bytes, object]] = [
    (b"null", None),
    (b" [1, -2.5, true] \n", [1, -2.5, True]),
    (b'{"a": {"a": 1}, "b": {"a": 2}}', {"a": {"a": 1}, "b": {"a": 2}}),
    (b"9007199254740991", MAX_INTEGER),
    (b"-9007199254740991", -MAX_INTEGER),
    (b"1e308", 1e308),
    (b"0e5", 0.0),
    (b"0.0e-999", 0.0),
    (rb'"\ud83d\ude00"', "\U0001f600"),
    (rb'"a\tb\nc\rd\u0009\u000a\u000D"', "a\tb\nc\rd\t\n\r"),
    (rb'"\\u0000 \\b \\ud800 \" \/ \u00e9"', '\\u0000 \\b \\ud800 " / é'),
    ('"é"'.encode(), "é"),
    (b'"\x7f"', "\x7f"),
    (b'"[[[[[[[[[[[[[[[[[[[["', "[" * 20),
    (rb'"\"[[[[[[[[[[[[[[[[[[[[\\"', '"' + "[" * 20 + "\\"),
    (b"[" * 16 + b"]" * 16, json.loads("[" * 16 + "]" * 16)),
    (b"[" + b"[]," * 1000 + b"{}]", [[]] * 1000 + [{}]),
]
BAD: list[tuple[bytes, Reason]] = [
    (b"\xef\xbb\xbf{}", "bom"),
    (b'"\xff"', "not_utf8"),
    (b'"\xed\xa0\x80"', "not_utf8"),
    (b'"\xc0\x80"', "not_utf8"),
    ("{}".encode("utf-16"), "not_utf8"),
    (b"[" * 17 + b"]" * 17, "too_deep"),
    (b'[{"a":' * 9 + b"1" + b"}]" * 9, "too_deep"),
    (b"[" * 100_000, "too_deep"),
    (b'{"a":' * 100_000, "too_deep"),
    (b'"' + b"x" * 10 + b'"' + b"[" * 100_000, "too_deep"),
    (rb'["\\",' + b"[" * 100_000, "too_deep"),
    (rb'["\"",' + b"[" * 100_000, "too_deep"),
    (b'{"a":1,"a":1}', "duplicate_key"),
    (rb'{"a":1,"\u0061":2}', "duplicate_key"),
    (b'[{"x":{"b":1,"c":2,"b":3}}]', "duplicate_key"),
    (b'{"a":NaN}', "not_a_number"),
    (b"[Infinity]", "not_a_number"),
    (b"-Infinity", "not_a_number"),
    (b"1e400", "number_out_of_range"),
    (b"-1E400", "number_out_of_range"),
    (b"1e-400", "number_out_of_range"),
    (b"9007199254740992", "number_out_of_range"),
    (b"-9007199254740992", "number_out_of_range"),
    (b"1" * 5_000, "number_out_of_range"),
    (rb'"\ud800"', "surrogate"),
    (rb'"\uDFFFx"', "surrogate"),
    (rb'{"\ude00\ud83d":1}', "surrogate"),
    (rb'[["ok"],{"a":["\ud83d"]}]', "surrogate"),
    (rb'"\u0000"', "control_character"),
    (rb'"\u001F"', "control_character"),
    (rb'"\b"', "control_character"),
    (rb'"\f"', "control_character"),
    (rb'{"a":{"\u0000":1}}', "control_character"),
    (b'"\x00"', "control_character"),
    (b'"\x1f"', "control_character"),
    (b'{"a\x01":1}', "control_character"),
    (b'"\n"', "syntax"),
    (b"", "syntax"),
    (b" ", "syntax"),
    (b"{", "syntax"),
    (b"{}{}", "syntax"),
    (b"[1,]", "syntax"),
    (b"01", "syntax"),
    (b"+1", "syntax"),
    (b".5", "syntax"),
    (b"1.", "syntax"),
    (b"{'a':1}", "syntax"),
    (b"{1:1}", "syntax"),
    (b"nan", "syntax"),
    (b"// no\n1", "syntax"),
    (b"\xc2\xa01", "syntax"),
    (b'"\\x41"', "syntax"),
    (b'"\\u12"', "syntax"),
    (b'"open', "syntax"),
    (b'"open\\', "syntax"),
    (b"[}", "syntax"),
    (b"]" * 50, "syntax"),
]

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]).filter(lambda c: c >= " " or c in "\t\n\r"),
    max_size=20,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(("data", "value"), GOOD)
def test_text_is_parsed(data: bytes, value: object) -> None:
    assert parse(data, max_bytes=LIMIT) == value


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_text_is_parsed_bad(data: bytes, reason: Reason) -> None:
    with pytest.raises(MalformedJson) as raised:
        parse(data, max_bytes=LIMIT)
    assert raised.value.reason == reason
    assert str(raised.value).startswith(f"{reason}: ")


def test_every_reason_has_a_case() -> None:
    assert {reason for _, reason in BAD} | {"too_large"} == set(get_args(Reason))


@pytest.mark.parametrize(
    ("size", "accepted"), [(9, True), (10, True), (11, False), (5_000_000, False)]
)
def test_size_is_bounded_before_anything_is_read(size: int, accepted: bool) -> None:
    data = b'"' + b"x" * (size - 2) + b'"'
    if accepted:
        assert parse(data, max_bytes=10) == "x" * (size - 2)
        return
    with pytest.raises(MalformedJson) as raised:
        parse(data, max_bytes=10)
    assert raised.value.reason == "too_large"


@pytest.mark.parametrize("depth", [1, 2, 16, 50])
def test_depth_is_accepted_up_to_the_limit_and_not_beyond(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    assert isinstance(parse(nested, max_bytes=LIMIT, max_depth=depth), list)
    with pytest.raises(MalformedJson) as raised:
        parse(nested, max_bytes=LIMIT, max_depth=depth - 1)
    assert raised.value.reason == "too_deep"


def test_depth_beyond_the_parser_is_a_reason_even_with_a_limit_set_too_high() -> None:
    with pytest.raises(MalformedJson) as raised:
        parse(b"[" * 50_000, max_bytes=LIMIT, max_depth=100_000)
    assert raised.value.reason == "too_deep"


@pytest.mark.parametrize(
    "data",
    [
        b'{"85000000138": 1, "85000000138": 2}',
        b'{"niss": "85000000138"',
        b'{"niss": 850000001380000000000}',
        b'{"niss": "85000000138\x00"}',
        b'{"niss": "85000000138\xff"}',
        rb'{"niss": "85000000138\ud800"}',
        rb'{"niss": "85000000138\q"}',
        b'{"niss": 85000000138e999}',
    ],
)
def test_refusal_never_echoes_the_text(data: bytes) -> None:
    with pytest.raises(MalformedJson) as raised:
        parse(data, max_bytes=LIMIT)
    error = raised.value
    assert "85000000138" not in "".join(traceback.format_exception_only(error)) + repr(error)
    assert error.__context__ is None
    assert error.__cause__ is None


@settings(deadline=None)
@given(value=VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    assert parse(dumps(value), max_bytes=LIMIT) == value


@settings(deadline=None)
@given(value=VALUES)
def test_what_any_writer_writes_with_escapes_and_spaces_is_read_back(value: object) -> None:
    assert parse(json.dumps(value, indent=1).encode(), max_bytes=LIMIT) == value


@settings(deadline=None)
@given(
    data=st.binary(max_size=60)
    | st.text('[]{}",:\\u0d8bf1eE-.NI \x00\n', max_size=60).map(str.encode)
)
def test_any_bytes_are_a_value_that_can_be_written_or_a_reason(data: bytes) -> None:
    try:
        value = parse(data, max_bytes=LIMIT)
    except MalformedJson:
        return
    assert parse(dumps(value), max_bytes=LIMIT) == value


@settings(deadline=None, max_examples=300)
@given(
    data=st.text('[]{}",:a1-. \n', max_size=40).map(str.encode)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.lists(st.tuples(st.sampled_from("ab:"), VALUES), max_size=3).map(
        lambda members: b"{%s}" % b",".join(b'"%s":%s' % (k.encode(), dumps(v)) for k, v in members)
    )
)
def test_both_parsers_agree_on_what_the_faster_one_takes(data: bytes) -> None:
    value = strictjson._plain(data, 16)
    if value is not strictjson._UNDECIDED:
        assert repr(value) == repr(strictjson._checked(data, data.decode(), 16))


@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":1}', b'{"a":{"b:":1,"b:":1}}', b"9007199254740992", b"[1.5]", b"[" * 17]
)
def test_the_faster_parser_leaves_the_doubtful_to_the_other(data: bytes) -> None:
    assert strictjson._plain(data, 16) is strictjson._UNDECIDED


def test_text_is_written_without_spaces_in_the_order_given() -> None:
    assert dumps({"b": [1, 2.5, None], "a": "é\n"}) == '{"b":[1,2.5,null],"a":"é\\n"}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], "\ud800", {"\ude00": 1}])
def test_text_is_written_without_spaces_in_the_order_given_bad(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON") as raised:
        dumps(value)
    assert not isinstance(raised.value, UnicodeError)


def test_value_without_a_json_form_is_not_written() -> None:
    with pytest.raises(TypeError):
        dumps({1, 2})
