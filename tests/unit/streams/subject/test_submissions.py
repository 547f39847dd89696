"""From raw records to receipts: the ladder, replays, determinism, and what outputs never hold."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioning import partition_for
from schemas.receipts import Receipt
from schemas.registrations import (
    DECLARE_LINK,
    GIVE_CONSENT,
    REGISTRATIONS,
    WITHDRAW_CONSENT,
    AuthorRole,
)
from streams.engine.outputs import source_position
from streams.engine.stage import Submission
from streams.engine.tables import in_memory
from streams.sessions import SessionView
from streams.subject import codes, outcome
from streams.subject.admission import Sender
from streams.subject.state import PartitionState
from streams.subject.texts import TEXTS
from tests.unit.streams.subject import world
from tests.unit.streams.subject.world import (
    NAMED,
    OF_REGISTERS,
    SESSION_KEY,
    SUBJECT,
    Desk,
    content_of,
    envelope,
    fact_in,
    make,
    receipt_in,
    sender,
    submission,
)

ID = "reg-00000000"
BODY = make(GIVE_CONSENT).write()
GOOD = submission(envelope(GIVE_CONSENT, ID), BODY)


def found(record: Submission, known: Sender | None = None) -> tuple[list[str], Receipt]:
    outputs = Desk().send(record, known)
    assert len(outputs) == 1
    receipt = receipt_in(outputs)
    assert receipt.outcome == "rejected"
    assert not receipt.facts
    return [one.code for one in receipt.issues], receipt


def with_headers(**changes: object) -> Submission:
    return submission(envelope(GIVE_CONSENT, ID, **changes), BODY)


def without_header(name: str) -> Submission:
    return replace(GOOD, headers=tuple(h for h in GOOD.headers if h[0] != name))


def elsewhere() -> Submission:
    return replace(GOOD, partition=(GOOD.partition + 1) % world.PARTITIONS)


RECORDS = {
    "no key": (replace(GOOD, key=None), ["KEY_MISSING"]),
    "an empty key": (replace(GOOD, key=b""), ["KEY_MISSING"]),
    "a key that is a number": (replace(GOOD, key=b"85000000105"), ["KEY_INVALID"]),
    "a key that is no text": (replace(GOOD, key=b"\xff" * 26), ["KEY_INVALID"]),
    "another partition": (elsewhere(), ["PARTITION_WRONG"]),
    "a tombstone": (replace(GOOD, value=None), ["EMPTY_SUBMISSION"]),
    "an empty value": (replace(GOOD, value=b""), ["EMPTY_SUBMISSION"]),
    "five megabytes": (replace(GOOD, value=bytes(5_000_000)), ["SUBMISSION_TOO_LARGE"]),
    "a missing header": (without_header("ce_time"), ["HEADER_INVALID"]),
    "no headers": (replace(GOOD, headers=()), ["HEADER_INVALID"]),
    "a doubled header": (
        replace(GOOD, headers=(*GOOD.headers, ("ce_id", b"x"))), ["HEADER_INVALID"]),
    "an undecodable header": (
        replace(GOOD, headers=(*GOOD.headers, ("ce_more", b"\xff"))), ["HEADER_INVALID"]),
    "an id that names nothing": (
        submission(envelope(GIVE_CONSENT, "a/b"), BODY), ["HEADER_INVALID"]),
    "a very long id": (submission(envelope(GIVE_CONSENT, "a" * 900), BODY), ["HEADER_INVALID"]),
    "an open body": (with_headers(content_type="application/json"), ["HEADER_INVALID"]),
    "no session named": (with_headers(extensions={}), ["HEADER_INVALID"]),
    "a type of pharmacies": (
        submission(envelope("be.dpp.dispensation.register.v1", ID), BODY), ["EVENT_TYPE_UNKNOWN"]),
    "another source": (with_headers(source="/pharmacies/80000551"), ["PUBLISHER_MISMATCH"]),
    "an altered value": (replace(GOOD, value=(GOOD.value or b"")[:-1] + b"x"), ["SEAL_BROKEN"]),
    "a cut value": (replace(GOOD, value=(GOOD.value or b"")[:20]), ["SEAL_BROKEN"]),
    "a renamed submission": (
        replace(GOOD, headers=tuple(envelope(GIVE_CONSENT, "reg-00000009").headers())),
        ["SEAL_BROKEN"]),
    "a withdrawal made of a consent": (
        replace(GOOD, headers=tuple(envelope(WITHDRAW_CONSENT, ID).headers())), ["SEAL_BROKEN"]),
    "everything at once": (
        replace(GOOD, key=None, value=None, headers=()),
        ["KEY_MISSING", "EMPTY_SUBMISSION", "HEADER_INVALID"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RECORDS.values(), ids=RECORDS.keys())
def test_unreadable_records_get_a_receipt_bad(case: tuple[Submission, list[str]]) -> None:
    record, expected = case
    answered, receipt = found(record)
    assert answered == expected
    assert (receipt.submission.id, receipt.submission.digest) == (None, None)


VIEW = SessionView("registrar", valid=True, intake_key="intake", key=SESSION_KEY)
SENDERS = {
    "an unknown publisher": (sender(enrolled=False), ["PUBLISHER_UNKNOWN"]),
    "a contract that does not cover the type": (sender(may_submit=False), ["CONTRACT_NOT_VALID"]),
    "an unknown session": (sender(session=None), ["SESSION_UNKNOWN"]),
    "a session that is over": (sender(session=replace(VIEW, valid=False)), ["SESSION_EXPIRED"]),
    "a pharmacy's session": (
        sender(session=replace(VIEW, publisher="80000551")), ["PUBLISHER_MISMATCH"]),
    "a session that does not open": (sender(session=replace(VIEW, key=None)), ["SEAL_BROKEN"]),
    "another session's key": (sender(session=replace(VIEW, key=b"x" * 32)), ["SEAL_BROKEN"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SENDERS.values(), ids=SENDERS.keys())
def test_strangers_register_nothing_bad(case: tuple[Sender, list[str]]) -> None:
    known, expected = case
    assert found(GOOD, known)[0] == expected


BODIES = {
    "no JSON": (b"{", "", "syntax"),
    "a doubled key": (b'{"author":1,"author":2}', "", "duplicate_key"),
    "NaN": (b'{"author":NaN}', "", "not_a_number"),
    "a lone surrogate": (b'{"author":"\\ud800"}', "", "surrogate"),
    "a hundred thousand levels": (b"[" * 20_000 + b"]" * 20_000, "", "too_deep"),
    "no UTF-8": (b'{"author":"\xff"}', "", "not_utf8"),
    "a list": (b"[]", "", None),
    "no author": (b"{}", "/author", None),
    "a number where text belongs": (
        BODY.replace(b'"token-1"', b"1"), "/author/token_id", None),
    "an unknown role": (BODY.replace(b'"patient"', b'"neighbour"'), "/author/role", None),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())
def test_malformed_bodies_are_refused_with_a_path_bad(case: tuple[bytes, str, str | None]) -> None:
    body, path, hint = case
    answered, receipt = found(submission(envelope(GIVE_CONSENT, ID), body))
    assert answered == ["REGISTRATION_MALFORMED"]
    assert receipt.issues[0].path == path
    assert receipt.issues[0].hint == (hint or codes.CODES["REGISTRATION_MALFORMED"].hint)
    assert receipt.submission.id == ID


def test_moments_beyond_the_calendar_are_malformed_bad() -> None:
    link = json.loads(make(DECLARE_LINK).write()) | {"starts_at": "9999-12-31T23:00:00-14:00"}
    record = submission(envelope(DECLARE_LINK, ID), json.dumps(link).encode())
    assert found(record)[0] == ["REGISTRATION_MALFORMED"]


def test_the_first_moment_of_the_calendar_is_an_old_start_bad() -> None:
    link = json.loads(make(DECLARE_LINK).write()) | {"starts_at": "0001-01-01T00:00:00Z"}
    record = submission(envelope(DECLARE_LINK, ID), json.dumps(link).encode())
    assert found(record)[0] == ["LINK_OVER"]


def test_members_of_newer_writers_are_passed_over() -> None:
    body = json.dumps(json.loads(BODY) | {"colour": "blue"}).encode()
    receipt = receipt_in(Desk().send(submission(envelope(GIVE_CONSENT, ID), body)))
    assert receipt.outcome == "accepted"


def test_a_registration_becomes_one_fact_and_one_receipt() -> None:
    outputs = Desk().send(replace(GOOD, offset=7))
    receipt = receipt_in(outputs)
    prefix = f"subject/{GOOD.partition}/7"
    assert [dict(one.headers)["ce_id"].decode() for one in outputs] == [
        f"{prefix}/0",
        f"{prefix}/1",
    ]
    assert [one.topic for one in outputs] == ["dpp.subject.registered", "dpp.subject.receipts"]
    assert {one.key for one in outputs} == {SUBJECT.encode()}
    assert receipt.outcome == "accepted"
    assert receipt.facts == (f"{prefix}/0",)
    assert (receipt.dead_letter, receipt.submission.session) == (False, world.SESSION)
    content = content_of(outputs)
    assert content.author == world.author()
    assert (content.evidence, content.party) == (world.EVIDENCE, None)
    assert source_position(outputs[-1].headers) == (7, 1)
    assert source_position(outputs[0].headers) == (7, 0)


def test_a_link_seals_whom_it_names() -> None:
    content = content_of(Desk().register(make(DECLARE_LINK)))
    assert content.party == world.professional(world.DOCTOR)


def test_the_same_registration_again_is_a_duplicate_with_its_original() -> None:
    desk = Desk()
    desk.send(GOOD)
    outputs = desk.send(replace(GOOD, offset=1))
    receipt = receipt_in(outputs)
    assert len(outputs) == 1
    assert receipt.outcome == "duplicate"
    assert receipt.original is not None
    assert (receipt.original.offset, receipt.original.outcome) == (0, "accepted")


def test_a_refused_registration_again_is_a_duplicate_of_the_refusal() -> None:
    desk = Desk()
    desk.register(make(WITHDRAW_CONSENT), ID)
    desk.register(make(GIVE_CONSENT))
    receipt = receipt_in(desk.register(make(WITHDRAW_CONSENT), ID))
    assert receipt.outcome == "duplicate"
    assert receipt.original is not None
    assert [one.code for one in receipt.original.issues] == ["CONSENT_NOT_GIVEN"]


@pytest.mark.parametrize("second", [WITHDRAW_CONSENT, DECLARE_LINK])
def test_an_id_with_other_content_is_refused_and_the_first_answer_stays_bad(second: str) -> None:
    """A withdrawal has the same body as a consent: its type is part of the content."""
    desk = Desk()
    desk.send(GOOD)
    assert desk.codes(make(second), ID) == [("ID_REUSED", "")]
    assert receipt_in(desk.register(make(GIVE_CONSENT), ID)).outcome == "duplicate"


def test_an_id_used_for_another_subject_is_refused_bad() -> None:
    other = next(
        candidate
        for candidate in (c * 26 for c in "abcdefghijklmnopqrstuvwxyz")
        if partition_for(candidate.encode(), 4) == GOOD.partition
    )
    desk = Desk()
    desk.send(GOOD)
    receipt = receipt_in(desk.register(make(GIVE_CONSENT), ID, subject=other))
    assert [one.code for one in receipt.issues] == ["ID_REUSED"]


def test_a_new_generation_starts_with_nothing() -> None:
    desk = Desk()
    assert desk.codes(make(GIVE_CONSENT)) == []
    desk.generation = 2
    fact = fact_in(desk.register(make(GIVE_CONSENT)))
    assert fact.generation == 2
    assert desk.codes(make(GIVE_CONSENT)) == [("CONSENT_ALREADY_GIVEN", "")]


def test_a_secret_of_an_erased_generation_decides_nothing_bad() -> None:
    desk = Desk(generation=2)
    desk.register(make(GIVE_CONSENT))
    desk.generation = 1
    with pytest.raises(LookupError, match="erased generation"):
        desk.register(make(WITHDRAW_CONSENT))


def test_a_failed_decision_gets_a_technical_receipt() -> None:
    [output] = outcome.undecidable(GOOD, "LookupError")
    receipt = Receipt.read(output.value or b"")
    [issue] = receipt.issues
    assert (receipt.outcome, issue.code, issue.fault_class) == (
        "rejected",
        "UNDECIDABLE",
        "TECHNICAL",
    )


def test_the_same_log_gives_the_same_bytes() -> None:
    def run() -> list[object]:
        desk = Desk()
        for type_ in (GIVE_CONSENT, DECLARE_LINK, GIVE_CONSENT, WITHDRAW_CONSENT):
            desk.register(make(type_))
        return list(desk.log)

    assert run() == run()


def test_nothing_that_names_a_person_leaves_in_clear() -> None:
    desk = Desk()
    for type_ in REGISTRATIONS:
        author: AuthorRole = "insurer" if type_ in OF_REGISTERS else "patient"
        members = {NAMED[type_]: ID} if type_ in NAMED else {}
        desk.register(make(type_, author, **members))
    desk.send(replace(GOOD, key=world.PATIENT.encode(), offset=99))
    clear = b"\n".join(
        b"".join(value for _, value in one.headers) + (one.value or b"") for one in desk.log
    )
    for secret in (*world.NUMBERS, "Invented", "592-0000000", "token-1", "login.example"):
        assert secret.encode() not in clear


def test_every_code_has_its_texts() -> None:
    assert list(codes.CODES) == list(TEXTS)
    for texts in TEXTS.values():
        assert len({*texts}) == 4
        assert all(text.endswith(".") for text in texts)


@given(
    st.none() | st.binary(max_size=40),
    st.none() | st.binary(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_id", "ce_type", "ce_time", "ce_sessionid", "x"])
            | st.text(max_size=9),
            st.binary(max_size=30),
        ),
        max_size=12,
    ),
)
def test_random_records_get_exactly_one_rejection(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    found(replace(GOOD, key=key, value=value, headers=tuple(headers)))


@given(st.sampled_from(sorted(REGISTRATIONS)), st.binary(max_size=300))
def test_random_bodies_never_raise(type_: str, body: bytes) -> None:
    found(submission(envelope(type_, ID), body))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["author", "party", "link", "role", "person", "number", "starts_at"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=9,
)


@given(st.sampled_from(sorted(REGISTRATIONS)), _JSON)
def test_random_json_never_raises(type_: str, body: object) -> None:
    found(submission(envelope(type_, ID), json.dumps(body).encode()))


def test_an_output_of_another_stage_stops_the_fold_bad() -> None:
    state = PartitionState(in_memory())
    with pytest.raises(ValueError, match="none of the subject stage's"):
        state.apply((("ce_type", b"be.dpp.dispensation.registered.v1"),), b"{}")
