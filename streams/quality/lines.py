"""What becomes of each line of an opened submission: the decision, and the fact it turns into.

Lines are decided one after the other, so a line may return or repeat an earlier one of the same
submission. Everything found in a line is reported at once.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple, assert_never

from pydantic_core import to_json

from schemas.dispensation import (
    CORRECTED,
    REGISTERED,
    REVOKED,
    CorrectBody,
    CorrectedLine,
    RegisterBody,
    RevokeBody,
    SubmittedLine,
)
from schemas.identifiers import guid
from schemas.keyvault import PeriodSecret
from schemas.receipts import Issue, LineResult
from schemas.sealing import facts
from streams.quality import codes, content, lifecycle, returns, rules
from streams.quality.answers import LineAnswer
from streams.quality.content import NormalLine, NormalRevocation
from streams.quality.gathered import Visit
from streams.quality.inspection import Inspection, LineInspection
from streams.quality.ledger import Ledger
from streams.quality.lifecycle import (
    Claim,
    Correct,
    Duplicate,
    LineState,
    Record,
    Refused,
    Register,
    Revoke,
    Status,
)
from streams.quality.returns import Bringing, ReturnFault
from streams.quality.state import QualityState

MAX_CONTENT_BYTES: Final = 40 * 1024
"""Largest normal form of a line: sealed and encoded it stays below the limit of an output."""
_RETURN_PATHS: Final[dict[ReturnFault, str]] = {
    "RETURN_INVALID": "/returns",
    "RETURN_PRODUCT_DIFFERS": "/product",
    "RETURN_TOO_MANY": "/units",
    "RETURN_NOT_COMPARED": "/returns",
}


class Entry(NamedTuple):
    """A line that enters the record: what its fact needs besides its `ce_id`."""

    dguid: str
    version: int
    replaced: LineState | None
    period: PeriodSecret
    digest: str
    form: NormalLine | NormalRevocation
    warnings: tuple[str, ...]
    score: int
    """Unused by a revocation, which states none."""


class DecidedLine(NamedTuple):
    """What the receipt says of a line, and what enters the record."""

    answer: LineAnswer
    entry: Entry | None = None


def rejected(inspection: Inspection) -> tuple[DecidedLine, ...]:
    """The lines of a message that is refused as a whole."""
    return tuple(_refused(line, line.issues) for line in inspection.lines)


def decide(visit: Visit, state: QualityState) -> tuple[DecidedLine, ...]:
    """Every line of a submission whose message is in order."""
    body, ledger = visit.inspection.body, Ledger(visit, state)
    match body:
        case RegisterBody() | CorrectBody():
            return tuple(_decide_lines(ledger, body))
        case RevokeBody():
            return (_decide_revocation(ledger, body),)
        case None:
            return ()
        case _:
            assert_never(body)


def fact(visit: Visit, entry: Entry, ce_id: str) -> tuple[str, bytes]:
    """The event type and the bytes of the sealed fact of a line."""
    type_ = _fact_type(entry)
    sealer = visit.sealer(type_, entry.period, entry.version)
    sealed = sealer.seal(ce_id, entry.dguid, entry.form.written)
    return type_, to_json(_fact(visit, entry, sealed))


def _decide_lines(ledger: Ledger, body: RegisterBody | CorrectBody) -> Iterator[DecidedLine]:
    visit = ledger.visit
    for line, inspected in zip(body.lines, visit.inspection.lines, strict=True):
        one = _decide_line(ledger, body, line, inspected)
        entry = one.entry
        if entry is not None and isinstance(entry.form, NormalLine):
            ledger.enter(entry.dguid, _as_state(visit, entry), entry.form)
        yield one


def _decide_line(
    ledger: Ledger,
    body: RegisterBody | CorrectBody,
    line: SubmittedLine,
    inspected: LineInspection,
) -> DecidedLine:
    visit = ledger.visit
    static = {issue.code for issue in inspected.issues if issue.severity == "reject"}
    if inspected.dguid is None or "DGUID_REPEATED" in static:
        return _refused(inspected, inspected.issues)
    made = None if static else content.normal_line(visit.pharmacy, body, line)
    # A line that fails a rule equals no recorded one; the empty digest is no line's.
    digest = facts.line_digest(visit.subject.secret, made.document) if made else ""
    decision = _lifecycle(ledger, line, digest, inspected.dguid)
    if isinstance(decision, Duplicate):
        return _duplicate(inspected, decision.current)
    issues = list(inspected.issues)
    if "RETURN_INVALID" not in static and "GUID_INVALID" not in static:
        issues += _return_issues(ledger, line, inspected, made)
    if isinstance(decision, Refused):
        issues.append(_lifecycle_issue(decision, inspected))
    period = visit.gathered.days[visit.inspection.day] if visit.inspection.day else None
    if not isinstance(period, PeriodSecret):
        issues.append(codes.issue("PERIOD_CLOSED", "/delivered_at"))
    elif (
        made
        and isinstance(decision, Record)
        and _is_repeated(ledger, made, inspected.dguid, period)
    ):
        issues.append(_issue(visit, "PRODUCT_REPEATED", f"{inspected.path}/product"))
    if made and len(made.written) > MAX_CONTENT_BYTES:
        issues.append(codes.issue("SUBMISSION_TOO_LARGE", inspected.path, scope="line"))
    found = tuple(issues)
    if (
        codes.refuses(found)
        or made is None
        or not isinstance(decision, Record)
        or not isinstance(period, PeriodSecret)
    ):
        return _refused(inspected, found, decision)
    return _recorded(visit, inspected, found, decision, form=made, digest=digest, period=period)


def _lifecycle(ledger: Ledger, line: SubmittedLine, digest: str, dguid: str) -> lifecycle.Decision:
    visit, current = ledger.visit, ledger.line(dguid)
    claim = Claim(visit.subject.subject, visit.subject.generation, digest)
    command = Correct(claim, line.replaces) if isinstance(line, CorrectedLine) else Register(claim)
    return lifecycle.decide(current, command, erased=visit.gathered.is_erased(current))


def _return_issues(
    ledger: Ledger, line: SubmittedLine, inspected: LineInspection, made: NormalLine | None
) -> list[Issue]:
    """What is wrong with a return beside its own form."""
    if line.returns is None:
        return _shrunk(ledger, line, inspected)
    visit, dguid = ledger.visit, guid.compact(line.returns)
    named = ledger.line(dguid)
    stands = named is not None and named.status != "revoked"
    theirs = named is not None and named.subject == visit.subject.subject
    if not stands or not theirs or visit.gathered.is_erased(named):
        return [codes.issue("RETURN_INVALID", f"{inspected.path}/returns")]
    if made is None:
        return []
    own = inspected.dguid or ""
    found = returns.faults(
        Bringing(dguid, made.product, -made.units), ledger.content(dguid), ledger.others(own)
    )
    return [
        _issue(visit, code, inspected.path + _RETURN_PATHS[code])
        for code in found
        if code in visit.active
    ]


def _shrunk(ledger: Ledger, line: SubmittedLine, inspected: LineInspection) -> list[Issue]:
    """A correction may not leave less delivered than was brought back already."""
    if not isinstance(line, CorrectedLine) or "RETURN_TOO_MANY" not in ledger.visit.active:
        return []
    own = inspected.dguid or ""
    if returns.brought_back(own, ledger.others(own)) <= max(line.units, 0):
        return []
    return [codes.issue("RETURN_TOO_MANY", f"{inspected.path}/units")]


def _is_repeated(ledger: Ledger, made: NormalLine, dguid: str, period: PeriodSecret) -> bool:
    """Whether the product was delivered to the patient in the same minute by another line."""
    if made.units <= 0 or "PRODUCT_REPEATED" not in ledger.visit.active:
        return False
    minute = _minute(made.delivered_at)
    return any(
        other.units > 0
        and content.same_product(other.product, made.product)
        and _minute(other.delivered_at) == minute
        for other in ledger.others(dguid, period.period)
    )


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _decide_revocation(ledger: Ledger, body: RevokeBody) -> DecidedLine:
    visit, inspected = ledger.visit, ledger.visit.inspection.lines[0]
    if inspected.dguid is None:
        return _refused(inspected, inspected.issues)
    current = ledger.line(inspected.dguid)
    command = Revoke(visit.subject.subject, body.replaces)
    decision = lifecycle.decide(current, command, erased=visit.gathered.is_erased(current))
    match decision:
        case Refused():
            return _refused(inspected, (_lifecycle_issue(decision, inspected),), decision)
        case Duplicate():
            return _duplicate(inspected, decision.current)
        case Record():
            return _revoked(ledger, inspected, body, decision)
        case _:
            assert_never(decision)


def _revoked(
    ledger: Ledger, inspected: LineInspection, body: RevokeBody, decision: Record
) -> DecidedLine:
    visit, replaced = ledger.visit, decision.replaced
    if replaced is None:
        raise ValueError("a revocation without a line was decided as recorded")
    period = visit.gathered.periods[replaced.period]
    if not isinstance(period, PeriodSecret):
        closed = codes.issue("PERIOD_CLOSED", "/dguid")
        return _refused(inspected, (closed,), decision)
    if "VISIT_MISMATCH" in visit.active and not _of_visit(ledger, inspected, body):
        stranger = Refused("VISIT_MISMATCH", replaced.version)
        return _refused(inspected, (_lifecycle_issue(stranger, inspected),), stranger)
    made = content.normal_revocation(body)
    digest = facts.line_digest(visit.subject.secret, made.document)
    found = inspected.issues
    return _recorded(visit, inspected, found, decision, form=made, digest=digest, period=period)


def _of_visit(ledger: Ledger, inspected: LineInspection, body: RevokeBody) -> bool:
    current = ledger.content(inspected.dguid or "")
    return current is not None and guid.compact(current.sguid) == guid.compact(body.sguid)


def _recorded(
    visit: Visit,
    inspected: LineInspection,
    issues: tuple[Issue, ...],
    decision: Record,
    *,
    form: NormalLine | NormalRevocation,
    digest: str,
    period: PeriodSecret,
) -> DecidedLine:
    dguid = inspected.dguid or ""
    warnings = visit.warnings(issues)
    score = rules.score(warnings, visit.prepared.limits)
    return DecidedLine(
        LineAnswer(
            inspected.path,
            dguid,
            "recorded",
            decision.version,
            score if isinstance(form, NormalLine) else None,
            issues,
        ),
        Entry(dguid, decision.version, decision.replaced, period, digest, form, warnings, score),
    )


def _duplicate(inspected: LineInspection, current: LineState) -> DecidedLine:
    return DecidedLine(
        LineAnswer(
            inspected.path,
            inspected.dguid,
            "duplicate",
            current.version,
            current.score,
            inspected.issues,
        )
    )


def _refused(
    inspected: LineInspection,
    issues: tuple[Issue, ...],
    decision: lifecycle.Decision | None = None,
) -> DecidedLine:
    erased = isinstance(decision, Refused) and decision.code == "LINE_ERASED"
    outcome: LineResult = "erased" if erased else "rejected"
    return DecidedLine(
        LineAnswer(
            inspected.path, inspected.dguid, outcome, _current_version(decision), None, issues
        )
    )


def _current_version(decision: lifecycle.Decision | None) -> int | None:
    match decision:
        case Refused():
            return decision.version
        case Duplicate():
            return decision.current.version
        case Record():
            return decision.replaced.version if decision.replaced else None
        case None:
            return None
        case _:
            assert_never(decision)


def _lifecycle_issue(decision: Refused, inspected: LineInspection) -> Issue:
    match decision.code:
        case "VERSION_STALE":
            path = f"{inspected.path}/replaces"
        case "PATIENT_MISMATCH":
            path = "/patient/niss"
        case "VISIT_MISMATCH":
            path = "/sguid"
        case "DGUID_CONFLICT" | "LINE_UNKNOWN" | "LINE_REVOKED" | "LINE_ERASED":
            path = f"{inspected.path}/dguid"
        case _:
            assert_never(decision.code)
    return codes.issue(decision.code, path)


def _fact_type(entry: Entry) -> str:
    if isinstance(entry.form, NormalRevocation):
        return REVOKED
    return CORRECTED if entry.replaced else REGISTERED


def _fact(visit: Visit, entry: Entry, sealed: str) -> dict[str, object]:
    """The members of `RegisteredFact`, `CorrectedFact` or `RevokedFact`, in their order."""
    members: dict[str, object] = {
        "pharmacy": visit.pharmacy,
        "dguid": entry.dguid,
        "version": entry.version,
        "subject": visit.subject.subject,
        "generation": visit.subject.generation,
        "period": entry.period.period,
        "digest": entry.digest,
        "sealed": sealed,
    }
    members["status"] = _status(entry)
    if isinstance(entry.form, NormalLine):
        members |= {"score": entry.score, "warnings": entry.warnings}
    if entry.replaced is not None:
        members["supersedes"] = _supersedes(visit, entry.replaced)
    return members


def _supersedes(visit: Visit, replaced: LineState) -> dict[str, object]:
    day = visit.gathered.periods[replaced.period].day
    return {
        "version": replaced.version,
        "month": f"{day:%Y-%m}",
        "subject": replaced.subject,
    }


def _status(entry: Entry) -> Status:
    if isinstance(entry.form, NormalRevocation):
        return "revoked"
    return "corrected" if entry.replaced else "registered"


def _as_state(visit: Visit, entry: Entry) -> LineState:
    subject, period = visit.subject, entry.period.period
    return LineState(
        entry.version,
        _status(entry),
        subject.subject,
        subject.generation,
        period,
        entry.digest,
        entry.score,
    )


def _issue(visit: Visit, code: str, path: str) -> Issue:
    """A finding whose severity is policy's to set."""
    return codes.issue(code, path, policy=visit.prepared.limits)
