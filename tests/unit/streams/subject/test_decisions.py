"""Given what is known of a subject, when a registration arrives, then a fact or a refusal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import get_args

import pytest

from schemas.model import Model
from schemas.registrations import (
    ACCEPT_MANDATE,
    ANNUL_DEATH,
    APPROVE_ERASURE,
    DECLARE_DEATH,
    DECLARE_LINK,
    DECLARE_PARENT,
    END_MANDATE,
    EXECUTE_ERASURE,
    GIVE_CONSENT,
    GRANT_MANDATE,
    LIFT_EXCLUSION,
    LIFT_HOLD,
    MERGE_IDENTITY,
    PLACE_HOLD,
    PUT_EXCLUSION,
    REFUSE_MANDATE,
    REGISTRATIONS,
    REJECT_ERASURE,
    REQUEST_ERASURE,
    REVOKE_LINK,
    REVOKE_MERGE,
    REVOKE_PARENT,
    WITHDRAW_CONSENT,
    AuthorRole,
    ErasureRole,
    LinkType,
    Party,
)
from schemas.subject import ExclusionPut, LinkDeclared, MandateGranted
from tests.unit.streams.subject import world
from tests.unit.streams.subject.world import (
    DOCTOR,
    HOLDER,
    HOSPITAL,
    NAMED,
    OF_ERASURE,
    OTHER_DOCTOR,
    PATIENT,
    PHARMACY,
    START,
    STRANGER,
    Desk,
    citizen,
    exclusion_of,
    link_with,
    make,
    mandate_for,
    organisation,
    professional,
)

GIVE, WITHDRAW = make(GIVE_CONSENT), make(WITHDRAW_CONSENT)
LINK, EXCLUDE, GRANT = make(DECLARE_LINK), make(PUT_EXCLUSION), make(GRANT_MANDATE)
FIRST = "reg-00000000"
"""Id of the first registration of a desk."""
REVOKE = make(REVOKE_LINK, link=FIRST)
LIFT = make(LIFT_EXCLUSION, exclusion=FIRST)
ACCEPT = make(ACCEPT_MANDATE, "mandate_holder", mandate=FIRST)
REFUSE = make(REFUSE_MANDATE, "mandate_holder", mandate=FIRST)
END = make(END_MANDATE, mandate=FIRST)
HOLDER_ENDS = make(END_MANDATE, "mandate_holder", mandate=FIRST)
HOUR = timedelta(hours=1)

ACCEPTED: dict[str, tuple[Sequence[Model], Model]] = {
    "the first consent": ((), GIVE),
    "consent given again after it was withdrawn": ((GIVE, WITHDRAW), GIVE),
    "a consent withdrawn": ((GIVE,), WITHDRAW),
    "a link": ((), LINK),
    "a link of another type with the same party": ((LINK,), link_with(professional(DOCTOR), "gmd")),
    "a link with another party": ((LINK,), link_with(professional(OTHER_DOCTOR))),
    "a link declared anew after it was revoked": ((LINK, REVOKE), LINK),
    "a link revoked": ((LINK,), REVOKE),
    "a link that begins a second from now": (
        (),
        link_with(professional(DOCTOR), starts_at=START + timedelta(seconds=1)),
    ),
    "a link that began a month ago": (
        (),
        link_with(professional(DOCTOR), starts_at=START - timedelta(days=30)),
    ),
    "an exclusion of a person": ((), EXCLUDE),
    "an exclusion of an organisation": ((EXCLUDE,), exclusion_of(organisation(PHARMACY))),
    "an exclusion lifted": ((EXCLUDE,), LIFT),
    "an exclusion put again": ((EXCLUDE, LIFT), EXCLUDE),
    "a mandate offered": ((), GRANT),
    "a mandate for an organisation": ((), mandate_for(organisation(HOSPITAL))),
    "a mandate with an end": ((), mandate_for(citizen(HOLDER), START + HOUR)),
    "a mandate accepted": ((GRANT,), ACCEPT),
    "a mandate refused": ((GRANT,), REFUSE),
    "an offer taken back": ((GRANT,), END),
    "a mandate ended by the subject": ((GRANT, ACCEPT), END),
    "a mandate ended by its holder": ((GRANT, ACCEPT), HOLDER_ENDS),
}


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(case: tuple[Sequence[Model], Model]) -> None:
    given, when = case
    assert Desk.after(given).codes(when) == []


REFUSED: dict[str, tuple[Sequence[Model], Model, str, str]] = {
    "a second consent": ((GIVE,), GIVE, "CONSENT_ALREADY_GIVEN", ""),
    "withdrawing what was never given": ((), WITHDRAW, "CONSENT_NOT_GIVEN", ""),
    "withdrawing twice": ((GIVE, WITHDRAW), WITHDRAW, "CONSENT_NOT_GIVEN", ""),
    "a link type for another kind of party": (
        (), link_with(organisation(PHARMACY)), "LINK_TYPE_PARTY_MISMATCH", "/link_type"),
    "a link with a citizen": (
        (), link_with(citizen(STRANGER)), "LINK_TYPE_PARTY_MISMATCH", "/link_type"),
    "a link in the future": (
        (), link_with(professional(DOCTOR), starts_at=START + HOUR), "LINK_IN_FUTURE",
        "/starts_at"),
    "a link that is over": (
        (), link_with(professional(DOCTOR), starts_at=START - timedelta(days=500)), "LINK_OVER",
        "/starts_at"),
    "the same link again": ((LINK,), LINK, "LINK_EXISTS", "/party"),
    "revoking an unknown link": ((), REVOKE, "LINK_UNKNOWN", "/link"),
    "revoking an exclusion": ((EXCLUDE,), REVOKE, "LINK_UNKNOWN", "/link"),
    "revoking twice": ((LINK, REVOKE), REVOKE, "LINK_ALREADY_REVOKED", "/link"),
    "a second exclusion of a party": ((EXCLUDE,), EXCLUDE, "EXCLUSION_EXISTS", "/party"),
    "excluding a citizen": ((), exclusion_of(citizen(STRANGER)), "PARTY_INVALID",
                            "/party/party_kind"),
    "lifting an unknown exclusion": ((), LIFT, "EXCLUSION_UNKNOWN", "/exclusion"),
    "lifting twice": ((EXCLUDE, LIFT), LIFT, "EXCLUSION_UNKNOWN", "/exclusion"),
    "a mandate for oneself": ((), mandate_for(citizen(PATIENT)), "SELF_MANDATE", "/holder"),
    "a mandate for a professional": ((), mandate_for(professional(DOCTOR)), "PARTY_INVALID",
                                     "/holder/party_kind"),
    "a mandate that is over": ((), mandate_for(citizen(HOLDER), START), "MANDATE_PERIOD_INVALID",
                               "/valid_until"),
    "accepting an unknown mandate": ((), ACCEPT, "MANDATE_UNKNOWN", "/mandate"),
    "accepting another's mandate": (
        (mandate_for(citizen(STRANGER)),), ACCEPT, "MANDATE_HOLDER_MISMATCH", "/mandate"),
    "refusing another's mandate": (
        (mandate_for(citizen(STRANGER)),), REFUSE, "MANDATE_HOLDER_MISMATCH", "/mandate"),
    "ending another's mandate": (
        (mandate_for(citizen(STRANGER)),), HOLDER_ENDS, "MANDATE_HOLDER_MISMATCH", "/mandate"),
    "accepting twice": ((GRANT, ACCEPT), ACCEPT, "MANDATE_NOT_WAITING", "/mandate"),
    "refusing after accepting": ((GRANT, ACCEPT), REFUSE, "MANDATE_NOT_WAITING", "/mandate"),
    "accepting after refusing": ((GRANT, REFUSE), ACCEPT, "MANDATE_ENDED", "/mandate"),
    "accepting what was taken back": ((GRANT, END), ACCEPT, "MANDATE_ENDED", "/mandate"),
    "ending twice": ((GRANT, ACCEPT, END), END, "MANDATE_ENDED", "/mandate"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused_bad(case: tuple[Sequence[Model], Model, str, str]) -> None:
    given, when, code, path = case
    assert Desk.after(given).codes(when) == [(code, path)]


def test_a_mandate_that_ran_out_cannot_be_accepted_bad() -> None:
    desk = Desk()
    assert desk.codes(mandate_for(citizen(HOLDER), START + HOUR)) == []
    desk.later(hours=1)
    assert desk.codes(ACCEPT) == [("MANDATE_ENDED", "/mandate")]


def test_a_link_may_be_declared_anew_when_the_first_is_over() -> None:
    desk = Desk()
    assert desk.codes(LINK) == []
    desk.now = datetime.fromisoformat("2028-02-24T08:00:00+00:00")
    assert desk.codes(LINK) == []


_CONSENT = {GIVE_CONSENT, WITHDRAW_CONSENT}
_LINKS = {DECLARE_LINK, REVOKE_LINK}
_OWN = {
    *(*_CONSENT, *_LINKS, PUT_EXCLUSION, LIFT_EXCLUSION),
    *(GRANT_MANDATE, END_MANDATE, REQUEST_ERASURE),
}
_DESK = {*_CONSENT, DECLARE_PARENT, REVOKE_PARENT, DECLARE_DEATH, ANNUL_DEATH}
MAY: dict[ErasureRole, set[str]] = {
    "patient": _OWN,
    "parent": _OWN,
    "mandate_holder": {ACCEPT_MANDATE, REFUSE_MANDATE, END_MANDATE, *_LINKS},
    "caregiver": {*_CONSENT, *_LINKS, DECLARE_DEATH, ANNUL_DEATH},
    "pharmacist": {*_CONSENT, *_LINKS},
    "admission_desk": _DESK,
    "insurer": {*_DESK, MERGE_IDENTITY, REVOKE_MERGE},
    "privacy_officer": set(OF_ERASURE),
}
BEFORE: dict[str, Model] = {
    WITHDRAW_CONSENT: GIVE,
    REVOKE_LINK: LINK,
    LIFT_EXCLUSION: EXCLUDE,
    **dict.fromkeys((ACCEPT_MANDATE, REFUSE_MANDATE, END_MANDATE), GRANT),
    REVOKE_PARENT: make(DECLARE_PARENT, "insurer"),
    ANNUL_DEATH: make(DECLARE_DEATH, "insurer"),
    REVOKE_MERGE: make(MERGE_IDENTITY, "insurer", merge=FIRST),
    **dict.fromkeys((APPROVE_ERASURE, REJECT_ERASURE), make(REQUEST_ERASURE, erasure=FIRST)),
    LIFT_HOLD: make(PLACE_HOLD, "privacy_officer", hold=FIRST),
}
"""What has to be there, so that it can be ended."""


@pytest.mark.parametrize("type_", [one for one in REGISTRATIONS if one != EXECUTE_ERASURE])
@pytest.mark.parametrize("role", get_args(ErasureRole))
def test_each_role_registers_what_is_its_own(role: ErasureRole, type_: str) -> None:
    members = {NAMED[type_]: FIRST} if type_ in NAMED else {}
    desk = Desk()
    if type_ in BEFORE:
        own = role == "pharmacist" and type_ == REVOKE_LINK
        assert desk.codes(make(DECLARE_LINK, role) if own else BEFORE[type_]) == []
    if role == "parent" and type_ in MAY[role]:
        assert desk.codes(make(DECLARE_PARENT, "insurer"), "parent-0001") == []
    if role == "mandate_holder" and type_ in _LINKS:
        assert desk.codes(GRANT, "mandate-0001") == []
        accept = make(ACCEPT_MANDATE, role, mandate="mandate-0001")
        assert desk.codes(accept) == []
    # The schema knows officers in the types of erasure only.
    code = "REGISTRATION_MALFORMED" if role == "privacy_officer" else "AUTHOR_NOT_ALLOWED"
    expected = [] if type_ in MAY[role] else [(code, "/author/role")]
    assert desk.codes(make(type_, role, **members))[:1] == expected


def changed(registration: Model, **members: object) -> Model:
    return registration.model_copy(update=members)


def by(registration: Model, role: AuthorRole, **members: object) -> Model:
    return changed(registration, author=world.author(role).model_copy(update=members))


STRANGERS: dict[str, tuple[Model, list[tuple[str, str]]]] = {
    "a patient about somebody else": (
        by(GIVE, "patient", person=citizen(STRANGER)), [("AUTHOR_NOT_ALLOWED", "/author/person")]),
    "a patient who is no citizen": (
        by(GIVE, "patient", person=professional(DOCTOR)),
        [("AUTHOR_NOT_ALLOWED", "/author/person/party_kind")]),
    "a parent of oneself": (
        by(GIVE, "parent", person=citizen(PATIENT)),
        [("AUTHOR_NOT_ALLOWED", "/author/person"), ("NOT_A_PARENT", "/author/person")]),
    "a parent without basis": (
        by(GIVE, "parent", basis=None),
        [("AUTHOR_NOT_ALLOWED", "/author/basis"), ("NOT_A_PARENT", "/author/person")]),
    "a caregiver who is no doctor": (
        by(GIVE, "caregiver", profession="nurse"), [("AUTHOR_NOT_ALLOWED", "/author/profession")]),
    "a caregiver without profession": (
        by(GIVE, "caregiver", profession=None), [("AUTHOR_NOT_ALLOWED", "/author/profession")]),
    "a proof that policy does not name for the link": (
        changed(make(DECLARE_LINK, "caregiver"),
                evidence=world.EVIDENCE.model_copy(update={"proof": "eidencoding_nocard"})),
        [("PROOF_NOT_ALLOWED", "/evidence/proof")]),
    "a link by somebody who holds no mandate": (
        make(DECLARE_LINK, "mandate_holder"), [("NO_MANDATE", "/author/person")]),
    "a caregiver without evidence": (
        changed(make(GIVE_CONSENT, "caregiver"), evidence=None),
        [("EVIDENCE_MISSING", "/evidence")]),
    "a caregiver who is a citizen": (
        by(GIVE, "caregiver", person=citizen(STRANGER)),
        [("AUTHOR_NOT_ALLOWED", "/author/person/party_kind")]),
    "a caregiver who links another": (
        by(link_with(professional(OTHER_DOCTOR), evidence=world.EVIDENCE), "caregiver"),
        [("AUTHOR_NOT_ALLOWED", "/party")]),
    "a pharmacist without pharmacy": (
        by(GIVE, "pharmacist", organisation=None),
        [("AUTHOR_NOT_ALLOWED", "/author/organisation")]),
    "an organisation that is a person": (
        by(GIVE, "patient", organisation=professional(DOCTOR)),
        [("AUTHOR_NOT_ALLOWED", "/author/organisation/party_kind")]),
    "a number with a wrong check digit": (
        by(GIVE, "patient", person=citizen("85000000100")),
        [("PARTY_INVALID", "/author/person/number")]),
    "three wrong numbers": (
        by(link_with(professional("1")), "pharmacist", person=professional("10000107001"),
           organisation=organisation("80000552")),
        [("PARTY_INVALID", "/author/person/number"),
         ("PARTY_INVALID", "/author/organisation/number"),
         ("PARTY_INVALID", "/party/number")]),
    "an organisation number in other digits": (
        exclusion_of(organisation("\u0668" + PHARMACY[1:])), [("PARTY_INVALID", "/party/number")]),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS.values(), ids=STRANGERS.keys())
def test_authors_and_numbers_bad(case: tuple[Model, list[tuple[str, str]]]) -> None:
    registration, expected = case
    assert Desk().codes(registration) == expected


def test_an_enterprise_is_the_same_however_its_number_is_written_bad() -> None:
    desk = Desk()
    assert desk.codes(exclusion_of(organisation("BE 0428.759.497"))) == []
    again = exclusion_of(organisation("0428759497"))
    assert desk.codes(again) == [("EXCLUSION_EXISTS", "/party")]


def test_a_caregiver_revokes_own_links_only_bad() -> None:
    desk = Desk()
    assert desk.codes(link_with(professional(OTHER_DOCTOR))) == []
    revoke = make(REVOKE_LINK, "caregiver", link=FIRST)
    assert desk.codes(revoke) == [("AUTHOR_NOT_ALLOWED", "/link")]


def test_a_pharmacys_link_lasts_fifteen_calendar_months() -> None:
    fact = world.fact_in(Desk().register(make(DECLARE_LINK, "pharmacist")))
    assert isinstance(fact, LinkDeclared)
    assert fact.party == world.pseudonym(organisation(PHARMACY))
    assert (fact.valid_from, fact.valid_until.isoformat()) == (START, "2028-02-24T08:00:00+00:00")


LASTS: dict[str, tuple[Party, str]] = {
    "pharmacy": (organisation(PHARMACY), "2028-02-24"),
    "consultation": (professional(DOCTOR), "2028-02-24"),
    "gmd": (professional(DOCTOR), "2027-11-24"),
    "referral": (professional(DOCTOR), "2027-02-24"),
    "hospital": (organisation(PHARMACY), "2027-02-24"),
    "emergency": (professional(DOCTOR), "2026-12-24"),
    "no_card": (professional(DOCTOR), "2026-12-24"),
}
"""With whom, and until which day from 24 November 2026."""


def test_every_type_of_link_has_its_duration() -> None:
    assert set(LASTS) == set(get_args(LinkType))


@pytest.mark.parametrize(("link_type", "case"), LASTS.items())
def test_a_link_lasts_as_long_as_its_situation_says(
    link_type: str, case: tuple[Party, str]
) -> None:
    party, until = case
    fact = world.fact_in(Desk().register(link_with(party, link_type)))
    assert isinstance(fact, LinkDeclared)
    assert (fact.link_type, fact.valid_from) == (link_type, START)
    assert fact.valid_until.date().isoformat() == until


@pytest.mark.parametrize("link_type", ["consultation", "gmd", "referral", "no_card"])
def test_a_link_with_a_party_that_its_type_does_not_have_is_refused_bad(link_type: str) -> None:
    (finding, *_) = Desk().codes(link_with(organisation(PHARMACY), link_type))
    assert finding == ("LINK_TYPE_PARTY_MISMATCH", "/link_type")


def test_a_link_never_starts_later_than_it_is_registered() -> None:
    ahead = link_with(professional(DOCTOR), starts_at=START + timedelta(minutes=4))
    fact = world.fact_in(Desk().register(ahead))
    assert isinstance(fact, LinkDeclared)
    assert fact.valid_from == START


def test_a_thing_is_named_by_the_registration_that_declared_it() -> None:
    desk = Desk()
    exclusion = world.fact_in(desk.register(EXCLUDE, "exclusion-0001"))
    mandate = world.fact_in(desk.register(GRANT, "mandate-0001"))
    assert isinstance(exclusion, ExclusionPut)
    assert isinstance(mandate, MandateGranted)
    assert (exclusion.exclusion, mandate.mandate) == ("exclusion-0001", "mandate-0001")
    assert mandate.holder == world.pseudonym(citizen(HOLDER))
