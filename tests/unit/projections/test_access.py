from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from projections.access import (
    AccessFacts,
    AccessRequest,
    Deny,
    Exclusion,
    Link,
    Mandate,
    Parent,
    Permit,
    Reader,
    decide,
    decide_own_lines,
    window_end,
    window_start,
)
from schemas.policy import AccessPolicy, EmergencyRule, baseline

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOON = NOW + timedelta(days=1)
SUBJECT, OTHER, DOCTOR, PHARMACY, HOSPITAL = (c * 26 for c in "abcde")
CONSENT = "subject/1/7/0"


def _policy() -> AccessPolicy:
    data = baseline("access").data
    assert isinstance(data, AccessPolicy)
    return data


POLICY = _policy()
STRICT = POLICY.model_copy(update={"patient_reads_without_consent": False})
EMERGENCY_RULE = EmergencyRule(
    window_months=3,
    fields=("delivered_at", "product"),
    professions=("physician",),
    motivation_types=("vital_interest",),
)
OPEN = POLICY.model_copy(update={"emergency": EMERGENCY_RULE})
"""The shipped policy, with reads in an emergency opened."""


def without(*roles: str) -> AccessPolicy:
    kept = {role: rule for role, rule in POLICY.readers.items() if role not in roles}
    return POLICY.model_copy(update={"readers": kept})


def link(
    party: str, *, until: datetime = SOON, start: datetime = NOW, name: str = "link-0001"
) -> Link:
    return Link(name, party, "consultation", start, until)


def mandate(
    holder: str = OTHER, *, type_: str = "prescription", until: datetime | None = None
) -> Mandate:
    return Mandate("mandate-1", holder, type_, until)


PATIENT = AccessRequest(Reader("patient", SUBJECT), SUBJECT, "history")
HOLDER = AccessRequest(Reader("patient", OTHER), SUBJECT, "history")
CAREGIVER = AccessRequest(Reader("caregiver", DOCTOR, None, "physician"), SUBJECT, "history")
IN_HOSPITAL = AccessRequest(Reader("caregiver", DOCTOR, HOSPITAL, "nurse"), SUBJECT, "history")
PHARMACIST = AccessRequest(Reader("pharmacist", DOCTOR, PHARMACY, "pharmacist"), SUBJECT, "history")
CARED = AccessFacts(consent=CONSENT, links=(link(DOCTOR),))
IN_PHARMACY = AccessFacts(consent=CONSENT, links=(link(PHARMACY),))
MANDATED = AccessFacts(mandates=(mandate(),))
PARENTED = AccessFacts(parents=(Parent("parent-1", OTHER, SOON),))


def as_reader(request: AccessRequest, **changes: object) -> AccessRequest:
    return replace(request, reader=replace(request.reader, **changes))  # type: ignore[arg-type]  # a test's shorthand


