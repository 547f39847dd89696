import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
)
from schemas.policy import AccessPolicy, baseline, effective
from tests.unit.projections.access_spec import specified
from tests.unit.projections.test_access import EMERGENCY_RULE, OPEN, POLICY

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PARTIES = st.sampled_from([c * 26 for c in "abcd"])
MOMENTS = st.sampled_from([NOW + timedelta(seconds=s) for s in (-9, -1, 0, 1, 9)])
READERS = st.builds(
    Reader,
    role=st.sampled_from(["patient", "caregiver", "pharmacist", "pharmacy"]),
    person=PARTIES,
    organisation=st.none() | PARTIES,
    profession=st.sampled_from([None, "physician", "pharmacist", "baker"]),
)
REQUESTS = st.builds(
    AccessRequest,
    reader=READERS,
    subject=PARTIES,
    purpose=st.sampled_from(["history", "history", "own_history", "emergency"]),
)
FACTS = st.builds(
    AccessFacts,
    consent=st.sampled_from([None, "subject/0/1/0"]),
    links=st.lists(
        st.builds(
            Link,
            st.sampled_from(["link-0001", "link-0002"]),
            PARTIES,
            st.sampled_from(["pharmacy", "emergency"]),
            MOMENTS,
            MOMENTS,
        ),
        max_size=4,
    ).map(tuple),
    exclusions=st.lists(st.builds(Exclusion, st.just("ex-00001"), PARTIES), max_size=1).map(tuple),
    mandates=st.lists(
        st.builds(
            Mandate,
            st.just("mandate-1"),
            PARTIES,
            st.sampled_from(["prescription", "tax"]),
            st.none() | MOMENTS,
        ),
        max_size=3,
    ).map(tuple),
    parents=st.lists(st.builds(Parent, st.just("parent-1"), PARTIES, MOMENTS), max_size=2).map(
        tuple
    ),
    death=st.sampled_from([None, None, None, "death-01"]),
    merge_pending=st.sampled_from([False, False, False, True]),
    person=st.lists(PARTIES, max_size=2, unique=True).map(tuple),
)


@st.composite
def policies(draw: st.DrawFn) -> AccessPolicy:
    dropped = draw(st.sampled_from([None, *POLICY.readers]))
    return POLICY.model_copy(
        update={
            "readers": {k: v for k, v in POLICY.readers.items() if k != dropped},
            "patient_reads_without_consent": draw(st.booleans()),
            "professions": draw(st.sampled_from([(), ("physician",), ("physician", "pharmacist")])),
            "emergency": draw(st.sampled_from([None, EMERGENCY_RULE])),
        }
    )


def summary(outcome: Permit | Deny) -> tuple[str, str]:
    if isinstance(outcome, Permit):
        return "permit", outcome.basis
    return "deny", " ".join(filter(None, (outcome.reason, outcome.detail)))


@given(REQUESTS, FACTS, policies())
def test_the_decision_is_the_one_that_the_second_specification_names(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy
) -> None:
    assert summary(decide(request, facts, policy, NOW)) == specified(request, facts, policy, NOW)


PATIENT, READER, PLACE = (c * 26 for c in "abc")
WHOLE: dict[str, list[Any]] = {
    "role": ["patient", "caregiver", "pharmacist", "pharmacy"],
    "person": [PATIENT, READER],
    "organisation": [None, PLACE],
    "profession": [None, "physician", "pharmacist"],
    "purpose": ["history", "own_history", "emergency"],
    "consent": [None, "subject/0/1/0"],
    "link": [None, (READER, -9, 9), (PLACE, -9, 9), (READER, -9, 0), (READER, 1, 9)],
    "excluded": [None, READER, PLACE],
    "acting": [None, "mandate", "ended mandate", "another's mandate", "parent", "grown child"],
    "state": ["living", "dead", "between two numbers"],
}
"""Every kind of principal, purpose, state of the subject and time, one value for each."""


