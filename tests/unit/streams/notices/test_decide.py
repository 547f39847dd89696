"""Which record is a notice, and for whom; a table, and what never becomes one."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from schemas.audit import AccessDecided, Decided, EmergencyDecided
from schemas.envelope import Envelope, parse
from schemas.subject import (
    SUBJECT_FACTS,
    ConsentGiven,
    ConsentWithdrawn,
    MandateGranted,
    Notice,
    SubjectFact,
)
from streams.notices.decide import Place, headers_of, new_party, of_access, of_fact, source_of

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SUBJECT, DOCTOR, PHARMACY, HOLDER = (letter * 26 for letter in "abcd")
FACT = Place("dpp.subject.registered", 3, 41, "subject/3/7/0")
ACCESS = Place("dpp.access.audited", 3, 99, "0f0e0d0c")
COMMON: dict[str, Any] = {
    "subject": SUBJECT,
    "generation": 1,
    "author_role": "patient",
    "author": SUBJECT,
    "sealed": "",
}
MANDATE = {"mandate": "mandate-1", "holder": HOLDER, "holder_kind": "citizen"}


def access(**members: Any) -> AccessDecided:
    plain: dict[str, Any] = {
        "decision": "permit",
        "basis": "consent_and_link",
        "subject": SUBJECT,
        "generation": 1,
        "reader": DOCTOR,
        "role": "caregiver",
        "purpose": "history",
        "decided_at": NOW,
        "policy_version": "access/2",
        "sealed_reader": "",
    }
    return AccessDecided.model_validate({**plain, **members})


def emergency(**members: Any) -> EmergencyDecided:
    declared = {"basis": "emergency", "purpose": "emergency", **members}
    return EmergencyDecided.model_validate({**access().model_dump(), **declared}, by_name=True)


def told(fact: SubjectFact) -> Notice | None:
    return of_fact(fact, FACT)


def test_consent_that_changed_and_a_mandate_that_waits_are_told() -> None:
    given = told(ConsentGiven(**COMMON))
    withdrawn = told(ConsentWithdrawn(**COMMON))
    waiting = told(
        MandateGranted.model_validate({**COMMON, "mandate_type": "prescription", **MANDATE})
    )
    assert given == Notice(subject=SUBJECT, notice="consent_given", about=FACT.id)
    assert withdrawn == Notice(subject=SUBJECT, notice="consent_withdrawn", about=FACT.id)
    assert waiting == Notice(subject=SUBJECT, notice="mandate_waiting", about=FACT.id, party=HOLDER)


@pytest.mark.parametrize("model", get_args(SubjectFact))
def test_every_fact_is_a_notice_or_none_and_names_no_more_than_pseudonyms(
    model: type[SubjectFact],
) -> None:
    assert model in SUBJECT_FACTS.values()
    members: dict[str, Any] = {**COMMON, **MANDATE}
    notice = told(model.model_construct(**members))
    if notice is not None:
        assert set(notice.model_dump(exclude_none=True)) <= {"subject", "notice", "about", "party"}


def test_the_first_access_of_a_party_is_told_and_no_later_one() -> None:
    first = of_access(access(), ACCESS, is_first=True)
    assert first == Notice(subject=SUBJECT, notice="first_access", about=ACCESS.id, party=DOCTOR)
    assert of_access(access(), ACCESS, is_first=False) is None


EMERGENCIES = {
    "one that a caregiver declared": emergency(),
    "a link that was declared in one": access(detail="emergency"),
}


@pytest.mark.parametrize("event", EMERGENCIES.values(), ids=EMERGENCIES.keys())
def test_an_access_in_an_emergency_is_told_each_time_and_as_nothing_else(event: Decided) -> None:
    for is_first in (True, False):
        notice = of_access(event, ACCESS, is_first=is_first)
        assert notice == Notice(
            subject=SUBJECT, notice="emergency_access", about=ACCESS.id, party=DOCTOR
        )


def test_a_refused_emergency_is_not_told_bad() -> None:
    refused = emergency(decision="deny", reason="excluded", basis=None)
    assert of_access(refused, ACCESS, is_first=True) is None


PARTIES = {
    "a caregiver": ({}, DOCTOR),
    "a caregiver who works somewhere": ({"organisation": PHARMACY}, DOCTOR),
    "a pharmacist is their pharmacy": ({"role": "pharmacist", "organisation": PHARMACY}, PHARMACY),
    "a mandate holder": ({"role": "patient", "reader": HOLDER, "basis": "mandate"}, HOLDER),
    "a parent": (
        {"role": "patient", "reader": HOLDER, "basis": "mandate", "detail": "parent"},
        HOLDER,
    ),
}


@pytest.mark.parametrize("case", PARTIES.values(), ids=PARTIES.keys())
def test_a_party_is_who_read_or_the_pharmacy_they_read_for(
    case: tuple[dict[str, Any], str],
) -> None:
    members, party = case
    assert new_party(access(**members)) == party


NO_NOTICES = {
    "a refusal": {"decision": "deny", "reason": "no_link", "basis": None},
    "one's own record": {"role": "patient", "basis": "own_data", "purpose": "own_history"},
    "a pharmacy's own lines": {"basis": "own_registrations", "purpose": "own_lines"},
    "the list of mandates held": {"basis": "mandate", "purpose": "registrations"},
    "a read about nobody": {"subject": None, "generation": None},
}


@pytest.mark.parametrize("members", NO_NOTICES.values(), ids=NO_NOTICES.keys())
def test_what_is_no_access_of_others_is_not_told_bad(members: dict[str, Any]) -> None:
    assert of_access(access(**members), ACCESS, is_first=True) is None


def test_a_notice_is_known_by_the_record_that_it_came_from() -> None:
    at = Envelope(id=FACT.id, source="/subject", type="t", time=NOW)
    envelope = parse(headers_of(FACT, at))
    assert isinstance(envelope, Envelope)
    assert (envelope.id, envelope.time) == (f"notice/{FACT.id}", NOW)
    assert source_of(envelope) == (FACT.topic, FACT.offset)


@pytest.mark.parametrize(
    ("source", "offset"), [("/quality", "41"), ("/notices", "x"), ("/notices", "")]
)
def test_what_is_no_notice_of_ours_names_no_source_bad(source: str, offset: str) -> None:
    extensions = {"sourcetopic": FACT.topic, "sourceoffset": offset}
    made = Envelope(id="n", source=source, type="t", time=NOW, extensions=extensions)
    assert source_of(made) is None