PERMITS = {
    "a patient reads their own record without consent": (
        PATIENT, AccessFacts(), POLICY, "own_data", (), "patient"),
    "a patient reads their own record for themselves": (
        replace(PATIENT, purpose="own_history"), AccessFacts(), POLICY, "own_data", (), "patient"),
    "a patient reads with consent where policy asks for it": (
        PATIENT, AccessFacts(consent=CONSENT), STRICT, "own_data", (CONSENT,), "patient"),
    "an exclusion never shuts out the subject": (
        PATIENT, AccessFacts(exclusions=(Exclusion("ex-00001", SUBJECT),)), POLICY, "own_data", (),
        "patient"),
    "a holder reads under an active mandate": (
        HOLDER, MANDATED, POLICY, "mandate", ("mandate-1",), "mandate_holder"),
    "a holder reads until the mandate ends": (
        HOLDER, AccessFacts(mandates=(mandate(until=SOON),)), POLICY, "mandate", ("mandate-1",),
        "mandate_holder"),
    "a holder reads with the subject's consent where policy asks for it": (
        HOLDER, replace(MANDATED, consent=CONSENT), STRICT, "mandate", ("mandate-1", CONSENT),
        "mandate_holder"),
    "a caregiver reads with consent and a link": (
        CAREGIVER, CARED, POLICY, "consent_and_link", (CONSENT, "link-0001"), "caregiver"),
    "a caregiver reads with a link of their organisation": (
        IN_HOSPITAL, AccessFacts(consent=CONSENT, links=(link(HOSPITAL),)), POLICY,
        "consent_and_link", (CONSENT, "link-0001"), "caregiver"),
    "the link that lasts longest is named": (
        CAREGIVER,
        AccessFacts(consent=CONSENT, links=(
            link(DOCTOR), link(DOCTOR, until=SOON + timedelta(days=9), name="link-0002"),
            link(DOCTOR, until=NOW, name="link-0003"))),
        POLICY, "consent_and_link", (CONSENT, "link-0002"), "caregiver"),
    "a pharmacist reads with consent and a link with the pharmacy": (
        PHARMACIST, IN_PHARMACY, POLICY, "consent_and_link", (CONSENT, "link-0001"), "pharmacist"),
    "a holder that is an institution reads by whoever acts for it": (
        as_reader(HOLDER, organisation=HOSPITAL), AccessFacts(mandates=(mandate(HOSPITAL),)),
        POLICY, "mandate", ("mandate-1",), "mandate_holder"),
    "a parent reads for a child": (
        HOLDER, PARENTED, POLICY, "mandate", ("parent-1",), "mandate_holder"),
    "a parent who holds a mandate reads by the mandate": (
        HOLDER, replace(PARENTED, mandates=(mandate(),)), POLICY, "mandate", ("mandate-1",),
        "mandate_holder"),
    "a person reads under the number that was given up": (
        replace(PATIENT, subject=OTHER), AccessFacts(person=(OTHER, SUBJECT)), POLICY, "own_data",
        (), "patient"),
    "an exclusion of somebody else changes nothing": (
        CAREGIVER, replace(CARED, exclusions=(Exclusion("ex-00001", PHARMACY),)), POLICY,
        "consent_and_link", (CONSENT, "link-0001"), "caregiver"),
}  # fmt: skip


@pytest.mark.parametrize("case", PERMITS.values(), ids=PERMITS.keys())
def test_permitted(
    case: tuple[AccessRequest, AccessFacts, AccessPolicy, str, tuple[str, ...], str],
) -> None:
    request, facts, policy, basis, refs, role = case
    outcome = decide(request, facts, policy, NOW)
    assert isinstance(outcome, Permit)
    assert (outcome.basis, outcome.basis_refs, outcome.reader_role) == (basis, refs, role)
    rule = POLICY.readers[outcome.reader_role]
    assert outcome.fields == rule.fields
    assert outcome.window_start == window_start(NOW, rule.window_months)
    assert outcome.window_end == window_end(NOW)


def shut(facts: AccessFacts, party: str) -> AccessFacts:
    return replace(facts, exclusions=(Exclusion("ex-00001", party),))


