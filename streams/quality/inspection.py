"""From the opened bytes to a body and every finding that needs no memory of earlier submissions.

JSON that parsers disagree about is refused before pydantic reads the same bytes. Pointers name
members of the agreed form only, and no finding repeats a submitted value.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple, assert_never

from pydantic import ValidationError

from schemas import brussels, strictjson
from schemas.dispensation import (
    MAX_LINES,
    MAX_SUBMISSION_BYTES,
    SUBMISSION_BODIES,
    CorrectBody,
    MagistralPreparation,
    MedicinalProduct,
    RegisterBody,
    RevokeBody,
    SubmissionBody,
    UnregisteredProduct,
)
from schemas.identifiers import cnk, guid
from schemas.policy import PolicyVersion
from schemas.receipts import Issue, Scope
from schemas.sealing.pseudonym import subject_pseudonym
from streams.quality import codes, rules
from streams.quality.rules import Context, Finding, Known

MAX_MALFORMED: Final = 20
"""How many structural faults of one body are named."""
_UNION_MEMBER: Final = "product"
_UNION_TAG: Final = "/kind"
_ALL_FILTERED: Final = "ALL_LINES_FILTERED"
_FILTERED: Final = "PRODUCT_FILTERED"
_UNTIMELY: Final = frozenset({"DELIVERY_IN_FUTURE", "DELIVERY_TOO_OLD"})
"""Without a delivery day that can be relied on."""


class LineInspection(NamedTuple):
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


def read(event_type: str, data: bytes, policy: PolicyVersion) -> SubmissionBody | Inspection:
    """The body in `data`, or the inspection that ends with its form; total over all bytes."""
    try:
        document = strictjson.parse(data, max_bytes=MAX_SUBMISSION_BYTES)
    except strictjson.MalformedJson as error:
        hint = f"Not acceptable as JSON: {error.reason}."
        return Inspection(None, (codes.issue("BODY_MALFORMED", hint=hint),))
    patients = tuple(_patient_faults(document, codes.in_force(policy)))
    try:
        body = SUBMISSION_BODIES[event_type].read(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        named = [(fault["loc"], fault["type"]) for fault in faults]
        if patients:
            named = [(loc, kind) for loc, kind in named if loc[:1] != ("patient",)]
        return Inspection(None, (*patients, *_structural_issues(named)))
    if patients:
        return Inspection(None, patients)
    if len(rules.lines_of(body)) > MAX_LINES:
        return Inspection(None, (codes.issue("TOO_MANY_LINES", "/lines"),))
    return body


def product_codes(body: SubmissionBody) -> Iterator[str]:
    """Every product code of a body that may stand in the catalogue, in seven digits."""
    for line in rules.lines_of(body):
        for written in _written_codes(line.product):
            code = cnk.code(written) if written else None
            if code is not None:
                yield code


def inspect(
    body: SubmissionBody,
    *,
    policy: PolicyVersion,
    appended_at: datetime,
    pseudonym_key: bytes,
    known: Known | None,
) -> Inspection:
    """Apply every rule to a body; `known` is what the catalogue holds of its product codes.

    `known` is None where the policy names no catalogue.
    """
    limits, active = policy.quality, codes.in_force(policy)
    repeated = rules.repeated_lines(rules.lines_of(body))
    context = Context(body, limits, appended_at, repeated, known)
    findings = [one for find in rules.message_rules(active) for one in find(context)]
    issues = _issues(context, active, findings, "message")
    found = {issue.code for issue in issues}
    moment = rules.delivered_at(body)
    timely = moment is not None and found.isdisjoint(_UNTIMELY)
    day = brussels.day_of(moment) if moment is not None and timely else None
    inspected = _inspect_lines(Context(body, limits, appended_at, repeated, known, day), active)
    if inspected and all(_is_filtered(line) for line in inspected):
        issues += (codes.issue(_ALL_FILTERED, "/lines"),)
    return Inspection(
        body=body,
        issues=issues,
        lines=inspected,
        subject=(
            None if "NISS_INVALID" in found else subject_pseudonym(pseudonym_key, body.patient.niss)
        ),
        day=day,
    )


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


def _patient_faults(document: object, active: frozenset[str]) -> Iterator[Issue]:
    """No patient, or several: in a list, in a member `patients`, or with the lines.

    The agreed form has one patient; whatever else a body holds of them would be passed over, and a
    line recorded for the wrong person.
    """
    if not isinstance(document, dict) or "PATIENT_MISSING" not in active:
        return
    patient = document.get("patient")
    for member in ("patient", "patients"):
        listed = document.get(member)
        if isinstance(listed, list) and len(listed) > 1:
            yield codes.issue("MULTIPLE_PATIENTS", f"/{member}")
            return
    if patient in (None, []) or (isinstance(patient, dict) and not patient.get("niss")):
        yield codes.issue("PATIENT_MISSING", "/patient")
    first, lines = _number(patient), document.get("lines")
    for index, line in enumerate(lines if isinstance(lines, list) else ()):
        theirs = line.get("patient") if isinstance(line, dict) else None
        own = None if theirs is None else _number(theirs)
        if own is not None and own != (first := first or own):
            yield codes.issue("MULTIPLE_PATIENTS", f"/lines/{index}/patient")


def _number(patient: object) -> object:
    return patient.get("niss") if isinstance(patient, dict) else patient


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


def _inspect_lines(context: Context, active: frozenset[str]) -> tuple[LineInspection, ...]:
    match context.body:
        case RegisterBody() | CorrectBody():
            checks = rules.line_rules(active)
            lines: list[LineInspection] = []
            for index, line in enumerate(context.body.lines):
                findings = [one for find in checks for one in find(context, line, index)]
                path = f"/lines/{index}"
                issues = _issues(context, active, findings, "line", path) if findings else ()
                lines.append(LineInspection(path, guid.normal(line.dguid), issues))
            return tuple(lines)
        case RevokeBody():
            return (_inspect_revocation(context.body),)
        case _:
            assert_never(context.body)


def _issues(
    context: Context,
    active: frozenset[str],
    findings: Iterable[Finding],
    scope: Scope,
    at: str = "",
) -> tuple[Issue, ...]:
    return tuple(
        codes.issue(code, at + path, policy=context.policy, scope=scope)
        for code, path in findings
        if code in active
    )


def _is_filtered(line: LineInspection) -> bool:
    return any(issue.code == _FILTERED for issue in line.issues)


def _inspect_revocation(body: RevokeBody) -> LineInspection:
    dguid = guid.normal(body.dguid)
    issues = () if dguid else (codes.issue("GUID_INVALID", "/dguid", scope="line"),)
    return LineInspection("", dguid, issues)


def _written_codes(
    product: MedicinalProduct | MagistralPreparation | UnregisteredProduct,
) -> tuple[str | None, ...]:
    match product:
        case MedicinalProduct():
            return (product.cnk,)
        case MagistralPreparation():
            compounds = product.compounds or ()
            return (product.formula_cnk, *(compound.cnk for compound in compounds))
        case UnregisteredProduct():
            return (product.description,)
