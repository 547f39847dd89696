"""A policy version takes effect at its stated time, with at least ten minutes' notice."""

from datetime import UTC, datetime, timedelta

import pytest

from projections.folds.policies import evolve, initial, refusal
from schemas.policy import PolicyVersion, baseline

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def version(
    number: str = "quality/3", starts: datetime = NOW + timedelta(hours=1)
) -> PolicyVersion:
    return baseline("quality").model_copy(update={"version": number, "valid_from": starts})


def test_what_ships_with_the_code_holds_until_another_takes_effect() -> None:
    policies = evolve(initial(), version(), NOW)

    assert policies.at("quality", datetime(2025, 12, 31, tzinfo=UTC)).version == "quality/1"
    assert policies.at("quality", NOW).version == "quality/2"
    assert policies.at("quality", NOW + timedelta(hours=1)).version == "quality/3"
    assert policies.at("access", NOW + timedelta(hours=1)).version == "access/3"


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (version(starts=NOW + timedelta(minutes=9, seconds=59)), "too_little_notice"),
        (version(number="quality/1"), "version_used"),
        (version(number="access/2"), "name_mismatch"),
    ],
)
def test_a_version_counts_bad(late: PolicyVersion, reason: str) -> None:
    policies = initial()

    assert refusal(policies, late, NOW) == reason
    assert evolve(policies, late, NOW) == policies


def test_ten_minutes_are_notice_enough() -> None:
    assert refusal(initial(), version(starts=NOW + timedelta(minutes=10)), NOW) is None
