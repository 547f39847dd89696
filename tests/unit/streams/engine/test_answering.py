"""What a stage answers, whatever `decide` does."""

import pytest

from schemas.envelope import from_millis
from streams.engine.answering import MAX_DEAD_LETTER_BYTES, answer
from streams.engine.outputs import encoded_size
from streams.engine.stage import Output, Submission
from streams.engine.tables import StateUnreadable, in_memory
from tests.support.engine_stage import CountingStage, Counts, good

SUBMISSION = Submission("s.submitted", 0, 7, from_millis(0), b"k", (), good(1))
HEADERS = (("ce_sourceoffset", b"7"), ("ce_sourceordinal", b"0"))


class _Given(CountingStage):
    """Decides what it is given."""

    def __init__(self, *made: Output) -> None:
        super().__init__("s")
        self._made = made

    def decide(self, state: Counts, submission: Submission, gathered: None) -> tuple[Output, ...]:
        del state, submission, gathered
        return self._made


def test_a_decision_is_the_answer() -> None:
    stage = CountingStage("s")
    answered = answer(stage, stage.initial(in_memory()), SUBMISSION, None)
    assert answered.error is None
    assert answered.outputs == stage.decide(stage.initial(in_memory()), SUBMISSION, None)


@pytest.mark.parametrize(
    ("value", "error"), [(b"{", "JSONDecodeError"), (b"[]", "TypeError"), (b"{}", "KeyError")]
)
def test_a_decision_that_fails_is_answered_as_undecidable(value: bytes, error: str) -> None:
    stage = CountingStage("s")
    submission = Submission("s.submitted", 0, 7, from_millis(0), b"k", (), value)
    answered = answer(stage, stage.initial(in_memory()), submission, None)
    assert type(answered.error).__name__ == error
    assert answered.outputs == stage.undecidable(submission, error)


def test_an_output_as_large_as_a_dead_letter_may_be_is_written_and_a_larger_one_is_not() -> None:
    spare = MAX_DEAD_LETTER_BYTES - encoded_size(Output("s.receipts", None, HEADERS, b""))
    fits = _Given(Output("s.receipts", None, HEADERS, bytes(spare)))
    assert answer(fits, Counts(in_memory()), SUBMISSION, None).error is None
    big = _Given(Output("s.receipts", None, HEADERS, bytes(spare + 1)))
    answered = answer(big, Counts(in_memory()), SUBMISSION, None)
    assert type(answered.error).__name__ == "OutputTooLarge"
    assert answered.outputs == big.undecidable(SUBMISSION, "OutputTooLarge")


class _Unreadable(CountingStage):
    """Its state cannot be read."""

    def decide(self, state: Counts, submission: Submission, gathered: None) -> tuple[Output, ...]:
        del state, submission, gathered
        raise StateUnreadable("disk")


def test_a_state_that_cannot_be_read_is_no_fault_of_the_submission_bad() -> None:
    stage = _Unreadable("s")
    with pytest.raises(StateUnreadable):
        answer(stage, stage.initial(in_memory()), SUBMISSION, None)
