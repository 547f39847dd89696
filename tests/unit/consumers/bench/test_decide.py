"""The benchmark of the pure part decides what it claims to decide."""

from consumers.bench.benches import BENCHES
from consumers.bench.decide import floor, phases, visits
from consumers.bench.decide.measure import VISITS, decide_all
from consumers.bench.decide.visits import LINES
from tests.support.state import entries

PHASES = [
    "open",
    "parse",
    "rules",
    "normal_form_and_digest",
    "life_cycle",
    "facts_and_seal",
    "numbering_and_receipt",
    "fold",
]


def test_every_line_of_the_benchmark_enters_the_record_without_a_warning() -> None:
    state = decide_all([visits.visit(number) for number in range(20)])
    assert len(entries(state.lines)) == 20 * LINES
    assert {line.score for line in entries(state.lines).values()} == {100}
    (epoch,) = entries(state.numbers.epochs).values()
    assert (epoch.highest, epoch.missing) == (20, ())
    assert len(entries(state.numbers.used)) == 20


def test_persons_lines_and_prescriptions_differ_from_visit_to_visit() -> None:
    made = [visits.visit(number) for number in range(VISITS)]
    state = decide_all(made)
    assert len({line.subject for line in entries(state.lines).values()}) > 0.9 * len(made)
    assert len(entries(state.lines)) == VISITS * LINES


def test_a_submission_opens_to_what_was_sealed_and_becomes_the_same_state() -> None:
    made = [visits.visit(number) for number in range(20)]
    assert [visits.opened(one.submission) for one in made] == [one.opened for one in made]
    opened = entries(decide_all(made, opening=visits.opened).lines)
    assert opened == entries(decide_all(made).lines)


def test_every_phase_and_the_floor_are_measured_on_the_same_visits() -> None:
    made = [visits.visit(number) for number in range(20)]
    assert list(phases.measured(made)) == PHASES
    floor.work(made)()


def test_the_benchmark_can_be_asked_for() -> None:
    assert "consumers.bench.decide.measure" in {bench.module for bench in BENCHES}
