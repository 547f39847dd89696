"""The benchmark of the pure part decides what it claims to decide."""

from consumers.bench import decide
from consumers.bench.benches import BENCHES


def test_every_line_of_the_benchmark_enters_the_record_without_a_warning() -> None:
    visits = [decide.visit(number) for number in range(20)]
    state = decide.decide_all(visits)
    assert len(state.lines) == 20 * decide.LINES
    assert {line.score for line in state.lines.values()} == {100}
    numbers = state.numbers["80000551"].epochs["epoch"]
    assert (len(numbers.used), numbers.missing) == (20, [])


def test_persons_lines_and_prescriptions_differ_from_visit_to_visit() -> None:
    visits = [decide.visit(number) for number in range(decide.VISITS)]
    state = decide.decide_all(visits)
    assert len({line.subject for line in state.lines.values()}) > 0.9 * len(visits)
    assert len(state.lines) == decide.VISITS * decide.LINES


def test_the_benchmark_can_be_asked_for() -> None:
    assert "consumers.bench.decide" in {bench.module for bench in BENCHES}
