"""Order and size of what a partition reads and writes; pure.

(`sourceoffset`, `sourceordinal`) strictly increases at each writer. Source: DESIGN section 5.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from infra.kafka import Record
from schemas.envelope import from_millis
from streams.engine.failure import OrderBroken
from streams.engine.outputs import source_position
from streams.engine.stage import Output, Submission

MAX_CHUNK_RECORDS: Final = 200
"""Submissions of one transaction. Gathering for as many holds up the other partitions of a process
for a tenth of a second, and a transaction costs about as much as three submissions."""
MAX_CHUNK_BYTES: Final = 4 * 1024 * 1024
MAX_TRANSACTION_BYTES: Final = 8 * 1024 * 1024
"""Outputs beyond this start another transaction, whatever is left of the chunk."""


def to_submission(record: Record) -> Submission:
    """The submission in a record; a header without a value counts as an empty one."""
    return Submission(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_at=from_millis(record.timestamp_ms),
        key=record.key,
        headers=tuple([(name, value or b"") for name, value in record.headers]),
        value=record.value,
    )


def chunks(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Slices in order, each within `MAX_CHUNK_RECORDS` and, unless it is one, `MAX_CHUNK_BYTES`."""
    start = size = 0
    for place, record in enumerate(records):
        bytes_here = len(record.value or b"")
        full = place - start >= MAX_CHUNK_RECORDS or size + bytes_here > MAX_CHUNK_BYTES
        if full and place > start:
            yield records[start:place]
            start, size = place, 0
        size += bytes_here
    if start < len(records):
        yield records[start:]


def check_outputs(submission: Submission, outputs: Sequence[Output], receipts: str) -> None:
    """Checks that `outputs` answer `submission`: its offset, ordinals 0, 1, ..., receipt last.

    Raises:
        OrderBroken: they do not, so the stage has a bug.
    """
    where = f"{submission.topic}/{submission.partition}/{submission.offset}"
    for ordinal, output in enumerate(outputs):
        if source_position(output.headers) != (submission.offset, ordinal):
            raise OrderBroken(f"Output {ordinal} of {where} does not name its source and ordinal.")
    if not outputs or outputs[-1].topic != receipts:
        raise OrderBroken(f"The last output of {where} is not a receipt on {receipts}.")


def check_advance(position: int, submission: Submission) -> None:
    """Checks that a submission comes after everything that was answered.

    Raises:
        OrderBroken: it was answered before.
    """
    if submission.offset <= position:
        raise OrderBroken(
            f"Offset {submission.offset} of {submission.topic}/{submission.partition} would be "
            f"answered after {position}: writing stopped."
        )
