"""An erasure: asked for, agreed to by two officers, carried out, and nothing of it under a hold."""

from collections.abc import Sequence

import pytest

from schemas.model import Model
from schemas.registrations import (
    APPROVE_ERASURE,
    DECLARE_DEATH,
    EXECUTE_ERASURE,
    GIVE_CONSENT,
    LIFT_HOLD,
    MERGE_IDENTITY,
    PLACE_HOLD,
    REGISTRATIONS,
    REJECT_ERASURE,
    REQUEST_ERASURE,
)
from schemas.sealing import facts
from schemas.subject import SUBJECT_FACT_TYPES, ErasureContent, ErasureExecuted, ErasureRequested
from streams.subject.state import SubjectState
from tests.unit.streams.subject.world import (
    HOLDER,
    PARENT,
    PATIENT,
    REPLACED,
    SUBJECT,
    Desk,
    fact_in,
    make,
    officer,
    secret_of,
)

ERASURE = "erasure-0001"


def by(number: str, type_: str, **members: object) -> Model:
    named = {} if type_ in (REQUEST_ERASURE, PLACE_HOLD) else {"erasure": ERASURE}
    return make(type_, "privacy_officer", **{**named, **members}).model_copy(
        update={"author": officer(number=number)}
    )


ASKED = make(REQUEST_ERASURE)
ASKED_BY_OFFICER = by(HOLDER, REQUEST_ERASURE)
FIRST, SECOND, THIRD = (by(number, APPROVE_ERASURE) for number in (HOLDER, PARENT, REPLACED))
REJECTED = by(HOLDER, REJECT_ERASURE)
EXECUTED = by(HOLDER, EXECUTE_ERASURE)
HELD = by(HOLDER, PLACE_HOLD)
LIFTED = make(LIFT_HOLD, "privacy_officer", hold="hold-0001")
AGREED = (ASKED, FIRST, SECOND)
DONE = (*AGREED, EXECUTED)

