"""From the opened bytes to a body and every finding that needs no memory of earlier submissions.

JSON that parsers disagree about is refused before pydantic reads the same bytes. Pointers name
members of the agreed form only, and no finding repeats a submitted value.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from pydantic import ValidationError

from schemas import brussels, strictjson
from schemas.dispensation import (
    MAX_LINES,
    MAX_SUBMISSION_BYTES,
    SUBMISSION_BODIES,
    RevokeBody,
    SubmissionBody,
)
from schemas.identifiers import guid
from schemas.policy import QualityPolicy
from schemas.receipts import Issue
from schemas.sealing.pseudonym import subject_pseudonym
from streams.quality import codes, rules
from streams.quality.rules import Context

MAX_MALFORMED: Final = 20
"""How many structural faults of one body are named."""
_UNION_MEMBER: Final = "product"
_UNION_TAG: Final = "/kind"


@dataclass(frozen=True, slots=True)
class LineInspection:
    """One line's findings; `dguid` is None where it is none, `path` is empty for a revocation."""

    path: str
    dguid: str | None
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a body says by itself. `subject` and `day` are present where they could be told."""

    body: SubmissionBody | None
    issues: tuple[Issue, ...] = ()
    lines: tuple[LineInspection, ...] = ()
    subject: str | None = None
    day: date | None = None

    @property
    def refused(self) -> bool:
        """Whether a finding about the whole message refuses it."""
        return self.body is None or codes.refuses(self.issues)


def inspect(
    event_type: str,
    data: bytes,
    *,
    policy: QualityPolicy,
    appended_at: datetime,
    pseudonym_key: bytes,
) -> Inspection:
    """Read a body and apply every rule to it; total over all bytes."""
    body = read_body(event_type, data)
    if not isinstance(body, SubmissionBody):
        return Inspection(None, body)
    lines = rules.lines_of(body)
    if len(lines) > MAX_LINES:
        return Inspection(None, (codes.issue("TOO_MANY_LINES", "/lines"),))
    context = Context(body, policy, appended_at, rules.repeated_lines(lines))
    issues = tuple(
        codes.issue(rule.code, path, policy=policy, scope="message")
        for rule in rules.MESSAGE_RULES
        for path in rule.faults(context)
    )
    found = {issue.code for issue in issues}
    moment = rules.delivered_at(body)
    timely = moment is not None and not found & {"DELIVERY_IN_FUTURE", "DELIVERY_TOO_OLD"}
    return Inspection(
        body=body,
        issues=issues,
        lines=_inspect_lines(context),
        subject=(
            None if "NISS_INVALID" in found else subject_pseudonym(pseudonym_key, body.patient.niss)
        ),
        day=brussels.day_of(moment) if moment is not None and timely else None,
    )


def read_body(event_type: str, data: bytes) -> SubmissionBody | tuple[Issue, ...]:
    """The body in `data`, or what is wrong with its form, at most `MAX_MALFORMED` findings."""
    try:
        strictjson.parse(data, max_bytes=MAX_SUBMISSION_BYTES)
    except strictjson.MalformedJson as error:
        return (codes.issue("BODY_MALFORMED", hint=f"Not acceptable as JSON: {error.reason}."),)
    try:
        return SUBMISSION_BODIES[event_type].read(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return _structural_issues([(fault["loc"], fault["type"]) for fault in faults])


def pointer(loc: tuple[int | str, ...]) -> str:
    """The RFC 6901 pointer of a validation error's place.

    A place below a product names the variant after the member, which is not in the document.
    """
    path = ""
    previous: int | str | None = None
    for part in loc:
        if previous != _UNION_MEMBER or not isinstance(part, str):
            path += "/" + str(part).replace("~", "~0").replace("/", "~1")
            previous = part
        else:
            previous = None
    return path


def _structural_issues(faults: list[tuple[tuple[int | str, ...], Any]]) -> tuple[Issue, ...]:
    paths: dict[str, str] = {}
    for loc, kind in faults:
        path = pointer(loc)
        if kind in ("union_tag_invalid", "union_tag_not_found"):
            path += _UNION_TAG
        counts_only_good_items = kind == "too_short" and len(faults) > 1
        if not (counts_only_good_items and any(o[: len(loc)] == loc != o for o, _ in faults)):
            paths.setdefault(path, str(kind))
    return tuple(
        codes.issue("BODY_MALFORMED", path, hint=f"Against the JSON Schema: {kind}.")
        for path, kind in list(paths.items())[:MAX_MALFORMED]
    )


def _inspect_lines(context: Context) -> tuple[LineInspection, ...]:
    if isinstance(context.body, RevokeBody):
        return (_inspect_revocation(context.body),)
    return tuple(
        LineInspection(
            path=f"/lines/{index}",
            dguid=_guid(line.dguid),
            issues=tuple(
                codes.issue(rule.code, f"/lines/{index}{path}", policy=context.policy, scope="line")
                for rule in rules.LINE_RULES
                for path in rule.faults(context, line, index)
            ),
        )
        for index, line in enumerate(rules.lines_of(context.body))
    )


def _inspect_revocation(body: RevokeBody) -> LineInspection:
    dguid = _guid(body.dguid)
    issues = () if dguid else (codes.issue("GUID_INVALID", "/dguid", scope="line"),)
    return LineInspection("", dguid, issues)


def _guid(text: str) -> str | None:
    return guid.compact(text) if guid.is_valid(text) else None
