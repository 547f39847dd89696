"""The keeper reads what is left to do, and everything at its start and every hour."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.erasure.carrying import ALL_EVERY, Scope, next_scope

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("compared_at", "scope"),
    [
        (None, "anew"),
        (NOW, "left"),
        (NOW - ALL_EVERY + timedelta(seconds=1), "left"),
        (NOW - ALL_EVERY, "all"),
        (NOW - timedelta(days=9), "all"),
        (NOW + timedelta(days=1), "left"),
    ],
)
def test_what_a_round_reads_follows_from_when_everything_was_read(
    compared_at: datetime | None, scope: Scope
) -> None:
    assert next_scope(compared_at, NOW) == scope
