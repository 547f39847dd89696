"""The person behind a subject: ages, parents, death, and two numbers that are one person."""

from datetime import UTC, date, datetime, timedelta

import pytest

from schemas.identifiers import niss
from schemas.model import Model
from schemas.policy import AccessPolicy, baseline
from schemas.registrations import (
    ACCEPT_MANDATE,
    ANNUL_DEATH,
    DECLARE_DEATH,
    DECLARE_LINK,
    DECLARE_PARENT,
    END_MANDATE,
    GIVE_CONSENT,
    GRANT_MANDATE,
    LIFT_EXCLUSION,
    MERGE_IDENTITY,
    PUT_EXCLUSION,
    REVOKE_LINK,
    REVOKE_MERGE,
    REVOKE_PARENT,
    WITHDRAW_CONSENT,
)
from schemas.sealing.pseudonym import subject_pseudonym
from schemas.subject import IdentityMerged, ParentDeclared
from streams.subject.person import too_young
from tests.unit.streams.subject.world import (
    DOCTOR,
    HOSPITAL,
    PARENT,
    PATIENT,
    PHARMACY,
    PSEUDONYM_KEY,
    REPLACED,
    START,
    STRANGER,
    SUBJECT,
    Desk,
    author,
    citizen,
    content_of,
    fact_in,
    make,
    organisation,
    professional,
    pseudonym,
    receipt_in,
)

FIRST = "reg-00000000"
GIVE, WITHDRAW = make(GIVE_CONSENT), make(WITHDRAW_CONSENT)
PARENTED = make(DECLARE_PARENT, "insurer")
DIED = make(DECLARE_DEATH, "insurer")
MERGE = make(MERGE_IDENTITY, "insurer")
GIVEN_UP = make(MERGE_IDENTITY, "insurer", side="replaced")


def policy() -> AccessPolicy:
    return baseline("access").access


def born(yymmdd: str, *, from_2000: bool = True) -> str:
    return niss.with_check_digits(f"{yymmdd}001", born_from_2000=from_2000)


AGES = {
    "the day before the sixteenth birthday": ("101125", True),
    "the sixteenth birthday": ("101124", False),
    "a year of birth that may be old enough": ("100000", False),
    "a year of birth that is not": ("110000", True),
    "a BIS number is read the same": ("314500", True),
    "born before 2000": ("850000", False),
    "a wholly unknown date": ("000001", False),
}


@pytest.mark.parametrize("case", AGES.values(), ids=AGES.keys())
def test_only_who_surely_is_too_young_cannot_consent_in_person(case: tuple[str, bool]) -> None:
    digits, young = case
    number = born(digits, from_2000=digits != "850000")
    assert too_young(number, policy(), START) is young
    asked = policy().model_copy(update={"consent_from_age": None})
    assert not too_young(number, asked, START)


def test_a_child_is_told_that_a_parent_registers_its_consent_bad() -> None:
    child = born("150000")
    subject = subject_pseudonym(PSEUDONYM_KEY, child)
    by = author().model_copy(update={"person": citizen(child)})
    desk = Desk()
    for registration in (GIVE, WITHDRAW):
        from_child = registration.model_copy(update={"author": by})
        outputs = desk.register(from_child, subject=subject)
        assert [one.code for one in receipt_in(outputs).issues] == ["AGE_BELOW_CONSENT"]
    exclusion = make(PUT_EXCLUSION).model_copy(update={"author": by})
    assert not receipt_in(desk.register(exclusion, subject=subject)).issues


def test_a_parents_rights_end_with_the_month_in_which_an_age_is_reached() -> None:
    outputs = Desk().register(PARENTED)
    fact = fact_in(outputs)
    assert isinstance(fact, ParentDeclared)
    assert fact.party == pseudonym(citizen(PARENT))
    assert fact.consent_until == datetime(2036, 4, 30, 22, tzinfo=UTC)
    assert fact.valid_until == datetime(2038, 4, 30, 22, tzinfo=UTC)
    assert content_of(outputs).child_born == date(2020, 5, 17)


def test_a_parent_acts_until_the_child_is_old_enough() -> None:
    desk = Desk()
    assert desk.codes(PARENTED) == []
    assert desk.codes(make(GIVE_CONSENT, "parent")) == []
    desk.now = datetime(2037, 1, 1, tzinfo=UTC)
    assert desk.codes(make(WITHDRAW_CONSENT, "parent")) == [
        ("CHILD_CONSENTS_ITSELF", "/author/role")
    ]
    assert desk.codes(make(PUT_EXCLUSION, "parent")) == []
    desk.now = datetime(2038, 5, 1, tzinfo=UTC)
    assert desk.codes(make(GRANT_MANDATE, "parent")) == [("NOT_A_PARENT", "/author/person")]


