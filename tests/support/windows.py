"""Deliveries just inside and just outside of windows of calendar months, as a table of cases."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether a delivery at a moment lies in the window of so many months that is read at `now`."""

    why: str
    now: datetime
    months: int
    delivered_at: datetime
    inside: bool


def _case(why: str, now: str, months: int, delivered_at: str, inside: bool) -> Delivery:
    return Delivery(why, _utc(now), months, _utc(delivered_at), inside)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


DELIVERIES = (
    _case("today", "2026-11-24T12:00+01:00", 6, "2026-11-24T09:00+01:00", True),
    _case("first moment", "2026-11-24T12:00+01:00", 6, "2026-05-24T00:00+02:00", True),
    _case("a second before", "2026-11-24T12:00+01:00", 6, "2026-05-23T23:59:59+02:00", False),
    _case("whatever the hour", "2026-11-24T23:59+01:00", 6, "2026-05-24T00:00+02:00", True),
    # month ends
    _case("31 August less 6", "2026-08-31T12:00+02:00", 6, "2026-02-28T00:00+01:00", True),
    _case("and not before", "2026-08-31T12:00+02:00", 6, "2026-02-27T23:59:59+01:00", False),
    _case("31 May less 6", "2026-05-31T12:00+02:00", 6, "2025-11-30T00:00+01:00", True),
    _case("30 August less 6 also", "2026-08-30T12:00+02:00", 6, "2026-02-28T00:00+01:00", True),
    _case("1 March less 6", "2026-03-01T12:00+01:00", 6, "2025-09-01T00:00+02:00", True),
    _case("1 March less 6, before", "2026-03-01T12:00+01:00", 6, "2025-08-31T23:59+02:00", False),
    # leap day
    _case("a leap day is a start", "2028-08-31T12:00+02:00", 6, "2028-02-29T00:00+01:00", True),
    _case("not the day before", "2028-08-31T12:00+02:00", 6, "2028-02-28T23:59+01:00", False),
    _case("read on a leap day", "2028-02-29T12:00+01:00", 12, "2027-02-28T00:00+01:00", True),
    _case("a year after one", "2029-02-28T12:00+01:00", 12, "2028-02-28T00:00+01:00", True),
    # changes of the clock
    _case("start on a short day", "2026-09-29T08:00+02:00", 6, "2026-03-29T00:00+01:00", True),
    _case("an hour before it", "2026-09-29T08:00+02:00", 6, "2026-03-28T23:30+01:00", False),
    _case("day after, summer time", "2026-09-30T08:00+02:00", 6, "2026-03-30T00:00+02:00", True),
    _case("same hour, winter time", "2026-09-30T08:00+02:00", 6, "2026-03-29T23:30+02:00", False),
    _case("start on a long day", "2026-04-26T08:00+02:00", 6, "2025-10-26T00:00+02:00", True),
    _case("the hour that is twice", "2026-04-26T08:00+02:00", 6, "2025-10-26T02:30+01:00", True),
    _case("day after, winter time", "2026-04-27T08:00+02:00", 6, "2025-10-27T00:00+01:00", True),
    _case("and the hour before", "2026-04-27T08:00+02:00", 6, "2025-10-26T23:59+01:00", False),
    # midnight in Brussels, not in UTC
    _case("after midnight here", "2026-06-30T22:30+00:00", 6, "2025-12-31T23:30+00:00", True),
    _case("a day more is asked", "2026-06-30T21:30+00:00", 6, "2025-12-30T00:00+01:00", True),
    _case("the last second", "2026-11-24T12:00+01:00", 6, "2026-11-24T23:59:59+01:00", True),
    # the future
    _case("later today", "2026-11-24T12:00+01:00", 6, "2026-11-24T18:00+01:00", True),
    _case("tomorrow", "2026-11-24T12:00+01:00", 6, "2026-11-25T00:00+01:00", False),
    _case("tomorrow in UTC only", "2026-11-24T12:00+01:00", 6, "2026-11-24T22:59+00:00", True),
    _case("today in UTC only", "2026-11-24T12:00+01:00", 6, "2026-11-24T23:00+00:00", False),
    _case("next year", "2026-12-31T12:00+01:00", 12, "2027-01-01T00:00+01:00", False),
    _case("twelve months", "2026-11-24T12:00+01:00", 12, "2025-11-24T00:00+01:00", True),
    _case("before twelve", "2026-11-24T12:00+01:00", 12, "2025-11-23T23:59+01:00", False),
)
