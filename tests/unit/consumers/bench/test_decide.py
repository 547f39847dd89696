"""The benchmark of the pure part decides what it claims to decide."""

from consumers.bench import decide
from consumers.bench.benches import BENCHES
from tests.support.state import entries


def test_every_line_of_the_benchmark_enters_the_record_without_a_warning() -> None:
    visits = [decide.visit(number) for number in range(20)]
    state = decide.decide_all(visits)
    assert len(entries(state.lines)) == 20 * decide.LINES
    assert {line.score for line in entries(state.lines).values()} == {100}
    (epoch,) = entries(state.numbers.epochs).values()
    assert (epoch.highest, epoch.missing) == (20, ())
    assert len(entries(state.numbers.used)) == 20


def test_persons_lines_and_prescriptions_differ_from_visit_to_visit() -> None:
    visits = [decide.visit(number) for number in range(decide.VISITS)]
    state = decide.decide_all(visits)
    assert len({line.subject for line in entries(state.lines).values()}) > 0.9 * len(visits)
    assert len(entries(state.lines)) == decide.VISITS * decide.LINES


def test_the_benchmark_can_be_asked_for() -> None:
    assert "consumers.bench.decide" in {bench.module for bench in BENCHES}
