from datetime import UTC, date, datetime

import pytest

from projections.access import window_end, window_start
from schemas import brussels
from tests.support.windows import DELIVERIES, Delivery


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


WINDOWS = [
    # now, months, start
    ("2026-11-24T12:00:00+01:00", 6, "2026-05-24T00:00:00+02:00"),
    ("2026-11-24T12:00:00+01:00", 12, "2025-11-24T00:00:00+01:00"),
    # clamped to the month's end
    ("2026-08-31T12:00:00+02:00", 6, "2026-02-28T00:00:00+01:00"),
    ("2024-08-31T12:00:00+02:00", 6, "2024-02-29T00:00:00+01:00"),
    ("2026-05-31T12:00:00+02:00", 6, "2025-11-30T00:00:00+01:00"),
    ("2026-12-31T12:00:00+01:00", 6, "2026-06-30T00:00:00+02:00"),
    # leap day
    ("2024-02-29T12:00:00+01:00", 12, "2023-02-28T00:00:00+01:00"),
    ("2025-02-28T12:00:00+01:00", 12, "2024-02-28T00:00:00+01:00"),
    ("2028-02-29T12:00:00+01:00", 48, "2024-02-29T00:00:00+01:00"),
    # over the year
    ("2026-01-15T12:00:00+01:00", 6, "2025-07-15T00:00:00+02:00"),
    # midnight in Brussels, a second before, and midnight in UTC
    ("2026-07-01T00:00:00+02:00", 6, "2026-01-01T00:00:00+01:00"),
    ("2026-06-30T23:59:59+02:00", 6, "2025-12-30T00:00:00+01:00"),
    ("2026-06-30T22:30:00+00:00", 6, "2026-01-01T00:00:00+01:00"),
    ("2026-12-31T23:30:00+00:00", 12, "2026-01-01T00:00:00+01:00"),
    # a start on the days of the change to summer time and back
    ("2026-09-29T08:00:00+02:00", 6, "2026-03-29T00:00:00+01:00"),
    ("2026-09-30T08:00:00+02:00", 6, "2026-03-30T00:00:00+02:00"),
    ("2026-04-25T08:00:00+02:00", 6, "2025-10-25T00:00:00+02:00"),
    ("2026-04-26T08:00:00+02:00", 6, "2025-10-26T00:00:00+02:00"),
    ("2026-04-27T08:00:00+02:00", 6, "2025-10-27T00:00:00+01:00"),
]


@pytest.mark.parametrize(("now", "months", "start"), WINDOWS)
def test_a_window_begins_with_the_day_so_many_calendar_months_back(
    now: str, months: int, start: str
) -> None:
    assert window_start(utc(now), months) == utc(start)


@pytest.mark.parametrize("one", DELIVERIES, ids=lambda one: one.why)
def test_a_delivery_lies_in_a_window_or_outside(one: Delivery) -> None:
    start, end = window_start(one.now, one.months), window_end(one.now)
    assert (start <= one.delivered_at < end) == one.inside


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-24T12:00:00+01:00", "2026-11-25T00:00:00+01:00"),
        ("2026-11-23T23:30:00+00:00", "2026-11-25T00:00:00+01:00"),
        ("2026-03-29T01:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        ("2026-12-31T12:00:00+01:00", "2027-01-01T00:00:00+01:00"),
    ],
)
def test_a_window_ends_with_the_day_of_the_request(now: str, end: str) -> None:
    assert window_end(utc(now)) == utc(end)


@pytest.mark.parametrize(
    ("moment", "months", "later"),
    [
        ("2026-01-31T10:00:00+01:00", 1, "2026-02-28T10:00:00+01:00"),
        ("2024-01-31T10:00:00+01:00", 1, "2024-02-29T10:00:00+01:00"),
        ("2026-01-10T10:00:00+01:00", 6, "2026-07-10T10:00:00+02:00"),
        ("2026-11-24T10:00:00+01:00", 15, "2028-02-24T10:00:00+01:00"),
        # 02:30 does not exist on 29 March 2026
        ("2026-02-28T02:30:00+01:00", 1, "2026-03-28T02:30:00+01:00"),
        ("2026-01-29T02:30:00+01:00", 2, "2026-03-29T03:30:00+02:00"),
    ],
)
def test_a_validity_ends_at_the_same_time_of_day_months_later(
    moment: str, months: int, later: str
) -> None:
    assert brussels.months_after(utc(moment), months) == utc(later)


def test_days_are_belgian() -> None:
    assert brussels.day_of(utc("2026-06-30T22:30:00+00:00")) == date(2026, 7, 1)
    assert brussels.start_of_day(date(2026, 7, 1)) == utc("2026-06-30T22:00:00+00:00")
