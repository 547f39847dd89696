"""A whole submission becomes outputs: at most one fact, and exactly one receipt, which is last.

Pure: everything from outside is in `Case`. The fact is sealed here, deterministically, so the same
input log gives the same bytes.
"""

from dataclasses import dataclass
from typing import Final

from schemas import topics
from schemas.canonical import lp
from schemas.keyvault import SubjectSecret
from schemas.policy import PolicyVersion, baseline
from schemas.receipts import SUBJECT_RECEIPT, Issue, Original, Outcome, Receipt, SubmissionRef
from schemas.registrations import (
    DeclareParent,
    ErasureStep,
    PlaceHold,
    Registration,
    RejectErasure,
    RequestErasure,
)
from schemas.sealing import facts
from schemas.subject import SUBJECT_FACT_TYPES, ErasureContent, SubjectContent, SubjectFact
from streams.engine.outputs import OutputBuilder
from streams.engine.stage import Output, Submission
from streams.subject import admission, codes, parties
from streams.subject.admission import Opened, Sender
from streams.subject.codes import Finding
from streams.subject.decide import decide
from streams.subject.request import Refusal, Request
from streams.subject.state import PartitionState

STAGE: Final = "subject"
DECIDER_VERSION: Final = "subject/2"
"""Changes whenever the same submission could get another outcome."""
_EXPLAINED: Final = (RequestErasure, RejectErasure, PlaceHold)
FACTS: Final = topics.SUBJECT_REGISTERED.name
RECEIPTS: Final = topics.SUBJECT_RECEIPTS.name


@dataclass(frozen=True, slots=True)
class Case:
    """What was gathered about one submission; `secret` is present once its seal has opened."""

    sender: Sender
    policy: PolicyVersion
    secret: SubjectSecret | None


@dataclass(frozen=True, slots=True)
class _Desk:
    """One submission at work: where outputs are built, and what its receipt may name."""

    builder: OutputBuilder
    submission: Submission
    opened: Opened | None = None
    digest: str | None = None


def answer(
    state: PartitionState,
    submission: Submission,
    case: Case,
    pseudonym_key: bytes,
    partitions: int,
) -> tuple[Output, ...]:
    """The outputs of one submission."""
    state.at(submission.appended_at)
    builder = OutputBuilder(STAGE, submission, case.policy.version, DECIDER_VERSION)
    opened = admission.admit(submission, case.sender, partitions)
    if not isinstance(opened, Opened):
        return (_rejection(_Desk(builder, submission), opened),)
    digest = facts.message_digest(_secret(case).secret, lp(opened.type, opened.body))
    desk = _Desk(builder, submission, opened, digest)
    repeated = _repeated(state, desk, opened)
    if repeated is not None:
        return (repeated,)
    fact = _decide(state, desk, opened, case, pseudonym_key)
    if isinstance(fact, Refusal):
        return (_rejection(desk, fact.findings),)
    return _record(desk, opened, fact)


def undecidable(submission: Submission, error_type: str) -> tuple[Output, ...]:
    """The receipt of a submission on which the decision failed; `error_type` names a class."""
    version = baseline("access").version
    builder = OutputBuilder(STAGE, submission, version, DECIDER_VERSION)
    finding = Finding("UNDECIDABLE", hint=f"{codes.CODES['UNDECIDABLE'].hint} ({error_type})")
    return (_rejection(_Desk(builder, submission), (finding,)),)


def _repeated(state: PartitionState, desk: _Desk, opened: Opened) -> Output | None:
    earlier = state.answered.get(opened.id)
    if earlier is None:
        return None
    if earlier.digest != desk.digest:
        return _rejection(desk, (Finding("ID_REUSED"),))
    original = Original(offset=earlier.offset, outcome=earlier.outcome, issues=earlier.issues)
    return _receipt(desk, "duplicate", original=original)


def _decide(
    state: PartitionState, desk: _Desk, opened: Opened, case: Case, pseudonym_key: bytes
) -> SubjectFact | Refusal:
    registration = admission.parse(opened)
    if isinstance(registration, tuple):
        return Refusal(registration)
    named = parties.resolve(registration, pseudonym_key)
    if isinstance(named, tuple):
        return Refusal(named)
    secret = _secret(case)
    known = state.of(opened.subject, secret.generation)
    if known.generation != secret.generation:
        raise LookupError("the vault's secret is of an erased generation: gather it again")
    request = Request(opened.id, opened.subject, registration, named)
    fact = decide(known, request, case.policy.access, desk.submission.appended_at)
    if isinstance(fact, Refusal):
        return fact
    return _sealed(fact, registration, secret, desk.builder.next_id)


def _secret(case: Case) -> SubjectSecret:
    if case.secret is None:
        raise LookupError("a submission whose seal opens has its subject's secret at hand")
    return case.secret


def _sealed(
    fact: SubjectFact, registration: Registration, secret: SubjectSecret, ce_id: str
) -> SubjectFact:
    associated = facts.access_associated_data(
        type_=SUBJECT_FACT_TYPES[type(fact)], subject=fact.subject, generation=fact.generation
    )
    keys = facts.access_keys(secret.secret, "access")
    sealed = facts.seal(keys, ce_id, associated, _content(registration).write())
    return fact.model_copy(update={"sealed": sealed})


def _content(registration: Registration) -> SubjectContent | ErasureContent:
    if isinstance(registration, ErasureStep):
        return ErasureContent(
            author=registration.author,
            evidence=registration.evidence,
            explanation=registration.explanation if isinstance(registration, _EXPLAINED) else None,
        )
    about = parties.named(registration)
    return SubjectContent(
        author=registration.author,
        evidence=registration.evidence,
        party=None if about is None else about[1],
        child_born=registration.child_born if isinstance(registration, DeclareParent) else None,
    )


def _record(desk: _Desk, opened: Opened, fact: SubjectFact) -> tuple[Output, ...]:
    ce_id = desk.builder.next_id
    type_ = SUBJECT_FACT_TYPES[type(fact)]
    recorded = desk.builder.event(FACTS, opened.subject.encode(), type_, fact)
    return recorded, _receipt(desk, "accepted", fact_ids=(ce_id,))


def _rejection(desk: _Desk, findings: tuple[Finding, ...]) -> Output:
    return _receipt(desk, "rejected", issues=tuple(codes.issue(found) for found in findings))


def _receipt(
    desk: _Desk,
    outcome: Outcome,
    *,
    issues: tuple[Issue, ...] = (),
    fact_ids: tuple[str, ...] = (),
    original: Original | None = None,
) -> Output:
    receipt = Receipt(
        outcome=outcome,
        submission=_reference(desk),
        issues=issues,
        facts=fact_ids,
        original=original,
    )
    key = desk.submission.key
    kept = key if key is None or len(key) <= admission.MAX_KEY_BYTES else None
    return desk.builder.event(RECEIPTS, kept, SUBJECT_RECEIPT, receipt)


def _reference(desk: _Desk) -> SubmissionRef:
    """Attributes are named only once the seal has shown that the registrar wrote them."""
    submission, opened = desk.submission, desk.opened
    place = SubmissionRef(
        partition=submission.partition,
        offset=submission.offset,
        appended_at=submission.appended_at,
    )
    if opened is None:
        return place
    return place.model_copy(
        update={
            "id": opened.id,
            "source": admission.SOURCE,
            "type": opened.type,
            "session": opened.session,
            "digest": desk.digest,
        }
    )
