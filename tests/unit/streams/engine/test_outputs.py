"""What a stage writes: deterministic bytes, positions, dead letters of whatever comes."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import deadletter, envelope
from schemas.envelope import Envelope
from schemas.receipts import GAP_CLOSED, RECEIPT, Receipt, SubmissionRef
from streams.engine.answering import MAX_DEAD_LETTER_BYTES
from streams.engine.outputs import (
    MAX_OUTPUT_BYTES,
    OutputBuilder,
    OutputTooLarge,
    encoded_size,
    source_position,
)
from streams.engine.stage import Headers, Output, Submission

NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
TRACE = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"
SUBMISSION = Submission("s", 2, 40, NOW, b"k", (("a", b"1"),), b"v")
BODY = Receipt(
    outcome="rejected", submission=SubmissionRef(partition=2, offset=40, appended_at=NOW)
)


def _builder(submission: Submission = SUBMISSION) -> OutputBuilder:
    return OutputBuilder("quality", submission, "p1", "d1")


def _letter(**changes: object) -> Output:
    return _builder(replace(SUBMISSION, **changes)).dead_letter("d", "no_key")  # type: ignore[arg-type]  # changes are fields of a submission


def _parsed(output: Output) -> Envelope:
    found = envelope.parse(output.headers)
    assert isinstance(found, Envelope)
    return found


def test_an_event_names_its_source_and_the_time_of_the_submission() -> None:
    found = _parsed(_builder().event("r", b"k", RECEIPT, BODY))
    assert (found.id, found.source, found.type, found.time) == (
        "quality/2/40/0",
        "/quality",
        RECEIPT,
        NOW,
    )
    assert found.extensions == {
        "sourceoffset": "40",
        "sourceordinal": "0",
        "policyversion": "p1",
        "deciderversion": "d1",
    }


def test_every_output_of_a_submission_has_the_whole_envelope() -> None:
    builder = _builder()
    for type_ in (RECEIPT, GAP_CLOSED, RECEIPT):
        made = builder.event("r", b"", type_, BODY)
        assert _parsed(made).type == type_
        assert tuple(_parsed(made).headers()) == made.headers


def test_the_same_submission_becomes_the_same_bytes() -> None:
    first, second = _builder(), _builder()
    for _ in range(2):
        assert first.event("r", b"k", RECEIPT, BODY) == second.event("r", b"k", RECEIPT, BODY)
    assert first.dead_letter("d", "no_key") == second.dead_letter("d", "no_key")


def test_ordinals_count_all_outputs_from_0() -> None:
    builder = _builder()
    names = []
    outputs = []
    for _ in range(2):
        names.append(builder.next_id)
        outputs.append(builder.event("r", b"k", RECEIPT, BODY))
    outputs.append(builder.dead_letter("d", "no_key"))
    outputs.append(builder.event("r", b"k", RECEIPT, BODY))
    assert [source_position(one.headers) for one in outputs] == [(40, n) for n in range(4)]
    assert names == [_parsed(one).id for one in outputs[:2]] == ["quality/2/40/0", "quality/2/40/1"]


def test_an_event_above_the_limit_is_refused_without_its_content_and_its_ordinal_stays_free() -> (
    None
):
    builder = _builder()
    with pytest.raises(OutputTooLarge, match=f"{MAX_OUTPUT_BYTES} are allowed") as caught:
        builder.event("r", b"SECRET" * 20_000, RECEIPT, BODY)
    assert "SECRET" not in str(caught.value)
    assert source_position(builder.event("r", b"k", RECEIPT, BODY).headers) == (40, 0)


def test_an_event_at_the_limit_is_taken() -> None:
    spare = MAX_OUTPUT_BYTES - encoded_size(_builder().event("r", b"", RECEIPT, BODY))
    assert encoded_size(_builder().event("r", bytes(spare), RECEIPT, BODY)) == MAX_OUTPUT_BYTES
    with pytest.raises(OutputTooLarge):
        _builder().event("r", bytes(spare + 1), RECEIPT, BODY)


def test_the_size_of_an_output_counts_bytes_not_letters() -> None:
    assert encoded_size(Output("t", b"12", (("né", b"345"),), b"6")) == 2 + 3 + 3 + 1
    assert encoded_size(Output("t", None, (), None)) == 0


def test_a_well_formed_trace_is_copied() -> None:
    traced = replace(SUBMISSION, headers=(("ce_traceparent", TRACE),))
    assert _parsed(_builder(traced).event("r", b"k", RECEIPT, BODY)).extensions["traceparent"] == (
        TRACE.decode()
    )


TRACES_BAD: dict[str, Headers] = {
    "none": (),
    "two": (("ce_traceparent", TRACE), ("ce_traceparent", TRACE)),
    "empty": (("ce_traceparent", b""),),
    "another version": (("ce_traceparent", b"01" + TRACE[2:]),),
    "upper case": (("ce_traceparent", TRACE.upper()),),
    "more behind it": (("ce_traceparent", TRACE + b"\n"),),
    "no text": (("ce_traceparent", b"\xff" * 55),),
}


@pytest.mark.parametrize("headers", TRACES_BAD.values(), ids=TRACES_BAD.keys())
def test_any_other_trace_is_left_out_bad(headers: Headers) -> None:
    event = _builder(replace(SUBMISSION, headers=headers)).event("r", b"k", RECEIPT, BODY)
    assert "traceparent" not in _parsed(event).extensions


def test_a_dead_letter_is_the_submission_as_received_with_reason_and_source() -> None:
    headers: Headers = (("a", b"1"), ("a", b""), ("é\\xff", b"\xff\x00"))
    letter = _letter(headers=headers)
    assert (letter.topic, letter.key, letter.value) == ("d", b"k", b"v")
    assert letter.headers == (
        *headers,
        (deadletter.REASON, b"no_key"),
        (deadletter.SOURCE, b"s/2/40"),
        (deadletter.SOURCE_OFFSET, b"40"),
        (deadletter.SOURCE_ORDINAL, b"0"),
    )


@pytest.mark.parametrize("value", [None, b"", bytes(deadletter.MAX_KEPT_BYTES)])
def test_a_value_up_to_the_limit_is_kept_whole(value: bytes | None) -> None:
    letter = _letter(value=value)
    assert letter.value == value
    assert deadletter.CUT_FROM not in dict(letter.headers)


def test_a_longer_value_is_cut_and_its_size_and_digest_are_kept() -> None:
    value = bytes(range(256)) * 20_000
    letter = _letter(value=value)
    added = dict(letter.headers)
    assert letter.value == value[: deadletter.MAX_KEPT_BYTES]
    assert added[deadletter.CUT_FROM] == str(len(value)).encode()
    assert added[deadletter.SHA256] == hashlib.sha256(value).hexdigest().encode()


@pytest.mark.parametrize("key", [None, b"", bytes(deadletter.MAX_KEPT_KEY_BYTES)])
def test_a_key_up_to_the_limit_is_kept_whole(key: bytes | None) -> None:
    letter = _letter(key=key)
    assert letter.key == key
    assert deadletter.KEY_CUT_FROM not in dict(letter.headers)


def test_a_longer_key_is_cut_and_its_size_is_kept() -> None:
    letter = _letter(key=b"x" * 1_000_000)
    assert letter.key == b"x" * deadletter.MAX_KEPT_KEY_BYTES
    assert dict(letter.headers)[deadletter.KEY_CUT_FROM] == b"1000000"


def test_the_first_headers_that_fit_are_kept_and_the_others_counted() -> None:
    third = bytes(deadletter.MAX_KEPT_HEADER_BYTES // 3)
    headers = tuple((f"{number}", third) for number in range(5))
    letter = _letter(headers=headers)
    assert letter.headers[:2] == headers[:2]
    assert dict(letter.headers)[deadletter.HEADERS_DROPPED] == b"3"


@pytest.mark.parametrize(
    "forged",
    [
        (("dpp_reason", b"x"), ("dpp_sourceoffset", b"7"), ("dpp_anything", b"x")),
        (("ce_sourceoffset", b"7"), ("ce_sourceordinal", b"7")),
        (("ce_sourceoffset", b"7"), ("ce_sourceoffset", b"8")),
    ],
    ids=["ours", "those of a fact", "those of a fact, twice"],
)
def test_a_sender_cannot_forge_where_its_dead_letter_comes_from(forged: Headers) -> None:
    letter = _letter(headers=forged)
    assert source_position(letter.headers) == (40, 0)
    reasons = [value for name, value in letter.headers if name == deadletter.REASON]
    assert reasons == [b"no_key"]


@given(
    st.none() | st.binary() | st.integers(0, 200_000).map(bytes),
    st.lists(st.tuples(st.text(max_size=20), st.integers(0, 9000).map(bytes)), max_size=12),
    st.none() | st.binary() | st.integers(0, 200_000).map(bytes),
)
def test_a_dead_letter_of_anything_names_its_source_and_is_small_enough_to_be_written(
    key: bytes | None, headers: list[tuple[str, bytes]], value: bytes | None
) -> None:
    letter = _letter(key=key, headers=tuple(headers), value=value)
    assert source_position(letter.headers) == (40, 0)
    assert encoded_size(letter) <= MAX_DEAD_LETTER_BYTES


POSITIONS_BAD: dict[str, Headers] = {
    "nothing": (),
    "an offset alone": (("ce_sourceoffset", b"1"),),
    "an ordinal alone": (("ce_sourceordinal", b"1"),),
    "two offsets": (
        ("ce_sourceoffset", b"1"),
        ("ce_sourceoffset", b"1"),
        ("ce_sourceordinal", b"1"),
    ),
    **{
        f"offset {text!r}": (("ce_sourceoffset", text), ("ce_sourceordinal", b"1"))
        for text in (b"", b"-1", b"+1", b"01", b"1 ", b"1\n", b"1_0", b"\xd9\xa1", b"9" * 20)
    },
}


@pytest.mark.parametrize("headers", POSITIONS_BAD.values(), ids=POSITIONS_BAD.keys())
def test_a_malformed_position_is_none_bad(headers: Headers) -> None:
    assert source_position(headers) is None
