"""Parameters of searches, read strictly: what is not understood is refused, never passed over.

A filter that is passed over would show more than was asked for. Parameters stand in the body of a
POST, since an address is as public as a log line. Source: FHIR R4, search.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError
from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api.fhir import systems
from consumers.api.forms import Explanation, MotivationType
from consumers.api.problems import FieldIssue, Problem
from consumers.api.reads import Narrow
from projections.history_statements import Versions
from schemas import brussels
from schemas.identifiers import guid, niss

FORM: Final = "application/x-www-form-urlencoded"
PAGE: Final = "_page"
MAX_PARAMETERS: Final = 32
STATUSES: Final = frozenset(
    {
        "preparation",
        "in-progress",
        "cancelled",
        "on-hold",
        "completed",
        "entered-in-error",
        "stopped",
        "declined",
        "unknown",
    }
)
"""What a dispense can be; the record holds completed ones, and those entered in error: revoked."""
_HELD: Final[Mapping[frozenset[str], Versions]] = {
    frozenset({"completed"}): "current",
    frozenset({"entered-in-error"}): "revoked",
    frozenset({"completed", "entered-in-error"}): "latest",
}
IN_EMERGENCY: Final = frozenset({"BTG", "ETREAT"})
"""Codes of HL7's PurposeOfUse: break the glass, and emergency treatment."""
_WHY: Final[Mapping[str, TypeAdapter[str]]] = {
    "motivation_type": TypeAdapter(MotivationType),
    "motivation": TypeAdapter(Explanation),
}
PATIENT: Final = frozenset(
    f"{name}{part}"
    for name in ("patient", "subject")
    for part in ("", ":identifier", ".identifier")
)
_NOTHING: Final = datetime(1900, 1, 1, tzinfo=UTC)
_PREFIXES: Final = frozenset({"eq", "gt", "ge", "lt", "le", "sa", "eb"})
_DATE: Final = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<time>\d\d:\d\d(:\d\d(\.\d{1,6})?)?)(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_MINUTE_CHARS: Final = 5
_SECOND_CHARS: Final = 8
_MONTHS: Final = 12

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Emergency:
    """That a search is made in an emergency, and why it is one."""

    motivation_type: str
    motivation: str


@dataclass(frozen=True, slots=True)
class DispenseSearch:
    """A search for dispenses: of whom (None: of oneself), which part, and how many at a time."""

    patient: str | None
    narrow: Narrow
    count: int | None
    emergency: Emergency | None = None


def read_form(body: bytes) -> Pairs:
    """The pairs of a form.

    Raises:
        Problem: 400, it is none, or too long.
    """
    try:
        text = body.decode("ascii")
        return parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except (UnicodeDecodeError, ValueError):
        raise Problem(400, "malformed-search") from None


def only_own(pairs: Pairs, allowed: Iterable[str] = ()) -> int | None:
    """The `_count` of a search about oneself, which takes no other parameters.

    Raises:
        Problem: 400, one is unknown, given twice or malformed.
    """
    values = _single(pairs, frozenset(allowed) | {"_count", "_format"})
    _check_format(values)
    return _count(values)


def dispense_search(pairs: Pairs) -> DispenseSearch:
    """The search that the parameters ask for.

    Raises:
        Problem: 400, one is unknown, given twice or malformed.
    """
    dates = [value for name, value in pairs if name == "whenhandedover"]
    others = [(name, value) for name, value in pairs if name != "whenhandedover"]
    known = PATIENT | {"identifier", "status", "_count", "_sort", "_format", "purpose", *_WHY}
    values = _single(others, known)
    _check_format(values)
    given = [value for name, value in values.items() if name in PATIENT]
    if len(given) > 1:
        raise _refused("patient", "given-twice")
    start, end = period(dates)
    versions = _versions(values.get("status"))
    if versions is None:
        start = end = _NOTHING
    return DispenseSearch(
        patient=patient_number(given[0]) if given else None,
        narrow=Narrow(
            start=start,
            end=end,
            dguid=_line(values.get("identifier")),
            oldest_first=_oldest_first(values.get("_sort")),
            versions=versions or "current",
        ),
        count=_count(values),
        emergency=_emergency(values),
    )


def _emergency(values: Mapping[str, str]) -> Emergency | None:
    """None if no purpose is named; then a motivation would be passed over, and is refused."""
    purpose = values.get("purpose")
    if purpose is None:
        for name in _WHY.keys() & values.keys():
            raise _refused(name, "without-purpose")
        return None
    system, code = _token(purpose)
    if system not in ("", systems.ACT_REASON) or code not in IN_EMERGENCY:
        raise _refused("purpose", "purpose")
    return Emergency(_why(values, "motivation_type"), _why(values, "motivation"))


def _why(values: Mapping[str, str], name: str) -> str:
    if name not in values:
        raise _refused(name, "missing")
    try:
        return _WHY[name].validate_python(values[name])
    except ValidationError:
        raise _refused(name, name.replace("_", "-")) from None


def _single(pairs: Pairs, known: frozenset[str]) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            # The name is the caller's own text, so it is not repeated.
            raise _refused("", "unknown-parameter")
        if name in values:
            raise _refused(name, "given-twice")
        values[name] = value
    return values


def _refused(name: str, code: str) -> Problem:
    return Problem(
        400, "malformed-search", [FieldIssue(path=f"/{name}" if name else "", code=code)]
    )


def _check_format(values: Mapping[str, str]) -> None:
    if values.get("_format", "json") not in ("json", "application/json", "application/fhir+json"):
        raise _refused("_format", "only-json")


def _count(values: Mapping[str, str]) -> int | None:
    text = values.get("_count")
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise _refused("_count", "count")
    return int(text)


def _oldest_first(text: str | None) -> bool:
    if text not in (None, "whenhandedover", "-whenhandedover"):
        raise _refused("_sort", "sort")
    return text == "whenhandedover"


def _versions(text: str | None) -> Versions | None:
    """Which lines have one of these statuses; completed ones if none is named, None: no line."""
    if text is None:
        return "current"
    wanted = set(text.split(","))
    if not wanted <= STATUSES:
        raise _refused("status", "status")
    return _HELD.get(frozenset(wanted & {"completed", "entered-in-error"}))


def _token(text: str) -> tuple[str, str]:
    """System (empty if none was named) and value."""
    system, bar, value = text.rpartition("|")
    return (systems.canonical(system) if bar and system else ""), value.strip()


def patient_number(text: str) -> str:
    """The national number that a `patient` parameter names, under any name of its system.

    Raises:
        Problem: 400, it names none.
    """
    system, value = _token(text)
    if value.startswith(systems.PSEUDONYMISED) or text.startswith(systems.PSEUDONYMISED):
        raise _refused("patient", "pseudonymised")
    if system not in ("", systems.SSIN):
        raise _refused("patient", "unknown-system")
    try:
        return niss.validate(value)
    except InvalidNumber:
        raise Problem(
            400, "malformed-identifier", [FieldIssue(path="/patient", code="niss")]
        ) from None


def _line(text: str | None) -> str | None:
    if text is None:
        return None
    system, value = _token(text)
    if system not in ("", systems.DGUID):
        raise _refused("identifier", "unknown-system")
    try:
        return guid.validate(value)
    except InvalidNumber:
        raise Problem(
            400, "malformed-identifier", [FieldIssue(path="/identifier", code="dguid")]
        ) from None


def period(values: Iterable[str]) -> tuple[datetime | None, datetime | None]:
    """The half-open period in which all conditions on a date hold; None leaves an end open.

    Raises:
        Problem: 400, one is no date with a prefix that is known.
    """
    start: datetime | None = None
    end: datetime | None = None
    for text in values:
        prefix, plain = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
        if prefix not in _PREFIXES:
            raise _refused("whenhandedover", "prefix")
        first, after = span(plain)
        earliest = {"eq": first, "ge": first, "gt": after, "sa": after}.get(prefix)
        latest = {"eq": after, "le": after, "lt": first, "eb": first}.get(prefix)
        start = max(start or earliest, earliest) if earliest else start
        end = min(end or latest, latest) if latest else end
    return start, end


def span(text: str) -> tuple[datetime, datetime]:
    """The half-open period that a date of any precision covers; Belgian time unless it says.

    Raises:
        Problem: 400, it is none.
    """
    # In a form a plus sign that is not escaped arrives as a space.
    found = _DATE.fullmatch(text.replace(" ", "+"))
    if found is None:
        raise _refused("whenhandedover", "date")
    try:
        return _moment(found) if found["time"] else _days(found)
    except (ValueError, OverflowError):
        raise _refused("whenhandedover", "date") from None


def _days(found: re.Match[str]) -> tuple[datetime, datetime]:
    year = int(found["year"])
    if found["month"] is None:
        first, after = date(year, 1, 1), date(year + 1, 1, 1)
    elif found["day"] is None:
        month = int(found["month"])
        first = date(year, month, 1)
        after = date(year + month // _MONTHS, month % _MONTHS + 1, 1)
    else:
        first = date(year, int(found["month"]), int(found["day"]))
        after = first + timedelta(days=1)
    return brussels.start_of_day(first), brussels.start_of_day(after)


def _moment(found: re.Match[str]) -> tuple[datetime, datetime]:
    clock, zone = found["time"], found["zone"] or ""
    day = f"{found['year']}-{found['month']}-{found['day']}"
    moment = datetime.fromisoformat(f"{day}T{clock}{zone.replace('Z', '+00:00')}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=brussels.BRUSSELS)
    width = timedelta(microseconds=1)
    if len(clock) == _MINUTE_CHARS:
        width = timedelta(minutes=1)
    elif len(clock) == _SECOND_CHARS:
        width = timedelta(seconds=1)
    first = moment.astimezone(UTC)
    return first, first + width
