"""What becomes of each line of an opened submission: the decision, and the fact it turns into.

Lines are decided one after the other, so a line may return or repeat an earlier one of the same
submission. Everything found in a line is reported at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, assert_never

from schemas.dispensation import (
    CORRECTED,
    REGISTERED,
    REVOKED,
    CorrectBody,
    CorrectedFact,
    CorrectedLine,
    LineContent,
    RegisterBody,
    RegisteredFact,
    RevocationContent,
    RevokeBody,
    RevokedFact,
    SubmittedLine,
    Supersedes,
)
from schemas.identifiers import guid
from schemas.keyvault import PeriodSecret, SubjectSecret
from schemas.receipts import Issue, LineOutcome, LineResult
from schemas.sealing import facts
from schemas.sealing.facts import FactKeys
from streams.quality import codes, content, lifecycle, rules
from streams.quality.gathered import Gathered, Prepared
from streams.quality.inspection import Inspection, LineInspection
from streams.quality.lifecycle import Claim, Duplicate, LineState, Record, Refused
from streams.quality.state import LineKey

MAX_CONTENT_BYTES: Final = 40 * 1024
"""Largest normal form of a line: sealed and encoded it stays below the limit of an output."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What all lines of one submission share."""

    pharmacy: str
    prepared: Prepared
    inspection: Inspection
    gathered: Gathered
    subject: SubjectSecret
    _keys: dict[tuple[str, int], FactKeys] = field(default_factory=dict, repr=False)

    def keys(self, period: PeriodSecret, version: int) -> FactKeys:
        """The keys of a version delivered in that period; lines of a visit mostly share them."""
        wanted = (period.period, version)
        if wanted not in self._keys:
            keys = facts.record_keys(self.subject.secret, period.secret, version)
            self._keys[wanted] = keys
        return self._keys[wanted]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes found in the message as a whole, which lower the score of each line."""
        return tuple(issue.code for issue in self.inspection.issues)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that enters the record: what its fact needs besides its `ce_id`."""

    dguid: str
    version: int
    replaced: LineState | None
    period: PeriodSecret
    digest: str
    content: LineContent | RevocationContent
    written: bytes = field(repr=False)
    """The content's bytes, which are sealed."""
    warnings: tuple[str, ...]
    score: int
    """Unused by a revocation, which states none."""


@dataclass(frozen=True, slots=True)
class DecidedLine:
    """What the receipt says of a line, and what enters the record."""

    outcome: LineOutcome
    entry: Entry | None = None


Fact = RegisteredFact | CorrectedFact | RevokedFact


def rejected(inspection: Inspection) -> tuple[DecidedLine, ...]:
    """The lines of a message that is refused as a whole."""
    return tuple(_refused(line, line.issues) for line in inspection.lines)


def decide(visit: Visit, known: Mapping[LineKey, LineState]) -> tuple[DecidedLine, ...]:
    """Every line of a submission whose message is in order."""
    body = visit.inspection.body
    if isinstance(body, RevokeBody):
        return (_decide_revocation(visit, body, known),)
    if body is None:
        return ()
    seen = dict(_relevant(visit, body, known))
    decided: list[DecidedLine] = []
    for line, inspected in zip(body.lines, visit.inspection.lines, strict=True):
        one = _decide_line(visit, body, line, inspected, seen)
        decided.append(one)
        if one.entry is not None:
            seen[(visit.pharmacy, one.entry.dguid)] = _as_state(visit, one.entry)
    return tuple(decided)


def fact(visit: Visit, entry: Entry, ce_id: str) -> tuple[str, Fact]:
    """The event type and the sealed fact of a line."""
    type_ = _fact_type(entry)
    secret, period = visit.subject, entry.period
    associated = facts.record_associated_data(
        type_=type_,
        pharmacy=visit.pharmacy,
        dguid=entry.dguid,
        version=entry.version,
        subject=secret.subject,
        generation=secret.generation,
        period=period.period,
    )
    keys = visit.keys(period, entry.version)
    sealed = facts.seal(keys, ce_id, associated, entry.written)
    return type_, _fact(visit, entry, sealed)