ACCEPTED: dict[str, tuple[Sequence[Model], Model]] = {
    "asked by the patient": ((), ASKED),
    "asked by a parent": ((make("be.dpp.subject.declare-parent.v1", "insurer"),),
                          make(REQUEST_ERASURE, "parent")),
    "asked by an officer": ((), ASKED_BY_OFFICER),
    "asked again under another id after a rejection": (
        (ASKED, REJECTED), make(REQUEST_ERASURE, erasure="erasure-0002")),
    "asked about somebody who died": ((make(DECLARE_DEATH, "insurer"),), ASKED_BY_OFFICER),
    "asked under a number that another replaces": (
        (make(MERGE_IDENTITY, "insurer", side="replaced"),), ASKED_BY_OFFICER),
    "agreed to by a first officer": ((ASKED,), FIRST),
    "agreed to by a second officer": ((ASKED, FIRST), SECOND),
    "agreed to by two others than the officer who asked": (
        (ASKED_BY_OFFICER, SECOND), THIRD),
    "agreed to under a hold": ((ASKED, HELD), FIRST),
    "rejected": ((ASKED,), REJECTED),
    "rejected although two agreed": (AGREED, REJECTED),
    "carried out": (AGREED, EXECUTED),
    "carried out after the hold was lifted": ((*AGREED, HELD, LIFTED), EXECUTED),
    "a second hold": ((HELD,), by(PARENT, PLACE_HOLD, hold="hold-0002")),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(case: tuple[Sequence[Model], Model]) -> None:
    given, when = case
    assert Desk.after(given).codes(when) == []


REFUSED: dict[str, tuple[Sequence[Model], Model, str, str]] = {
    "asked twice": ((ASKED,), make(REQUEST_ERASURE, erasure="erasure-0002"), "ERASURE_EXISTS", ""),
    "an id used again": ((ASKED, REJECTED), ASKED, "ERASURE_EXISTS", ""),
    "agreeing to nothing": ((), FIRST, "ERASURE_UNKNOWN", "/erasure"),
    "agreeing to one's own request": (
        (ASKED_BY_OFFICER,), FIRST, "ERASURE_OWN_REQUEST", "/erasure"),
    "agreeing twice": ((ASKED, FIRST), FIRST, "ERASURE_APPROVED", "/erasure"),
    "a third agreement": (AGREED, THIRD, "ERASURE_APPROVED", "/erasure"),
    "agreeing after a rejection": ((ASKED, REJECTED), FIRST, "ERASURE_OVER", "/erasure"),
    "rejecting twice": ((ASKED, REJECTED), REJECTED, "ERASURE_OVER", "/erasure"),
    "carrying out what nobody agreed to": ((ASKED,), EXECUTED, "ERASURE_NOT_APPROVED", "/erasure"),
    "carrying out what one agreed to": (
        (ASKED, FIRST), EXECUTED, "ERASURE_NOT_APPROVED", "/erasure"),
    "carrying out under a hold": ((*AGREED, HELD), EXECUTED, "ERASURE_ON_HOLD", "/erasure"),
    "carrying out under the second of two holds": (
        (*AGREED, HELD, by(PARENT, PLACE_HOLD, hold="hold-0002"), LIFTED), EXECUTED,
        "ERASURE_ON_HOLD", "/erasure"),
    "carrying out what was rejected": ((*AGREED, REJECTED), EXECUTED, "ERASURE_OVER", "/erasure"),
    "a hold twice": ((HELD,), HELD, "HOLD_EXISTS", "/hold"),
    "lifting no hold": ((), LIFTED, "HOLD_UNKNOWN", "/hold"),
    "the patient agreeing": (
        (ASKED,), make(APPROVE_ERASURE, erasure=ERASURE), "AUTHOR_NOT_ALLOWED", "/author/role"),
    "an officer about themselves": (
        (), ASKED_BY_OFFICER.model_copy(update={"author": officer(number=PATIENT)}),
        "AUTHOR_NOT_ALLOWED", "/author/person"),
    "an officer of nowhere": (
        (), ASKED_BY_OFFICER.model_copy(
            update={"author": officer().model_copy(update={"organisation": None})}),
        "AUTHOR_NOT_ALLOWED", "/author/organisation"),
    "a consent while the erasure is carried out": (
        DONE, make(GIVE_CONSENT), "SUBJECT_ERASED", ""),
    "a new request while the erasure is carried out": (DONE, ASKED, "SUBJECT_ERASED", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused_bad(case: tuple[Sequence[Model], Model, str, str]) -> None:
    given, when, code, path = case
    assert Desk.after(given).codes(when)[:1] == [(code, path)]


def test_every_step_has_a_case() -> None:
    steps = {type_ for type_ in REGISTRATIONS if "erasure" in type_ or "hold" in type_}
    models = {type(when) for _, when in ACCEPTED.values()}
    assert {REGISTRATIONS[one] for one in steps} - models == {REGISTRATIONS[LIFT_HOLD]}


def test_of_an_erased_person_the_stage_remembers_nothing_and_who_comes_back_starts_anew() -> None:
    desk = Desk()
    for one in (make(GIVE_CONSENT), *AGREED):
        assert desk.codes(one) == []
    fact = fact_in(desk.register(EXECUTED))
    assert isinstance(fact, ErasureExecuted)
    assert (fact.generation, fact.erasure) == (1, ERASURE)
    left = desk.state.of(SUBJECT, 1)
    assert left == SubjectState(1, erasures=left.erasures, erased=True)
    desk.generation = 2
    assert desk.state.of(SUBJECT, 2) == SubjectState(2)
    assert desk.codes(make(GIVE_CONSENT)) == []
    assert desk.state.of(SUBJECT, 2).consent


def test_what_was_explained_is_sealed_and_the_ground_is_not() -> None:
    outputs = Desk().register(ASKED)
    fact = fact_in(outputs)
    assert isinstance(fact, ErasureRequested)
    assert fact.ground == "consent_withdrawn"
    assert b"letter" not in (outputs[0].value or b"")
    ce_id = dict(outputs[0].headers)["ce_id"].decode()
    associated = facts.access_associated_data(
        type_=SUBJECT_FACT_TYPES[ErasureRequested], subject=SUBJECT, generation=1
    )
    keys = facts.access_keys(secret_of(SUBJECT).secret, "access")
    content = ErasureContent.read(facts.unseal(keys, ce_id, associated, fact.sealed))
    assert content.explanation == "asked by letter"
