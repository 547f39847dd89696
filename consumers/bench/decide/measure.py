"""Whole submissions of typical visits, decided one after the other, next to a rival.

`decide` has every rule, the decision, sealing and the fold of the outputs in it; `from_sealed`
opens the submissions too. Kafka, vault and catalogue are left out. The rival does no more than
validate the same bodies against their JSON Schema with pydantic.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from consumers.bench.benches import Run
from consumers.bench.decide import floor, phases, visits
from consumers.bench.decide.visits import LINES, Visit
from consumers.bench.result import Findings
from schemas.dispensation import RegisterBody
from schemas.policy import baseline
from streams.engine.memory import rarely_collected
from streams.engine.tables import in_memory
from streams.quality import decide
from streams.quality import state as states
from streams.quality.admission import Opened
from streams.quality.gathered import Prepared, Readable
from streams.quality.state import QualityState

GOAL: Final = 40_000
VISITS: Final = 400
RATE: Final = "lines/s"


def measure(run: Run) -> Findings:
    """Lines per second of processor time, round by round next to the rival, and the phases."""
    findings = Findings()
    made = [visits.visit(number) for number in range(VISITS)]
    decide_all(made)
    with rarely_collected():
        for number in range(run.rounds):
            run.progress("rounds", number, run.rounds)
            _round(findings, made)
    run.progress("rounds", run.rounds, run.rounds)
    findings.ratio("decide_vs_pydantic_alone", "decide", "pydantic_alone")
    findings.ratio("decide_vs_floor", "decide", "floor")
    findings.at_least("decide_lines_per_second", GOAL, findings.median("decide"))
    return findings


def _round(findings: Findings, made: Sequence[Visit]) -> None:
    findings.sample("decide", RATE, _rate(lambda: decide_all(made)))
    findings.sample("from_sealed", RATE, _rate(lambda: decide_all(made, opening=visits.opened)))
    findings.sample("pydantic_alone", RATE, _rate(lambda: _validate_all(made)))
    findings.sample("floor", RATE, _rate(floor.work(made)))
    for name, seconds in phases.measured(made).items():
        findings.sample(f"phase_{name}", "us/line", seconds / (len(made) * LINES) * 1e6)


def decide_all(made: Sequence[Visit], opening: Callable[..., Opened] | None = None) -> QualityState:
    """Everything that is pure, for visits of a partition that begins empty."""
    state = QualityState(in_memory())
    policy = baseline("quality")
    prepared: dict[int, Prepared] = {}
    gathered = visits.gathered(made, prepared)
    for one in made:
        submission = one.submission
        opened = one.opened if opening is None else opening(submission)
        inspected = visits.inspect(visits.read(opened, policy), submission.appended_at, policy)
        prepared[submission.offset] = Prepared(policy, Readable(opened, inspected))
        for output in decide.decide(state, submission, gathered):
            states.evolve(state, output.headers, output.value)
    return state


def _validate_all(made: Sequence[Visit]) -> None:
    for one in made:
        RegisterBody.read(one.opened.body)


def _rate(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return VISITS * LINES / (time.process_time() - started)