def _facts_of(case: dict[str, Any]) -> AccessFacts:
    moment = {"mandate": 1, "ended mandate": 0, "another's mandate": 1}.get(case["acting"])
    holder = READER if case["acting"] != "another's mandate" else "d" * 26
    mandates = (
        ()
        if moment is None
        else (Mandate("mandate-1", holder, "prescription", NOW + timedelta(seconds=moment)),)
    )
    until = {"parent": 1, "grown child": 0}.get(case["acting"])
    link = case["link"]
    return AccessFacts(
        consent=case["consent"],
        links=()
        if link is None
        else (
            Link("link-0001", link[0], "pharmacy", *(NOW + timedelta(days=d) for d in link[1:])),
        ),
        exclusions=() if case["excluded"] is None else (Exclusion("ex-00001", case["excluded"]),),
        mandates=mandates,
        parents=()
        if until is None
        else (Parent("parent-1", READER, NOW + timedelta(seconds=until)),),
        death="death-01" if case["state"] == "dead" else None,
        merge_pending=case["state"] == "between two numbers",
    )


def test_it_decides_the_whole_product_of_principals_purposes_states_and_times() -> None:
    permits = denies = 0
    strict = OPEN.model_copy(update={"patient_reads_without_consent": False})
    for values in itertools.product(*WHOLE.values()):
        case: dict[str, Any] = dict(zip(WHOLE, values, strict=True))
        reader = Reader(case["role"], case["person"], case["organisation"], case["profession"])
        request = AccessRequest(reader, PATIENT, case["purpose"])
        facts = _facts_of(case)
        for policy in (POLICY, OPEN, strict):
            outcome = decide(request, facts, policy, NOW)
            assert summary(outcome) == specified(request, facts, policy, NOW), case
            permits += isinstance(outcome, Permit)
            denies += isinstance(outcome, Deny)
    assert permits + denies == 3 * math.prod([len(values) for values in WHOLE.values()])
    assert permits > 1_000


def test_a_change_of_policy_is_data_that_holds_from_its_date_on() -> None:
    """From `change` on caregivers see a month, and nurses nothing any more."""
    change = NOW + timedelta(days=1)
    shorter = POLICY.readers["caregiver"].model_copy(update={"window_months": 1})
    data = POLICY.model_copy(
        update={
            "readers": {**POLICY.readers, "caregiver": shorter},
            "professions": ("physician",),
        }
    )
    known = baseline("access")
    later = known.model_copy(update={"version": "access/9", "valid_from": change, "data": data})
    facts = AccessFacts(
        consent="c", links=(Link("link-0001", READER, "gmd", NOW, NOW + timedelta(days=9)),)
    )

    def months(profession: str, at: datetime) -> int | str:
        version = effective([known, later], at)
        request = AccessRequest(Reader("caregiver", READER, None, profession), PATIENT, "history")
        outcome = decide(request, facts, version.access, at)
        if isinstance(outcome, Deny):
            return outcome.reason
        return round((at - outcome.window_start).days / 30.4)

    instant = timedelta(microseconds=1)
    assert [months("physician", at) for at in (NOW, change - instant, change)] == [6, 6, 1]
    assert [months("nurse", at) for at in (change - instant, change)] == [
        6,
        "profession_not_allowed",
    ]


@given(REQUESTS, FACTS, policies())
def test_the_order_of_facts_never_matters(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy
) -> None:
    turned = replace(
        facts,
        links=facts.links[::-1],
        exclusions=facts.exclusions[::-1],
        mandates=facts.mandates[::-1],
        parents=facts.parents[::-1],
    )
    assert decide(request, facts, policy, NOW) == decide(request, turned, policy, NOW)


@given(REQUESTS, policies())
def test_without_facts_only_the_subject_reads(request: AccessRequest, policy: AccessPolicy) -> None:
    outcome = decide(request, AccessFacts(), policy, NOW)
    own = request.reader.role == "patient" and request.reader.person == request.subject
    assert isinstance(outcome, Deny) or own


@given(REQUESTS, FACTS, policies(), PARTIES)
def test_an_exclusion_never_opens_anything(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy, party: str
) -> None:
    shut = replace(facts, exclusions=(*facts.exclusions, Exclusion("ex-00002", party)))
    if isinstance(decide(request, facts, policy, NOW), Deny):
        assert isinstance(decide(request, shut, policy, NOW), Deny)
