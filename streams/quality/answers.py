"""Receipts: what a submission is answered with, never larger than an output may be.

A receipt with very many findings first loses its hints, then findings beyond the first few of each
line, refusals last: every refused line keeps a reason.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pydantic_core import to_json

from schemas.receipts import Issue, LineResult, Original, Outcome, Receipt
from streams.engine.stage import Submission
from streams.quality.admission import Attributes

MAX_RECEIPT_BYTES: Final = 46 * 1024
"""A duplicate's receipt repeats the original one, and has to stay below the output limit too."""
_FINDINGS_PER_LINE: Final = (20, 8, 4, 2, 1)
Members = dict[str, object]


class LineAnswer(NamedTuple):
    """What a receipt says of one line: the members of `schemas.receipts.LineOutcome`."""

    path: str
    dguid: str | None
    outcome: LineResult
    version: int | None
    score: int | None
    issues: tuple[Issue, ...]


class Answer(NamedTuple):
    """A receipt that is not written yet: the members of `schemas.receipts.Receipt`."""

    outcome: Outcome
    submission: Members
    issues: tuple[Issue, ...] = ()
    lines: tuple[LineAnswer, ...] = ()
    facts: tuple[str, ...] = ()
    original: Original | None = None
    dead_letter: bool = False

    def write(self) -> bytes:
        """The receipt's bytes."""
        members = _present(self)
        members["lines"] = [_present(line) for line in self.lines]
        return to_json(members, exclude_none=True)


def place(submission: Submission) -> Members:
    """Where a submission stands, and nothing that it says of itself."""
    return {
        "partition": submission.partition,
        "offset": submission.offset,
        "appended_at": submission.appended_at,
    }


def reference(submission: Submission, attributes: Attributes, digest: str) -> Members:
    """Where a submission stands, and the attributes that its seal has shown."""
    return {
        "partition": submission.partition,
        "offset": submission.offset,
        "appended_at": submission.appended_at,
        "id": attributes.id,
        "source": attributes.source,
        "type": attributes.type,
        "session": attributes.session,
        "sequence": attributes.sequence,
        "epoch": attributes.epoch,
        "digest": digest,
    }


def outcome_of(lines: Iterable[LineAnswer]) -> Outcome:
    """The outcome of a message that is in order, by what became of its lines."""
    results = {line.outcome for line in lines}
    good = results & {"recorded", "duplicate"}
    if results - good:
        return "partial" if good else "rejected"
    return "duplicate" if good == {"duplicate"} else "accepted"


def duplicate(ref: Members, original: bytes) -> Answer:
    """The answer to a replay: the earlier receipt's outcome."""
    earlier = Receipt.read(original)
    return Answer(
        "duplicate",
        ref,
        original=Original(
            offset=earlier.submission.offset,
            outcome=earlier.outcome,
            issues=earlier.issues,
            lines=earlier.lines,
        ),
    )


def fitted(answer: Answer) -> bytes:
    """The receipt's bytes, with as many of its findings as fit."""
    smaller = _smaller(answer)
    while len(written := answer.write()) > MAX_RECEIPT_BYTES:
        answer = next(smaller)
    return written


def _smaller(answer: Answer) -> Iterator[Answer]:
    for limit in (None, *_FINDINGS_PER_LINE):
        lines = [line._replace(issues=_first(line.issues, limit)) for line in answer.lines]
        yield answer._replace(lines=tuple(lines))


def _first(issues: tuple[Issue, ...], limit: int | None) -> tuple[Issue, ...]:
    gravest_first = sorted(issues, key=lambda issue: issue.severity != "reject")
    kept = issues if limit is None else gravest_first[:limit]
    return tuple(issue.model_copy(update={"hint": None}) for issue in kept)


def _present(one: Answer | LineAnswer) -> Members:
    """The members that have a value, in their order: a receipt holds no null."""
    return {name: value for name, value in zip(one._fields, one, strict=True) if value is not None}