def _relevant(
    visit: Visit, body: RegisterBody | CorrectBody, known: Mapping[LineKey, LineState]
) -> dict[LineKey, LineState]:
    named = [line.dguid for line in body.lines]
    named += [line.returns for line in body.lines if line.returns is not None]
    keys = {(visit.pharmacy, guid.compact(one)) for one in named}
    return {key: known[key] for key in keys if key in known}


def _decide_line(
    visit: Visit,
    body: RegisterBody | CorrectBody,
    line: SubmittedLine,
    inspected: LineInspection,
    seen: Mapping[LineKey, LineState],
) -> DecidedLine:
    static = {issue.code for issue in inspected.issues if issue.severity == "reject"}
    if inspected.dguid is None or "DGUID_REPEATED" in static:
        return _refused(inspected, inspected.issues)
    made = None if static else content.line_content(visit.pharmacy, body, line)
    written = made.write() if made else b""
    # A line that fails a rule equals no recorded one; the empty digest is no line's.
    digest = content.digest(visit.subject.secret, written) if made else ""
    current = seen.get((visit.pharmacy, inspected.dguid))
    decision = _lifecycle(visit, line, digest, current)
    issues = list(inspected.issues)
    if "RETURN_INVALID" not in static and "GUID_INVALID" not in static:
        issues += _return_issues(visit, line, inspected, seen)
    if isinstance(decision, Refused):
        issues.append(_lifecycle_issue(decision, inspected))
    if isinstance(decision, Duplicate) and not codes.refuses(tuple(issues)):
        return _duplicate(inspected, decision.current)
    period = visit.gathered.days[visit.inspection.day] if visit.inspection.day else None
    if not isinstance(period, PeriodSecret):
        issues.append(codes.issue("PERIOD_CLOSED", "/delivered_at"))
    if len(written) > MAX_CONTENT_BYTES:
        issues.append(codes.issue("SUBMISSION_TOO_LARGE", inspected.path, scope="line"))
    if (
        codes.refuses(tuple(issues))
        or made is None
        or not isinstance(decision, Record)
        or not isinstance(period, PeriodSecret)
    ):
        return _refused(inspected, tuple(issues), decision)
    return _recorded(
        visit, inspected, decision, made=made, written=written, digest=digest, period=period
    )


def _lifecycle(
    visit: Visit, line: SubmittedLine, digest: str, current: LineState | None
) -> lifecycle.Decision:
    erased = visit.gathered.is_erased(current)
    claim = Claim(visit.subject.subject, visit.subject.generation, digest)
    if isinstance(line, CorrectedLine):
        return lifecycle.decide_correct(current, claim, line.replaces, erased=erased)
    return lifecycle.decide_register(current, claim, erased=erased)


def _return_issues(
    visit: Visit,
    line: SubmittedLine,
    inspected: LineInspection,
    seen: Mapping[LineKey, LineState],
) -> list[Issue]:
    if line.returns is None:
        return []
    named = seen.get((visit.pharmacy, guid.compact(line.returns)))
    erased = visit.gathered.is_erased(named)
    if lifecycle.may_return(named, visit.subject.subject, erased=erased):
        return []
    return [codes.issue("RETURN_INVALID", f"{inspected.path}/returns")]


def _decide_revocation(
    visit: Visit, body: RevokeBody, known: Mapping[LineKey, LineState]
) -> DecidedLine:
    inspected = visit.inspection.lines[0]
    if inspected.dguid is None:
        return _refused(inspected, inspected.issues)
    current = known.get((visit.pharmacy, inspected.dguid))
    erased = visit.gathered.is_erased(current)
    subject = visit.subject.subject
    decision = lifecycle.decide_revoke(current, subject, body.replaces, erased=erased)
    match decision:
        case Refused():
            return _refused(inspected, (_lifecycle_issue(decision, inspected),), decision)
        case Duplicate():
            return _duplicate(inspected, decision.current)
        case Record():
            return _revoked(visit, inspected, body, decision)
        case _:
            assert_never(decision)


