"""What a stage answers, whatever `decide` does."""

import pytest

from schemas.envelope import from_millis
from streams.engine.answering import MAX_DEAD_LETTER_BYTES, answer
from streams.engine.outputs import encoded_size
from streams.engine.stage import Output, Submission
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
    answered = answer(stage, stage.initial(), SUBMISSION, None)
    assert answered.error is None
    assert answered.outputs == stage.decide(stage.initial(), SUBMISSION, None)


@pytest.mark.parametrize(
    ("value", "error"), [(b"{", "JSONDecodeError"), (b"[]", "TypeError"), (b"{}", "KeyError")]
)
def test_a_decision_that_fails_is_answered_as_undecidable(value: bytes, error: str) -> None:
    stage = CountingStage("s")
    submission = Submission("s.submitted", 0, 7, from_millis(0), b"k", (), value)
    answered = answer(stage, stage.initial(), submission, None)
    assert type(answered.error).__name__ == error
    assert answered.outputs == stage.undecidable(submission, error)


def test_an_output_as_large_as_a_dead_letter_may_be_is_written_and_a_larger_one_is_not() -> None:
    spare = MAX_DEAD_LETTER_BYTES - encoded_size(Output("s.receipts", None, HEADERS, b""))
    fits = _Given(Output("s.receipts", None, HEADERS, bytes(spare)))
    assert answer(fits, Counts(), SUBMISSION, None).error is None
    big = _Given(Output("s.receipts", None, HEADERS, bytes(spare + 1)))
    answered = answer(big, Counts(), SUBMISSION, None)
    assert type(answered.error).__name__ == "OutputTooLarge"
    assert answered.outputs == big.undecidable(SUBMISSION, "OutputTooLarge")
