from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
from schemas.policy import AccessPolicy
from tests.unit.projections.access_spec import specified
from tests.unit.projections.test_access import POLICY

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
    purpose=st.sampled_from(["history", "history", "own_history"]),
)
FACTS = st.builds(
    AccessFacts,
    consent=st.sampled_from([None, "subject/0/1/0"]),
    links=st.lists(
        st.builds(
            Link,
            st.sampled_from(["link-0001", "link-0002"]),
            PARTIES,
            st.just("pharmacy"),
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
