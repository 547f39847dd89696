"""Hostile bytes: each gets its receipt with a reason, and the next good submission passes."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import deadletter, topics
from schemas.dispensation import CORRECT, REGISTER, REVOKE
from streams.engine.stage import Submission
from tests.support.quality_bench import (
    CNK,
    NOW,
    PATIENT,
    PHARMACY,
    Answer,
    Bench,
    finish,
    line,
    revocation,
    visit,
)
from tests.unit.streams.quality.scenarios import Scenario, headers_with

GOOD = json.dumps(visit()).encode()


def _body(text: bytes) -> Scenario:
    return lambda bench: bench.submit(text)


def _altered(**changes: object) -> Scenario:
    return lambda bench: bench.run([bench.received(bench.wire(visit()), **changes)])[0]


def _truncated(bench: Bench) -> Answer:
    record = bench.wire(visit())
    return bench.run([bench.received(record, value=record.value[:40])])[0]


def _wrong_key(bench: Bench) -> Answer:
    return bench.submit(visit(), session=replace(bench.open[PHARMACY], key=bytes(32)))


def _replayed_session(bench: Bench) -> Answer:
    """Somebody opens a session under a used id: the first one stands, so the seal breaks."""
    second = replace(bench.session(PHARMACY), id=bench.open[PHARMACY].id)
    return bench.submit(visit(), session=second)


def _header_missing(bench: Bench) -> Answer:
    record = bench.wire(visit())
    return bench.run([bench.received(record, headers=headers_with(record, source=None))])[0]


def _header_doubled(bench: Bench) -> Answer:
    record = bench.wire(visit())
    doubled = (*record.headers, ("ce_id", b"another"))
    return bench.run([bench.received(record, headers=doubled)])[0]


LIST = [
    ("random bytes", _altered(value=b"\x8f\x03\xb2" * 50), "SEAL_BROKEN", ""),
    ("truncated ciphertext", _truncated, "SEAL_BROKEN", ""),
    ("a wrong key", _wrong_key, "SEAL_BROKEN", ""),
    ("a replayed session", _replayed_session, "SEAL_BROKEN", ""),
    ("a header missing", _header_missing, "HEADER_INVALID", "header_missing: ce_source"),
    ("a header doubled", _header_doubled, "HEADER_INVALID", "header_doubled: ce_id"),
    ("duplicate keys", _body(b'{"sguid": "a", "sguid": "b"}'), "BODY_MALFORMED", "duplicate_key"),
    ("NaN", _body(b'{"units": NaN}'), "BODY_MALFORMED", "not_a_number"),
    ("a lone surrogate", _body(b'{"sguid": "\\ud800"}'), "BODY_MALFORMED", "surrogate"),
    ("a NUL", _body(b'{"sguid": "\\u0000"}'), "BODY_MALFORMED", "control_character"),
    ("no UTF-8", _body(b'{"sguid": "\xff"}'), "BODY_MALFORMED", "not_utf8"),
    ("depth 40,000", _body(b"[" * 40_000), "BODY_MALFORMED", "too_deep"),
    ("depth 100,000", _body(b"[" * 100_000), "SUBMISSION_TOO_LARGE", ""),
    ("a 5 MB value", _altered(value=bytes(5_000_000)), "SUBMISSION_TOO_LARGE", ""),
    ("a number for text", _body(GOOD.replace(b'"1"', b"1").replace(f'"{CNK}"'.encode(), b"7")),
     "BODY_MALFORMED", "string_type"),
    ("text for a number", _body(GOOD.replace(b'"units": 1', b'"units": "1"')),
     "BODY_MALFORMED", "int_type"),
    ("a huge number", _body(GOOD.replace(b'"units": 1', b'"units": 1e400')),
     "BODY_MALFORMED", "number_out_of_range"),
    ("nothing inside", _body(b""), "BODY_MALFORMED", "syntax"),
    ("null", _body(b"null"), "BODY_MALFORMED", "model_type"),
    ("a tombstone", _altered(value=None), "EMPTY_SUBMISSION", ""),
    ("no key", _altered(key=None), "KEY_MISSING", ""),
    ("no headers", _altered(headers=()), "HEADER_INVALID", "header_missing: content-type"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scenario", "code", "hint"), [c[1:] for c in LIST], ids=[c[0] for c in LIST]
)
def test_bad_input_is_answered_with_its_reason_and_the_next_good_submission_passes_bad(
    scenario: Scenario, code: str, hint: str
) -> None:
    bench = Bench()
    answer = scenario(bench)
    assert answer.receipt.outcome == "rejected"
    assert answer.codes == [code]
    assert hint in (answer.receipt.issues[0].hint or "")
    assert bench.submit(visit()).receipt.outcome == "accepted"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": None}, "no_key"),
        ({"key": None, "value": None}, "no_key"),
        ({"key": b"62599147"}, "unknown_publisher"),
    ],
)
def test_what_belongs_to_nobody_is_kept_as_a_dead_letter_too(
    changes: dict[str, bytes | None], reason: str
) -> None:
    bench = Bench()
    received = bench.received(bench.wire(visit()), **changes)
    answer = bench.run([received])[0]
    assert answer.receipt.dead_letter
    (letter,) = answer.dead_letters
    assert dict(letter.headers)[deadletter.REASON] == reason.encode()
    assert (letter.key, letter.value) == (received.key, received.value)


@pytest.mark.parametrize(
    ("session", "reason"), [(None, "no_session"), ("A" * 32, "unknown_session")]
)
def test_a_submission_of_no_known_session_is_kept_as_a_dead_letter_too(
    session: str | None, reason: str
) -> None:
    bench = Bench()
    record = bench.wire(visit())
    changed = headers_with(record, sessionid=session)
    answer = bench.run([bench.received(record, headers=changed)])[0]
    assert dict(answer.dead_letters[0].headers)[deadletter.REASON] == reason.encode()
    assert answer.receipt.submission.id is None


def test_faults_of_form_are_named_by_pointer_at_most_twenty() -> None:
    lines = [{"dguid": 7, "product": {"kind": "cnk", "cnk": 7}, "units": "1"}, {}, 3]
    found = Bench().submit(visit(*lines, sguid=None)).findings
    assert found == [
        ("BODY_MALFORMED", path)
        for path in (
            "/sguid",
            "/lines/0/dguid",
            "/lines/0/product/cnk",
            "/lines/0/units",
            "/lines/1/dguid",
            "/lines/1/product",
            "/lines/1/units",
            "/lines/2",
        )
    ]
    assert Bench().submit(visit(line(product={"kind": "?"}))).findings == [
        ("BODY_MALFORMED", "/lines/0/product/kind")
    ]
    assert Bench().submit(visit(lines=[])).findings == [("BODY_MALFORMED", "/lines")]
    assert len(Bench().submit(visit(*[{}] * 50)).findings) == 20


BENCH = Bench()
KEYS = st.sampled_from([None, b"", PHARMACY.encode(), b"\xff", b"80000551 "])
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_id", "ce_sessionid", "ce_é", "x"]),
        st.binary(max_size=30),
    ),
    max_size=6,
)


@given(key=KEYS, headers=HEADERS, value=st.none() | st.binary(max_size=80))
def test_any_record_at_all_gets_one_receipt(
    key: bytes | None, headers: list[tuple[str, bytes]], value: bytes | None
) -> None:
    submission = Submission(
        topics.DISPENSATION_SUBMITTED.name, 0, BENCH.offset, NOW, key, tuple(headers), value
    )
    BENCH.offset += 1
    answer = BENCH.run([submission])[0]
    assert answer.receipt.outcome == "rejected"
    assert answer.codes != ["UNDECIDABLE"]


@given(
    data=st.binary(max_size=120),
    type_=st.sampled_from([REGISTER, CORRECT, REVOKE]),
)
def test_any_sealed_bytes_get_one_receipt(data: bytes, type_: str) -> None:
    answer = BENCH.submit(data, type_)
    assert answer.codes == ["BODY_MALFORMED"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from(["", "x", PATIENT, CNK, "2026-03-10T08:00:00Z", "cnk", "magistral"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "cnk", "units", "niss", "compounds", "order", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [
        ("sguid",), ("patient",), ("patient", "niss"), ("delivered_at",), ("lines",),
        ("lines", 0), ("lines", 0, "dguid"), ("lines", 0, "product"), ("lines", 0, "units"),
        ("lines", 0, "returns"), ("lines", 0, "prescription"), ("lines", 0, "replaces"),
        ("lines", 0, "posology"), ("dguid",), ("replaces",),
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(
    base=st.sampled_from([(REGISTER, visit()), (CORRECT, visit(line(replaces=1))),
                          (REVOKE, revocation())]),
    changes=st.lists(st.tuples(PLACES, JSON), min_size=1, max_size=3),
)  # fmt: skip
def test_any_mutated_body_gets_one_receipt_that_was_decided(
    base: tuple[str, dict[str, object]],
    changes: list[tuple[tuple[str | int, ...], object]],
) -> None:
    type_, body = base[0], json.loads(json.dumps(base[1]))
    for place, value in changes:
        _put(body, place, value)
    answer = BENCH.submit(body, type_)
    assert "UNDECIDABLE" not in answer.codes


def _put(body: object, place: tuple[str | int, ...], value: object) -> None:
    for part in place[:-1]:
        try:
            body = body[part]  # type: ignore[index]  # any shape may have come before
        except (TypeError, KeyError, IndexError):
            return
    if isinstance(body, dict) and isinstance(place[-1], str):
        body[place[-1]] = value


def test_an_unforeseen_error_in_reading_is_a_technical_refusal_whose_number_stays_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    with monkeypatch.context() as patch:
        patch.setattr("streams.quality.inspection.inspect", _explode)
        answer = bench.submit(visit(), sequence=1)
    (issue,) = answer.receipt.issues
    assert (issue.code, issue.fault_class) == ("UNDECIDABLE", "TECHNICAL")
    assert "ArithmeticError" in (issue.hint or "")
    assert PATIENT not in (answer.outputs[-1].value or b"").decode()
    assert answer.receipt.submission.sequence is None
    assert bench.submit(visit(), sequence=1).receipt.outcome == "accepted"


def _explode(*_args: object, **_named: object) -> None:
    raise ArithmeticError(PATIENT)


def test_no_identifier_of_a_body_or_a_header_is_in_any_output() -> None:
    bench = Bench()
    secrets_of_body = [PATIENT, CNK, "1439562", "BEP012AB34CD", "10000106001", "take two"]
    bench.submit(visit(line(1, prescription={"rid": "BEP012AB34CD", "prescriber": "10000106001"})))
    bench.submit(visit(line(2, product={"kind": "cnk", "cnk": "1439562"}, batch="take two")))
    bench.submit(visit(line(dguid=PATIENT), line(dguid=CNK)))
    bench.submit(visit(line(3), sguid=PATIENT, patient={"niss": CNK}))
    bench.submit(json.dumps({PATIENT: CNK, "patient": {CNK: 1}}).encode())
    record = bench.wire(visit())
    changed = headers_with(record, id=PATIENT, source=PATIENT, sequence=PATIENT, **{PATIENT: "1"})
    bench.run([bench.received(record, headers=changed)])
    for output in bench.log:
        text = repr((output.key, output.headers)) + (output.value or b"").decode("latin-1")
        assert not [one for one in secrets_of_body if one in text]


def test_random_keys_of_the_vault_never_appear_in_outputs() -> None:
    bench = Bench()
    bench.submit(visit())
    session_key = bench.open[PHARMACY].key
    pseudonym_key = finish(bench.vault.root_key("pseudonym"))
    for output in bench.log:
        for secret in (session_key, pseudonym_key):
            assert secret not in (output.value or b"")


def test_the_table_is_caught_up_before_a_batch_is_decided() -> None:
    bench = Bench()
    bench.submit(visit())
    bench.now += timedelta(minutes=1)
    bench.submit(visit(line(2)))
    assert bench.tables.caught_up == 2
