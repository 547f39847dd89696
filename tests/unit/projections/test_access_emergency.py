"""Reads in an emergency: what must hold, each condition missing once, and what they never pass."""

from dataclasses import replace
from datetime import timedelta

import pytest

from projections.access import (
    AccessFacts,
    AccessRequest,
    Deny,
    Exclusion,
    Link,
    Mandate,
    Permit,
    Reader,
    decide,
    window_end,
    window_start,
)
from projections.explaining import is_barred_in_emergency
from projections.revealing import decide_reveal
from schemas.policy import AccessPolicy, baseline, shipped
from tests.unit.projections.test_access import (
    CAREGIVER,
    CONSENT,
    DOCTOR,
    EMERGENCY_RULE,
    HOSPITAL,
    NOW,
    OPEN,
    POLICY,
    SOON,
    SUBJECT,
    as_reader,
    link,
    shut,
)

DECLARED = replace(CAREGIVER, purpose="emergency")
CONSENTED = AccessFacts(consent=CONSENT)


def test_a_caregiver_without_a_link_reads_on_a_basis_of_its_own() -> None:
    outcome = decide(DECLARED, CONSENTED, OPEN, NOW)
    assert outcome == Permit(
        basis="emergency",
        basis_refs=(CONSENT,),
        reader_role="caregiver",
        window_start=window_start(NOW, EMERGENCY_RULE.window_months),
        window_end=window_end(NOW),
        fields=EMERGENCY_RULE.fields,
    )


def test_what_is_declared_an_emergency_is_one_even_where_a_link_would_have_done() -> None:
    linked = replace(CONSENTED, links=(link(DOCTOR),))
    assert decide(DECLARED, linked, OPEN, NOW) == decide(DECLARED, CONSENTED, OPEN, NOW)


def test_the_shipped_policy_opens_it_to_nobody() -> None:
    assert [one.access.emergency for one in shipped("access")] == [None] * len(shipped("access"))
    assert baseline("access").access.emergency is None


DENIES: dict[str, tuple[AccessRequest, AccessFacts, AccessPolicy, Deny]] = {
    "policy has not opened it": (DECLARED, CONSENTED, POLICY, Deny("role_not_allowed")),
    "a pharmacist": (
        as_reader(DECLARED, role="pharmacist", organisation=HOSPITAL, profession="pharmacist"),
        CONSENTED, OPEN, Deny("role_not_allowed")),
    "a pharmacy": (
        as_reader(DECLARED, role="pharmacy"), CONSENTED, OPEN, Deny("role_not_allowed")),
    "a patient, even about oneself": (
        AccessRequest(Reader("patient", SUBJECT), SUBJECT, "emergency"), CONSENTED, OPEN,
        Deny("role_not_allowed")),
    "a mandate holder": (
        AccessRequest(Reader("patient", DOCTOR), SUBJECT, "emergency"),
        replace(CONSENTED, mandates=(Mandate("mandate-1", DOCTOR, "prescription"),)), OPEN,
        Deny("role_not_allowed")),
    "a profession that may not declare one": (
        as_reader(DECLARED, profession="nurse"), CONSENTED, OPEN, Deny("profession_not_allowed")),
    "no profession": (
        as_reader(DECLARED, profession=None), CONSENTED, OPEN, Deny("profession_not_allowed")),
    "the patient excluded the caregiver": (
        DECLARED, shut(CONSENTED, DOCTOR), OPEN, Deny("excluded")),
    "the patient excluded the organisation": (
        as_reader(DECLARED, organisation=HOSPITAL), shut(CONSENTED, HOSPITAL), OPEN,
        Deny("excluded")),
    "no consent": (DECLARED, AccessFacts(), OPEN, Deny("no_consent")),
    "no consent, whatever link there is": (
        DECLARED, AccessFacts(links=(link(DOCTOR),)), OPEN, Deny("no_consent")),
    "the subject has died": (
        DECLARED, replace(CONSENTED, death="death-01"), OPEN, Deny("no_consent", "deceased")),
    "a person between two numbers": (
        DECLARED, replace(CONSENTED, merge_pending=True), OPEN,
        Deny("no_consent", "merge_pending")),
}  # fmt: skip


@pytest.mark.parametrize("case", DENIES.values(), ids=DENIES.keys())
def test_denied_bad(case: tuple[AccessRequest, AccessFacts, AccessPolicy, Deny]) -> None:
    request, facts, policy, expected = case
    assert decide(request, facts, policy, NOW) == expected


def test_without_the_declaration_a_link_is_still_needed_bad() -> None:
    assert decide(CAREGIVER, CONSENTED, OPEN, NOW) == Deny("no_link")


def test_reasons_have_the_precedence_of_every_read() -> None:
    """Everything is wrong at first; each repair reveals the next reason."""
    request = as_reader(DECLARED, profession="baker")
    facts = shut(AccessFacts(death="death-01"), DOCTOR)
    outcomes = [decide(request, facts, POLICY, NOW), decide(request, facts, OPEN, NOW)]
    facts = replace(facts, death=None)
    outcomes.append(decide(request, facts, OPEN, NOW))
    outcomes.append(decide(DECLARED, facts, OPEN, NOW))
    outcomes.append(decide(DECLARED, replace(facts, exclusions=()), OPEN, NOW))
    assert outcomes == [
        Deny("role_not_allowed"),
        Deny("no_consent", "deceased"),
        Deny("profession_not_allowed"),
        Deny("excluded"),
        Deny("no_consent"),
    ]


def test_another_partys_exclusion_changes_nothing() -> None:
    facts = replace(CONSENTED, exclusions=(Exclusion("ex-00001", HOSPITAL),))
    assert isinstance(decide(DECLARED, facts, OPEN, NOW), Permit)


def test_it_never_reveals_a_pharmacy_bad() -> None:
    assert decide_reveal(DECLARED, CONSENTED, OPEN, NOW) == Deny("role_not_allowed")


def test_a_read_that_rests_on_a_link_from_an_emergency_says_so() -> None:
    urgent = Link("link-0002", DOCTOR, "emergency", NOW, SOON)
    outcome = decide(CAREGIVER, replace(CONSENTED, links=(urgent,)), POLICY, NOW)
    assert isinstance(outcome, Permit)
    assert (outcome.basis, outcome.detail) == ("consent_and_link", "emergency")


def test_a_read_that_has_a_longer_link_does_not_rest_on_that_of_an_emergency() -> None:
    urgent = Link("link-0002", DOCTOR, "emergency", NOW, SOON)
    lasting = link(DOCTOR, until=SOON + timedelta(days=300))
    for links in ((urgent, lasting), (lasting, urgent)):
        outcome = decide(CAREGIVER, replace(CONSENTED, links=links), POLICY, NOW)
        assert isinstance(outcome, Permit)
        assert (outcome.basis_refs, outcome.detail) == ((CONSENT, "link-0001"), None)


@pytest.mark.parametrize(
    ("reader", "barred"),
    [
        (Reader("caregiver", DOCTOR, None, "physician"), False),
        (Reader("caregiver", DOCTOR, None, "nurse"), True),
        (Reader("caregiver", DOCTOR, None, None), True),
        (Reader("pharmacist", DOCTOR, HOSPITAL, "physician"), True),
    ],
)
def test_who_may_declare_none_is_told_by_policy_alone(reader: Reader, barred: bool) -> None:
    assert is_barred_in_emergency(reader, EMERGENCY_RULE) is barred
