"""One submission to its outputs, whatever happens: content never stops a partition.

Shared by the stage that writes and by the audit that derives the same bytes again; no I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.engine.order import check_outputs
from streams.engine.outputs import MAX_OUTPUT_BYTES, OutputTooLarge, encoded_size
from streams.engine.stage import Gathered, Output, Stage, State, Submission
from streams.engine.tables import StateUnreadable

MAX_DEAD_LETTER_BYTES: Final = MAX_OUTPUT_BYTES + 16 * 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """The outputs of a submission, `size` bytes; `error` is why it could not be decided, if so."""

    outputs: tuple[Output, ...]
    size: int
    error: Exception | None = None


def answer(
    stage: Stage[State, Gathered], state: State, submission: Submission, gathered: Gathered
) -> Answered:
    """What the stage answers; what it cannot decide is answered as undecidable.

    Raises:
        OrderBroken, OutputTooLarge: even that answer is not as it must be.
        StateUnreadable: the disk under the state fails, which says nothing of the submission.
    """
    try:
        made = stage.decide(state, submission, gathered)
        size = _checked(stage, submission, made)
    except StateUnreadable:
        raise
    except Exception as error:  # noqa: BLE001 - content must not stop the partition
        made = stage.undecidable(submission, type(error).__name__)
        return Answered(made, _checked(stage, submission, made), error)
    return Answered(made, size)


def _checked(
    stage: Stage[State, Gathered], submission: Submission, outputs: Sequence[Output]
) -> int:
    """The bytes of the outputs, which are as they must be."""
    check_outputs(submission, outputs, stage.receipts)
    sizes = [encoded_size(output) for output in outputs]
    for output, size in zip(outputs, sizes, strict=True):
        # A dead letter may exceed a fact's limit.
        if size > MAX_DEAD_LETTER_BYTES:
            raise OutputTooLarge(f"an output for {output.topic} would take {size} bytes")
    return sum(sizes)
