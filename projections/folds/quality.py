"""What quality control answered to each pharmacy: receipts, and numbers that never arrived.

Every row has a key of its own in the log, and nothing is added up: applied again, in any portion,
the rows are the same, and what is counted over them is exact.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Upsert
from schemas.identifiers import pharmacy as pharmacy_number
from schemas.receipts import (
    GAP_CLOSED,
    GAP_NOTICED,
    RECEIPT,
    GapClosed,
    GapNoticed,
    Issue,
    LineOutcome,
    Receipt,
)

SCHEMA: Final = "quality_v1"
PRIMARY_KEYS: Final = {
    "receipt": ("partition", "source_offset"),
    "finding": ("partition", "source_offset", "ordinal"),
    "gap": ("pharmacy", "epoch", "first"),
    "gap_closed": ("pharmacy", "epoch", "number"),
}
Event = Receipt | GapNoticed | GapClosed
EVENTS: Final[dict[str, type[Event]]] = {
    RECEIPT: Receipt,
    GAP_NOTICED: GapNoticed,
    GAP_CLOSED: GapClosed,
}
WHOLE_MESSAGE: Final = -1
"""In place of a line's index: the finding concerns the submission as a whole."""
_SOURCE: Final = "/pharmacies/"


def fold(event: Event, recorded: Recorded, *, key: bytes | None, body: bytes) -> tuple[Change, ...]:
    """The rows of a receipt or notice; `key` and `body` are the record's, as written."""
    where: dict[str, object] = {
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
    }
    place = {**where, "ce_id": recorded.ce_id, "body": body}
    match event:
        case Receipt():
            receipt = Upsert("receipt", {**place, **_receipt(event, key)})
            found = (Upsert("finding", {**where, **one}) for one in _findings(event, key))
            return (receipt, *found)
        case GapNoticed():
            gap: dict[str, object] = {
                "pharmacy": event.publisher,
                "epoch": event.epoch,
                "first": event.first,
                "last": event.last,
                "noticed_at": recorded.at,
            }
            return (Upsert("gap", {**place, **gap}),)
        case GapClosed():
            closed: dict[str, object] = {
                "pharmacy": event.publisher,
                "epoch": event.epoch,
                "number": event.number,
                "closed_at": recorded.at,
            }
            return (Upsert("gap_closed", {**place, **closed}),)
        case _:
            assert_never(event)


def _receipt(receipt: Receipt, key: bytes | None) -> dict[str, object]:
    submission = receipt.submission
    outcomes = [line.outcome for line in receipt.lines]
    return {
        "partition": submission.partition,
        "source_offset": submission.offset,
        "pharmacy": addressee(receipt, key),
        "submission_id": submission.id,
        "session": submission.session,
        "epoch": submission.epoch,
        "sequence": submission.sequence,
        "appended_at": submission.appended_at,
        "outcome": receipt.outcome,
        "lines_recorded": outcomes.count("recorded"),
        "lines_rejected": outcomes.count("rejected"),
        "lines_duplicate": outcomes.count("duplicate"),
        "scores": [line.score for line in receipt.lines if _is_scored(line)],
        "dead_letter": receipt.dead_letter,
    }


def addressee(receipt: Receipt, key: bytes | None) -> str | None:
    """The pharmacy that the receipt is for: as its seal has shown, or else as its key claims."""
    source = receipt.submission.source or ""
    claimed = source.removeprefix(_SOURCE) if source else (key or b"").decode(errors="replace")
    valid = pharmacy_number.is_valid(claimed) and pharmacy_number.compact(claimed) == claimed
    return claimed if valid else None


def _is_scored(line: LineOutcome) -> bool:
    return line.outcome == "recorded" and line.score is not None


def _findings(receipt: Receipt, key: bytes | None) -> Iterator[dict[str, object]]:
    submission = receipt.submission
    for ordinal, (line, issue) in enumerate(_issues(receipt)):
        yield {
            "partition": submission.partition,
            "source_offset": submission.offset,
            "ordinal": ordinal,
            "line": line,
            "severity": issue.severity,
            "code": issue.code,
            "pharmacy": addressee(receipt, key),
            "appended_at": submission.appended_at,
        }


def _issues(receipt: Receipt) -> Iterator[tuple[int, Issue]]:
    """Every finding with the index of its line; those of an original were counted with that."""
    for issue in receipt.issues:
        yield WHOLE_MESSAGE, issue
    for index, line in enumerate(receipt.lines):
        for issue in line.issues:
            yield index, issue