DENIES = {
    "no role of patients in policy": (PATIENT, AccessFacts(), without("patient"),
                                      "role_not_allowed"),
    "patient without consent where policy asks for it": (PATIENT, AccessFacts(), STRICT,
                                                         "no_consent"),
    "own history of somebody else": (replace(HOLDER, purpose="own_history"), MANDATED, POLICY,
                                     "not_own_data"),
    "own history asked by a caregiver": (replace(CAREGIVER, purpose="own_history"), CARED, POLICY,
                                         "not_own_data"),
    "somebody else's record without mandate": (HOLDER, AccessFacts(), POLICY, "no_mandate"),
    "a mandate held by another": (HOLDER, AccessFacts(mandates=(mandate(DOCTOR),)), POLICY,
                                  "no_mandate"),
    "a mandate of another type": (HOLDER, AccessFacts(mandates=(mandate(type_="tax"),)), POLICY,
                                  "no_mandate"),
    "a mandate that ends now": (HOLDER, AccessFacts(mandates=(mandate(until=NOW),)), POLICY,
                                "no_mandate"),
    "a parent of a child that is old enough": (
        HOLDER, AccessFacts(parents=(Parent("parent-1", OTHER, NOW),)), POLICY, "no_mandate"),
    "a parent of another child": (
        HOLDER, AccessFacts(parents=(Parent("parent-1", DOCTOR, SOON),)), POLICY, "no_mandate"),
    "an excluded parent": (HOLDER, shut(PARENTED, OTHER), POLICY, "excluded"),
    "a parent where the subject may not read": (HOLDER, PARENTED, STRICT, "no_consent"),
    "an institution's mandate and somebody elsewhere": (
        as_reader(HOLDER, organisation=PHARMACY), AccessFacts(mandates=(mandate(HOSPITAL),)),
        POLICY, "no_mandate"),
    "an excluded holder": (HOLDER, shut(MANDATED, OTHER), POLICY, "excluded"),
    "a holder where the subject may not read": (HOLDER, MANDATED, STRICT, "no_consent"),
    "no role of holders in policy": (HOLDER, MANDATED, without("mandate_holder"),
                                     "role_not_allowed"),
    "consent and a link do not serve a citizen": (HOLDER, AccessFacts(CONSENT, (link(OTHER),)),
                                                  POLICY, "no_mandate"),
    "a caregiver without consent": (CAREGIVER, replace(CARED, consent=None), POLICY, "no_consent"),
    "a caregiver without link": (CAREGIVER, AccessFacts(consent=CONSENT), POLICY, "no_link"),
    "a link with another": (CAREGIVER, IN_PHARMACY, POLICY, "no_link"),
    "a link that ends now": (CAREGIVER, AccessFacts(CONSENT, (link(DOCTOR, until=NOW),)), POLICY,
                             "no_link"),
    "a link that starts later": (CAREGIVER, AccessFacts(CONSENT, (link(DOCTOR, start=SOON,
                                 until=SOON + timedelta(days=1)),)), POLICY, "no_link"),
    "an excluded caregiver": (CAREGIVER, shut(CARED, DOCTOR), POLICY, "excluded"),
    "a caregiver of an excluded organisation": (as_reader(CAREGIVER, organisation=HOSPITAL),
                                                shut(CARED, HOSPITAL), POLICY, "excluded"),
    "a profession that policy does not name": (as_reader(CAREGIVER, profession="dietician"), CARED,
                                               POLICY, "profession_not_allowed"),
    "no profession": (as_reader(CAREGIVER, profession=None), CARED, POLICY,
                      "profession_not_allowed"),
    "no role of caregivers in policy": (CAREGIVER, CARED, without("caregiver"), "role_not_allowed"),
    "a mandate does not serve a caregiver": (CAREGIVER, AccessFacts(CONSENT,
                                             mandates=(mandate(DOCTOR),)), POLICY, "no_link"),
    "a pharmacist without consent": (PHARMACIST, replace(IN_PHARMACY, consent=None), POLICY,
                                     "no_consent"),
    "a pharmacist with a personal link only": (PHARMACIST, CARED, POLICY, "no_link"),
    "a pharmacist outside a pharmacy": (as_reader(PHARMACIST, organisation=None), IN_PHARMACY,
                                        POLICY, "role_not_allowed"),
    "a physician in a pharmacy": (as_reader(PHARMACIST, profession="physician"), IN_PHARMACY,
                                  POLICY, "profession_not_allowed"),
    "an excluded pharmacist": (PHARMACIST, shut(IN_PHARMACY, DOCTOR), POLICY, "excluded"),
    "an excluded pharmacy": (PHARMACIST, shut(IN_PHARMACY, PHARMACY), POLICY, "excluded"),
    "no role of pharmacists in policy": (PHARMACIST, IN_PHARMACY, without("pharmacist"),
                                         "role_not_allowed"),
    "a pharmacy is no reader of a subject": (as_reader(PHARMACIST, role="pharmacy"), IN_PHARMACY,
                                             POLICY, "role_not_allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", DENIES.values(), ids=DENIES.keys())
def test_denied_bad(case: tuple[AccessRequest, AccessFacts, AccessPolicy, str]) -> None:
    request, facts, policy, reason = case
    assert decide(request, facts, policy, NOW) == Deny(reason)  # type: ignore[arg-type]  # a table of texts


EVERYBODY = {
    "patient": (PATIENT, AccessFacts(consent=CONSENT)),
    "holder": (HOLDER, MANDATED),
    "parent": (HOLDER, PARENTED),
    "caregiver": (CAREGIVER, CARED),
    "pharmacist": (PHARMACIST, IN_PHARMACY),
}


@pytest.mark.parametrize("case", EVERYBODY.values(), ids=EVERYBODY.keys())
def test_nobody_reads_the_dead_or_a_person_between_two_numbers_bad(
    case: tuple[AccessRequest, AccessFacts],
) -> None:
    request, facts = case
    assert isinstance(decide(request, facts, POLICY, NOW), Permit)
    dead = replace(facts, death="death-01")
    assert decide(request, dead, POLICY, NOW) == Deny("no_consent", "deceased")
    between = replace(dead, merge_pending=True)
    assert decide(request, between, POLICY, NOW) == Deny("no_consent", "merge_pending")


def test_a_parents_reading_is_told_from_a_mandates() -> None:
    found = decide(HOLDER, PARENTED, POLICY, NOW)
    held = decide(HOLDER, MANDATED, POLICY, NOW)
    assert (found.detail, held.detail) == ("parent", None)


def test_reasons_have_a_fixed_precedence() -> None:
    """Everything is wrong at first; each repair reveals the next reason."""
    request = AccessRequest(Reader("caregiver", DOCTOR, None, "baker"), SUBJECT, "own_history")
    facts = shut(AccessFacts(), DOCTOR)
    reasons = [decide(request, facts, without("caregiver"), NOW)]
    reasons.append(decide(request, facts, POLICY, NOW))
    request = replace(request, purpose="history")
    reasons.append(decide(request, facts, POLICY, NOW))
    request = as_reader(request, profession="physician")
    reasons.append(decide(request, facts, POLICY, NOW))
    facts = replace(facts, exclusions=())
    reasons.append(decide(request, facts, POLICY, NOW))
    reasons.append(decide(request, replace(facts, consent=CONSENT), POLICY, NOW))
    assert [outcome.reason for outcome in reasons if isinstance(outcome, Deny)] == [
        "role_not_allowed",
        "not_own_data",
        "profession_not_allowed",
        "excluded",
        "no_consent",
        "no_link",
    ]


def test_only_the_patient_holder_and_own_pharmacy_see_the_pharmacy() -> None:
    seen = {role for role, rule in POLICY.readers.items() if "pharmacy" in rule.fields}
    assert seen == {"patient", "mandate_holder", "pharmacy"}


def test_a_pharmacy_reads_the_lines_that_it_registered() -> None:
    outcome = decide_own_lines(Reader("pharmacy", DOCTOR, PHARMACY), PHARMACY, POLICY, NOW)
    assert isinstance(outcome, Permit)
    assert (outcome.basis, outcome.reader_role) == ("own_registrations", "pharmacy")
    assert outcome.window_start == window_start(NOW, 12)


@pytest.mark.parametrize(
    ("reader", "policy", "reason"),
    [
        (Reader("pharmacy", DOCTOR, HOSPITAL), POLICY, "not_own_data"),
        (Reader("pharmacy", DOCTOR, None), POLICY, "not_own_data"),
        (Reader("pharmacist", DOCTOR, PHARMACY, "pharmacist"), POLICY, "role_not_allowed"),
        (Reader("patient", PHARMACY), POLICY, "role_not_allowed"),
        (Reader("pharmacy", DOCTOR, PHARMACY), without("pharmacy"), "role_not_allowed"),
    ],
)
def test_nobody_else_reads_a_pharmacys_lines_bad(
    reader: Reader, policy: AccessPolicy, reason: str
) -> None:
    assert decide_own_lines(reader, PHARMACY, policy, NOW) == Deny(reason)  # type: ignore[arg-type]  # a table of texts