def _revoked(
    visit: Visit, inspected: LineInspection, body: RevokeBody, decision: Record
) -> DecidedLine:
    if decision.replaced is None:
        raise ValueError("a revocation without a line was decided as recorded")
    period = visit.gathered.periods[decision.replaced.period]
    if not isinstance(period, PeriodSecret):
        closed = codes.issue("PERIOD_CLOSED", "/dguid")
        return _refused(inspected, (closed,), decision)
    made = content.revocation_content(body)
    written = made.write()
    digest = content.digest(visit.subject.secret, written)
    return _recorded(
        visit, inspected, decision, made=made, written=written, digest=digest, period=period
    )


def _recorded(
    visit: Visit,
    inspected: LineInspection,
    decision: Record,
    *,
    made: LineContent | RevocationContent,
    written: bytes,
    digest: str,
    period: PeriodSecret,
) -> DecidedLine:
    dguid = inspected.dguid or ""
    found = (*visit.warnings, *(issue.code for issue in inspected.issues))
    warnings = tuple(dict.fromkeys(found))
    score = rules.score(warnings, visit.prepared.limits)
    return DecidedLine(
        LineOutcome(
            path=inspected.path,
            dguid=dguid,
            outcome="recorded",
            version=decision.version,
            score=score if isinstance(made, LineContent) else None,
            issues=inspected.issues,
        ),
        Entry(
            dguid,
            decision.version,
            decision.replaced,
            period,
            digest,
            made,
            written,
            warnings,
            score,
        ),
    )


def _duplicate(inspected: LineInspection, current: LineState) -> DecidedLine:
    return DecidedLine(
        LineOutcome(
            path=inspected.path,
            dguid=inspected.dguid,
            outcome="duplicate",
            version=current.version,
            score=current.score,
            issues=inspected.issues,
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
        LineOutcome(
            path=inspected.path,
            dguid=inspected.dguid,
            outcome=outcome,
            version=_current_version(decision),
            issues=issues,
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
        case "DGUID_CONFLICT" | "LINE_UNKNOWN" | "LINE_REVOKED" | "LINE_ERASED":
            path = f"{inspected.path}/dguid"
        case _:
            assert_never(decision.code)
    return codes.issue(decision.code, path)


def _fact_type(entry: Entry) -> str:
    if isinstance(entry.content, RevocationContent):
        return REVOKED
    return CORRECTED if entry.replaced else REGISTERED


def _fact(visit: Visit, entry: Entry, sealed: str) -> Fact:
    common: dict[str, Any] = {
        "pharmacy": visit.pharmacy,
        "dguid": entry.dguid,
        "version": entry.version,
        "subject": visit.subject.subject,
        "generation": visit.subject.generation,
        "period": entry.period.period,
        "digest": entry.digest,
        "sealed": sealed,
    }
    if entry.replaced is None:
        return RegisteredFact(**common, score=entry.score, warnings=entry.warnings)
    common["supersedes"] = _supersedes(visit, entry.replaced)
    if isinstance(entry.content, RevocationContent):
        return RevokedFact(**common)
    return CorrectedFact(**common, score=entry.score, warnings=entry.warnings)


def _supersedes(visit: Visit, replaced: LineState) -> Supersedes:
    day = visit.gathered.periods[replaced.period].day
    return Supersedes(version=replaced.version, month=f"{day:%Y-%m}", subject=replaced.subject)


def _as_state(visit: Visit, entry: Entry) -> LineState:
    registered = LineState(
        version=entry.version,
        status="registered",
        subject=visit.subject.subject,
        generation=visit.subject.generation,
        period=entry.period.period,
        digest=entry.digest,
        score=entry.score,
    )
    return replace(registered, status="corrected") if entry.replaced else registered