def test_a_revoked_parent_acts_no_longer_bad() -> None:
    desk = Desk()
    assert desk.codes(PARENTED) == []
    assert desk.codes(make(REVOKE_PARENT, "insurer", parent=FIRST)) == []
    assert desk.codes(make(GIVE_CONSENT, "parent")) == [("NOT_A_PARENT", "/author/person")]
    assert desk.codes(make(REVOKE_PARENT, "insurer", parent=FIRST)) == [
        ("PARENT_UNKNOWN", "/parent")
    ]
    assert desk.codes(PARENTED) == []


def parent_of(party: object, child_born: date) -> Model:
    return make(DECLARE_PARENT, "insurer", parent=party, child_born=child_born)


REFUSED_PARENTS = {
    "a professional": (professional(DOCTOR), date(2020, 1, 1), "PARTY_INVALID",
                       "/parent/party_kind"),
    "an organisation": (organisation(PHARMACY), date(2020, 1, 1), "PARTY_INVALID",
                        "/parent/party_kind"),
    "the subject": (citizen(PATIENT), date(2020, 1, 1), "SELF_PARENT", "/parent"),
    "a child that is not born": (citizen(PARENT), date(2026, 11, 25), "CHILD_BORN_LATER",
                                 "/child_born"),
    "a child born at the end of days": (citizen(PARENT), date(9999, 1, 1), "CHILD_BORN_LATER",
                                        "/child_born"),
    "a child that is of age": (citizen(PARENT), date(2008, 11, 30), "CHILD_OF_AGE", "/child_born"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_PARENTS.values(), ids=REFUSED_PARENTS.keys())
def test_parents_that_are_none_bad(case: tuple[object, date, str, str]) -> None:
    party, day, code, path = case
    assert Desk().codes(parent_of(party, day)) == [(code, path)]


def test_a_parent_is_declared_once_bad() -> None:
    desk = Desk()
    assert desk.codes(PARENTED) == []
    assert desk.codes(PARENTED) == [("PARENT_EXISTS", "/parent")]


def test_an_institution_takes_up_a_mandate_by_whoever_works_there() -> None:
    hospital = organisation(HOSPITAL)
    staff = author("caregiver").model_copy(
        update={"role": "mandate_holder", "organisation": hospital}
    )
    desk = Desk()
    assert desk.codes(make(GRANT_MANDATE, holder=hospital)) == []
    accept = make(ACCEPT_MANDATE, "mandate_holder", mandate=FIRST)
    assert desk.codes(accept) == [("MANDATE_HOLDER_MISMATCH", "/mandate")]
    assert desk.codes(accept.model_copy(update={"author": staff})) == []


def test_a_mandate_that_ran_out_declares_no_link_bad() -> None:
    desk = Desk()
    until = START + timedelta(hours=1)
    assert desk.codes(make(GRANT_MANDATE, valid_until=until)) == []
    assert desk.codes(make(ACCEPT_MANDATE, "mandate_holder", mandate=FIRST)) == []
    assert desk.codes(make(DECLARE_LINK, "mandate_holder")) == []
    desk.later(hours=1)
    revoke = make(REVOKE_LINK, "mandate_holder", link="reg-00000002")
    assert desk.codes(revoke) == [("NO_MANDATE", "/author/person")]


def test_death_ends_consent_links_and_mandates() -> None:
    desk = Desk()
    for registration in (GIVE, make(DECLARE_LINK), make(GRANT_MANDATE), make(PUT_EXCLUSION), DIED):
        assert desk.codes(registration) == []
    state = desk.state.of(SUBJECT, 1)
    assert (state.consent, state.death) == (False, "reg-00000004")
    assert [link.revoked for link in state.links.values()] == [True]
    assert [one.phase for one in state.mandates.values()] == ["over"]
    assert len(state.exclusions) == 1


AFTER_DEATH = {
    "consent": GIVE,
    "a withdrawal": WITHDRAW,
    "a link": make(DECLARE_LINK),
    "the end of a link": make(REVOKE_LINK, link=FIRST),
    "an exclusion": make(PUT_EXCLUSION),
    "a mandate": make(GRANT_MANDATE),
    "an acceptance": make(ACCEPT_MANDATE, "mandate_holder", mandate=FIRST),
    "the end of a mandate": make(END_MANDATE, mandate=FIRST),
    "a parent": PARENTED,
    "death": DIED,
}


@pytest.mark.parametrize("registration", AFTER_DEATH.values(), ids=AFTER_DEATH.keys())
def test_nothing_is_registered_about_the_dead_bad(registration: Model) -> None:
    desk = Desk()
    assert desk.codes(DIED) == []
    assert desk.codes(registration) == [("SUBJECT_DECEASED", "")]


def test_a_death_by_mistake_is_annulled_and_what_it_ended_is_registered_anew() -> None:
    desk = Desk()
    assert desk.codes(GIVE) == []
    assert desk.codes(DIED, "death-0001") == []
    wrong = make(ANNUL_DEATH, "insurer", death="death-0002")
    assert desk.codes(wrong) == [("DEATH_UNKNOWN", "/death")]
    annul = make(ANNUL_DEATH, "insurer", death="death-0001")
    assert desk.codes(annul) == []
    assert desk.codes(annul) == [("DEATH_UNKNOWN", "/death")]
    assert not desk.state.of(SUBJECT, 1).consent
    assert desk.codes(GIVE) == []


def test_a_half_of_a_merge_names_the_other_subject_and_the_side() -> None:
    fact = fact_in(Desk().register(MERGE))
    assert isinstance(fact, IdentityMerged)
    other = pseudonym(citizen(REPLACED))
    assert (fact.merge, fact.other, fact.side) == ("merge-0001", other, "surviving")


REFUSED_MERGES: dict[str, tuple[tuple[Model, ...], Model, str, str]] = {
    "with an organisation": (
        (), make(MERGE_IDENTITY, "insurer", other=organisation(PHARMACY)), "PARTY_INVALID",
        "/other/party_kind"),
    "with oneself": (
        (), make(MERGE_IDENTITY, "insurer", other=citizen(PATIENT)), "SELF_MERGE", "/other"),
    "the same half again": ((MERGE,), MERGE, "MERGE_EXISTS", "/merge"),
    "the same two under another id": (
        (MERGE,), make(MERGE_IDENTITY, "insurer", merge="merge-0002"), "MERGE_EXISTS", "/merge"),
    "another under the same id": (
        (MERGE,), make(MERGE_IDENTITY, "insurer", other=citizen(STRANGER)), "MERGE_EXISTS",
        "/merge"),
    "of a number that was given up": (
        (GIVEN_UP,), make(MERGE_IDENTITY, "insurer", merge="merge-0002", other=citizen(STRANGER)),
        "SUBJECT_MERGED", "/other"),
    "taken back but never made": (
        (), make(REVOKE_MERGE, "insurer", merge="merge-0001"), "MERGE_UNKNOWN", "/merge"),
    "consent under a number that was given up": ((GIVEN_UP,), GIVE, "SUBJECT_MERGED", ""),
    "a link under a number that was given up": (
        (GIVEN_UP,), make(DECLARE_LINK), "SUBJECT_MERGED", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_MERGES.values(), ids=REFUSED_MERGES.keys())
def test_merges_that_cannot_be_bad(case: tuple[tuple[Model, ...], Model, str, str]) -> None:
    given, when, code, path = case
    desk = Desk()
    assert [desk.codes(one) for one in given] == [[] for _ in given]
    assert desk.codes(when) == [(code, path)]


def test_who_uses_another_number_now_still_ends_what_stands_under_the_old_one() -> None:
    """`other` is the number in use: its holder is the person whom this subject is."""
    now_used = author().model_copy(update={"person": citizen(REPLACED)})
    desk = Desk()
    assert desk.codes(make(PUT_EXCLUSION)) == []
    lift = make(LIFT_EXCLUSION, exclusion=FIRST).model_copy(update={"author": now_used})
    assert desk.codes(lift) == [("AUTHOR_NOT_ALLOWED", "/author/person")]
    assert desk.codes(GIVEN_UP) == []
    assert desk.codes(lift) == []


def test_a_merge_taken_back_leaves_two_persons() -> None:
    desk = Desk()
    assert desk.codes(GIVEN_UP) == []
    assert desk.codes(make(REVOKE_MERGE, "insurer", merge="merge-0001")) == []
    assert desk.codes(GIVE) == []
