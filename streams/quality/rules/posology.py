"""The regimen: figures that can be read and do not contradict each other. Words are not judged."""

import re
from typing import Final

from schemas.dispensation import Regimen, SubmittedLine
from streams.quality.rules.base import Context, Findings, LineRule, day

_QUANTITY: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,4})?\Z")


def regimen(_context: Context, line: SubmittedLine, _index: int) -> Findings:
    """Everything about the regimen that may be wrong."""
    given = line.regimen
    if given is None:
        return ()
    paths = (*_quantity(given), *_frequency(given), *_period(given))
    return tuple(("REGIMEN_DOUBTFUL", f"/regimen/{member}") for member in paths)


def _quantity(given: Regimen) -> tuple[str, ...]:
    readable = _QUANTITY.match(given.quantity) is not None
    return () if readable and float(given.quantity) > 0 else ("quantity",)


def _frequency(given: Regimen) -> tuple[str, ...]:
    if given.moments is not None:
        twice = len(set(given.moments)) < len(given.moments)
        other = given.times_per_day is not None and given.times_per_day != len(given.moments)
        return ("moments",) if twice or other or not given.moments else ()
    stated = given.times_per_day or given.every_days or given.as_needed
    return () if stated else ("times_per_day",)


def _period(given: Regimen) -> tuple[str, ...]:
    begin = None if given.begin is None else day(given.begin)
    end = None if given.end is None else day(given.end)
    found: tuple[str, ...] = ()
    if given.begin is not None and begin is None:
        found += ("begin",)
    unreadable = given.end is not None and end is None
    if unreadable or (begin is not None and end is not None and end < begin):
        found += ("end",)
    return found


RULES: Final = (LineRule(("REGIMEN_DOUBTFUL",), regimen),)
