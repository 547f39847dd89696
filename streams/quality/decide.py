"""One submission becomes its outputs: facts first, gap notices, dead letter, the receipt last.

A pure total function of the partition's state, the submission and what was gathered; the same
input gives the same bytes. Source: DESIGN sections 2, 5 and 6.
"""

from typing import Final, assert_never

from schemas import topics
from schemas.keyvault import SubjectSecret
from schemas.receipts import (
    GAP_CLOSED,
    GAP_NOTICED,
    RECEIPT,
    GapClosed,
    GapNoticed,
    Outcome,
)
from schemas.sealing import facts
from streams.engine.outputs import OutputBuilder
from streams.engine.stage import Output, Submission
from streams.quality import answers, codes, lines, numbering
from streams.quality import state as states
from streams.quality.admission import Attributes, Barred, Opened, receipt_key
from streams.quality.answers import Answer
from streams.quality.gathered import Gathered, Readable, Unreadable, Visit
from streams.quality.inspection import Inspection
from streams.quality.lines import DecidedLine
from streams.quality.numbering import Fresh, Notice, Numbered, Replay, Reused
from streams.quality.state import QualityState

DECIDER_VERSION: Final = "3"
"""Changes whenever the same submission could be decided otherwise."""
STAGE: Final = "quality"


def decide(state: QualityState, submission: Submission, gathered: Gathered) -> tuple[Output, ...]:
    """The outputs of one submission of the batch that was gathered."""
    state.at(submission.appended_at)
    prepared = gathered.prepared[submission.offset]
    builder = OutputBuilder(STAGE, submission, prepared.policy.version, DECIDER_VERSION)
    match prepared.found:
        case Barred() as barred:
            return _barred(submission, builder, barred)
        case Unreadable() as unreadable:
            return undecidable(submission, prepared.policy.version, unreadable.error_type)
        case Readable() as readable:
            return _readable(state, submission, gathered, builder, readable)
        case _:
            assert_never(prepared.found)


def undecidable(submission: Submission, policy_version: str, error_type: str) -> tuple[Output, ...]:
    """The answer to a submission that could not be decided; its number stays free for a retry."""
    builder = OutputBuilder(STAGE, submission, policy_version, DECIDER_VERSION)
    issue = codes.issue("UNDECIDABLE", hint=f"Submit again. Kind of error: {error_type}")
    answer = Answer("rejected", answers.place(submission), (issue,))
    return (_receipt(submission, builder, answer),)


def _barred(submission: Submission, builder: OutputBuilder, barred: Barred) -> tuple[Output, ...]:
    reason = barred.dead_letter
    place = answers.place(submission)
    answer = Answer("rejected", place, barred.issues, dead_letter=reason is not None)
    if reason is None:
        return (_receipt(submission, builder, answer),)
    letter = builder.dead_letter(topics.DISPENSATION_DEADLETTER.name, reason)
    return (letter, _receipt(submission, builder, answer))


def _readable(
    state: QualityState,
    submission: Submission,
    gathered: Gathered,
    builder: OutputBuilder,
    readable: Readable,
) -> tuple[Output, ...]:
    attributes, inspection = readable.opened.attributes, readable.inspection
    secret = gathered.subjects[inspection.subject] if inspection.subject else None
    digest = _digest(readable.opened, secret, gathered)
    ref = answers.reference(submission, attributes, digest)
    visit = _visit(gathered, submission, readable, secret) if secret else None
    verdict = numbering.decide(state.numbers, _numbered(attributes, digest))
    match verdict:
        case Replay():
            answer = answers.duplicate(ref, verdict.used.receipt)
            return (_receipt(submission, builder, answer),)
        case Reused() if not (verdict.content_only and _is_erased(state, visit)):
            answer = Answer("rejected", ref, (codes.issue(verdict.code),))
            return _finish(submission, builder, (), verdict.notices, answer)
        case Fresh() | Reused():
            decided = _decide_lines(state, inspection, visit)
        case _:
            assert_never(verdict)
    named, entered = _facts(builder, visit, decided) if visit else ((), ())
    answer = Answer(
        _outcome(inspection, decided),
        ref,
        inspection.issues,
        tuple([one.answer for one in decided]),
        named,
    )
    return _finish(submission, builder, entered, verdict.notices, answer)


