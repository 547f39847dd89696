"""Days and calendar months in Belgium's civil time, in which windows and validities are counted.

A month back or forth keeps the day, clamped to the month's end: 31 March less one month is 28 or
29 February. Everything takes aware moments and answers UTC. Source: DESIGN section 8.
"""

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_MONTHS_A_YEAR: Final = 12


def day_of(moment: datetime) -> date:
    """The date on a Belgian calendar at that moment."""
    return moment.astimezone(BRUSSELS).date()


def start_of_day(day: date) -> datetime:
    """Midnight with which that day begins in Belgium, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=BRUSSELS).astimezone(UTC)


def next_day(day: date) -> datetime:
    """Midnight with which that day ends in Belgium, in UTC."""
    return start_of_day(day + timedelta(days=1))


def shift_months(day: date, months: int) -> date:
    """The same day so many calendar months later (earlier if negative), clamped to its month."""
    year, month0 = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 + months, _MONTHS_A_YEAR)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def months_back(moment: datetime, months: int) -> datetime:
    """Start of the Belgian day that lies `months` calendar months before that of `moment`."""
    return _day_months_back(day_of(moment), months)


@lru_cache(maxsize=128)
def _day_months_back(day: date, months: int) -> datetime:
    return start_of_day(shift_months(day, -months))


def months_after(moment: datetime, months: int) -> datetime:
    """The same Belgian time of day, `months` calendar months later.

    A time that the change to summer time skips becomes the one an hour later; of a time that
    occurs twice the first is meant, unless `moment` is itself the second of its day.
    """
    local = moment.astimezone(BRUSSELS)
    day = shift_months(local.date(), months)
    return local.replace(year=day.year, month=day.month, day=day.day).astimezone(UTC)
