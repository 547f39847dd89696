"""Receipts: what a submission is answered with, never larger than an output may be.

A receipt with very many findings first loses its hints, then findings beyond the first few of each
line, refusals last: every refused line keeps a reason.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from schemas.receipts import Issue, LineOutcome, Original, Outcome, Receipt, SubmissionRef
from streams.engine.stage import Submission
from streams.quality.admission import Attributes

MAX_RECEIPT_BYTES: Final = 46 * 1024
"""A duplicate's receipt repeats the original one, and has to stay below the output limit too."""
_FINDINGS_PER_LINE: Final = (20, 8, 4, 2, 1)


def place(submission: Submission) -> SubmissionRef:
    """Where a submission stands, and nothing that it says of itself."""
    return SubmissionRef(
        partition=submission.partition,
        offset=submission.offset,
        appended_at=submission.appended_at,
    )


def reference(submission: Submission, attributes: Attributes, digest: str) -> SubmissionRef:
    """Where a submission stands, and the attributes that its seal has shown."""
    return SubmissionRef(
        partition=submission.partition,
        offset=submission.offset,
        appended_at=submission.appended_at,
        id=attributes.id,
        source=attributes.source,
        type=attributes.type,
        session=attributes.session,
        sequence=attributes.sequence,
        epoch=attributes.epoch,
        digest=digest,
    )


def outcome_of(lines: Iterable[LineOutcome]) -> Outcome:
    """The outcome of a message that is in order, by what became of its lines."""
    results = {line.outcome for line in lines}
    good = results & {"recorded", "duplicate"}
    if results - good:
        return "partial" if good else "rejected"
    return "duplicate" if good == {"duplicate"} else "accepted"


def duplicate(ref: SubmissionRef, original: bytes) -> Receipt:
    """The answer to a replay: the earlier receipt's outcome."""
    earlier = Receipt.read(original)
    return Receipt(
        outcome="duplicate",
        submission=ref,
        original=Original(
            offset=earlier.submission.offset,
            outcome=earlier.outcome,
            issues=earlier.issues,
            lines=earlier.lines,
        ),
    )


def fitted(receipt: Receipt) -> bytes:
    """The receipt's bytes, with as many of its findings as fit."""
    smaller = _smaller(receipt)
    while len(written := receipt.write()) > MAX_RECEIPT_BYTES:
        receipt = next(smaller)
    return written


def _smaller(receipt: Receipt) -> Iterator[Receipt]:
    for limit in (None, *_FINDINGS_PER_LINE):
        lines = tuple(
            line.model_copy(update={"issues": _first(line.issues, limit)}) for line in receipt.lines
        )
        yield receipt.model_copy(update={"lines": lines})


def _first(issues: tuple[Issue, ...], limit: int | None) -> tuple[Issue, ...]:
    gravest_first = sorted(issues, key=lambda issue: issue.severity != "reject")
    kept = issues if limit is None else gravest_first[:limit]
    return tuple(issue.model_copy(update={"hint": None}) for issue in kept)