def _decide_lines(
    state: QualityState, inspection: Inspection, visit: Visit | None
) -> tuple[DecidedLine, ...]:
    if visit is None or inspection.refused:
        return lines.rejected(inspection)
    return lines.decide(visit, state)


def _outcome(inspection: Inspection, decided: tuple[DecidedLine, ...]) -> Outcome:
    if inspection.refused or not decided:
        return "rejected"
    return answers.outcome_of(one.answer for one in decided)


def _visit(
    gathered: Gathered, submission: Submission, readable: Readable, secret: SubjectSecret
) -> Visit:
    prepared = gathered.prepared[submission.offset]
    return Visit(
        pharmacy=readable.opened.attributes.pharmacy,
        prepared=prepared,
        inspection=readable.inspection,
        gathered=gathered,
        subject=secret,
        active=codes.in_force(prepared.policy),
    )


def _digest(opened: Opened, secret: SubjectSecret | None, gathered: Gathered) -> str:
    """Of the content, not of its seal: what is sealed anew is the same submission."""
    if secret is None:
        return facts.unnamed_digest(gathered.intake[opened.intake_key].private_key, opened.body)
    return facts.message_digest(secret.secret, opened.body)


def _numbered(attributes: Attributes, digest: str) -> Numbered:
    return Numbered(
        publisher=attributes.pharmacy,
        epoch=attributes.epoch,
        sequence=attributes.sequence,
        id=attributes.id,
        digest=digest,
    )


def _is_erased(state: QualityState, visit: Visit | None) -> bool:
    """Whether every line belongs to an erased generation, so that content cannot be compared."""
    if visit is None or not visit.inspection.lines:
        return False
    named = (one.dguid or "" for one in visit.inspection.lines)
    known = [states.line_of(state, visit.pharmacy, dguid) for dguid in named]
    return all(visit.gathered.is_erased(line) for line in known)


def _facts(
    builder: OutputBuilder, visit: Visit, decided: tuple[DecidedLine, ...]
) -> tuple[tuple[str, ...], tuple[Output, ...]]:
    """The ids of the facts, and the facts."""
    ids: list[str] = []
    outputs: list[Output] = []
    key = visit.pharmacy.encode()
    for one in decided:
        if one.entry is not None:
            ids.append(builder.next_id)
            type_, fact = lines.fact(visit, one.entry, ids[-1])
            outputs.append(builder.event(topics.DISPENSATION_RECORDED.name, key, type_, fact))
    return tuple(ids), tuple(outputs)


def _finish(
    submission: Submission,
    builder: OutputBuilder,
    entered: tuple[Output, ...],
    notices: tuple[Notice, ...],
    answer: Answer,
) -> tuple[Output, ...]:
    noticed = [_notice(builder, notice) for notice in notices]
    return (*entered, *noticed, _receipt(submission, builder, answer))


def _notice(builder: OutputBuilder, notice: Notice) -> Output:
    key = notice.publisher.encode()
    match notice:
        case GapNoticed():
            type_ = GAP_NOTICED
        case GapClosed():
            type_ = GAP_CLOSED
        case _:
            assert_never(notice)
    return builder.event(topics.DISPENSATION_RECEIPTS.name, key, type_, notice)


def _receipt(submission: Submission, builder: OutputBuilder, answer: Answer) -> Output:
    written = answer.write() if answer.original else answers.fitted(answer)
    topic = topics.DISPENSATION_RECEIPTS.name
    return builder.event(topic, receipt_key(submission), RECEIPT, written)
