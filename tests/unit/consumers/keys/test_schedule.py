"""A retired intake key goes 40 days after the last session that was in time; no other one does."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.keys.schedule import destroyed_at
from projections.folds.publishers import BackboneKey, SessionEntry
from schemas.publisher import BackboneKeyPublished, SessionOpened

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FACT = BackboneKeyPublished(key_id="intake-1", purpose="intake", public_key="A")
RETIRED = BackboneKey(FACT, START - 90 * DAY, START)


def session(opened: datetime, hours: float = 12, intake: str = "intake-1") -> SessionEntry:
    return SessionEntry(
        SessionOpened(
            session="s" * 20,
            publisher="80000551",
            key_id="1",
            not_after=opened + hours * HOUR,
            intake_key=intake,
            encapsulation="A",
            signature="A",
        ),
        opened,
    )


def test_a_key_in_use_is_kept() -> None:
    assert destroyed_at(BackboneKey(FACT, START), [session(START)]) is None


@pytest.mark.parametrize(
    ("sessions", "closed"),
    [
        ([], START),
        ([session(START - 2 * DAY)], START - 2 * DAY + 12 * HOUR),
        ([session(START - HOUR), session(START - 2 * HOUR)], START + 11 * HOUR),
        ([session(START + 23 * HOUR, 24)], START + 47 * HOUR),
        ([session(START + 25 * HOUR)], START),
        ([session(START - HOUR, intake="intake-2")], START),
    ],
)
def test_a_retired_key_goes_forty_days_after_its_last_session(
    sessions: list[SessionEntry], closed: datetime
) -> None:
    assert destroyed_at(RETIRED, sessions) == closed + 40 * DAY
