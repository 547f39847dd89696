"""Who learns which pharmacy dispensed a line: whoever reads as pharmacist, and nobody else."""

from datetime import UTC, datetime, timedelta

import pytest

from projections.access import AccessFacts, AccessRequest, Deny, Exclusion, Link, Permit, Reader
from projections.revealing import decide_reveal
from schemas.policy import AccessPolicy, baseline

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ANN, DOCTOR, PHARMACY = "a" * 26, "b" * 26, "c" * 26
PHARMACIST = Reader("pharmacist", DOCTOR, PHARMACY, "pharmacist")
LINK = Link("link-1", PHARMACY, "pharmacy", NOW - timedelta(days=1), NOW + timedelta(days=1))
FULL = AccessFacts(consent="consent", links=(LINK,))


def decided(reader: Reader, facts: AccessFacts) -> Permit | Deny:
    policy = baseline("access").data
    assert isinstance(policy, AccessPolicy)
    return decide_reveal(AccessRequest(reader, ANN, "history"), facts, policy, NOW)


def test_a_pharmacist_who_may_read_the_history_sees_the_pharmacy_alone() -> None:
    outcome = decided(PHARMACIST, FULL)
    assert isinstance(outcome, Permit)
    assert outcome.fields == ("pharmacy",)
    assert outcome.basis_refs == ("consent", "link-1")


@pytest.mark.parametrize(
    ("reader", "facts", "reason"),
    [
        (PHARMACIST, AccessFacts(links=(LINK,)), "no_consent"),
        (PHARMACIST, AccessFacts(consent="consent"), "no_link"),
        (
            PHARMACIST,
            AccessFacts(consent="c", links=(LINK,), exclusions=(Exclusion("e", DOCTOR),)),
            "excluded",
        ),
        (Reader("pharmacist", DOCTOR, None, "pharmacist"), FULL, "role_not_allowed"),
        (Reader("caregiver", DOCTOR, PHARMACY, "physician"), FULL, "role_not_allowed"),
        (Reader("patient", ANN), FULL, "role_not_allowed"),
        (Reader("pharmacy", PHARMACY, PHARMACY), FULL, "role_not_allowed"),
    ],
)
def test_anybody_else_is_refused_bad(reader: Reader, facts: AccessFacts, reason: str) -> None:
    outcome = decided(reader, facts)
    assert isinstance(outcome, Deny)
    assert outcome.reason == reason
