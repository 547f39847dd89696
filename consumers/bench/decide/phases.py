"""Where the time goes: each step done for all visits before the next one is.

A step by itself is a little faster than in a whole decision, where the steps displace each other
from the processor's caches; the sum of all is therefore below the time of `decide_all`. What has
no function of its own is what is left of one that contains it.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from consumers.bench.decide import visits
from consumers.bench.decide.visits import PHARMACY, Visit
from schemas.dispensation import RevokeBody
from schemas.policy import baseline
from schemas.sealing import facts
from streams.engine.outputs import OutputBuilder
from streams.engine.stage import Output
from streams.engine.tables import in_memory
from streams.quality import codes, content, decide, lines
from streams.quality import gathered as gathering
from streams.quality import state as states
from streams.quality.gathered import Gathered, Prepared, Readable
from streams.quality.lines import DecidedLine
from streams.quality.state import QualityState

T = TypeVar("T")
_STAGE = "quality"


def measured(made: Sequence[Visit]) -> dict[str, float]:
    """Seconds of processor time for all visits, by phase, in the order of the work."""
    policy = baseline("quality")
    opening, opened = _timed(lambda: [visits.opened(one.submission) for one in made])
    reading, bodies = _timed(lambda: [visits.read(one, policy) for one in opened])
    moments = [one.submission.appended_at for one in made]
    rules, inspected = _timed(
        lambda: [visits.inspect(*pair, policy) for pair in zip(bodies, moments, strict=True)]
    )
    prepared = {
        one.submission.offset: Prepared(policy, Readable(shown, found))
        for one, shown, found in zip(made, opened, inspected, strict=True)
    }
    gathered = visits.gathered(made, prepared)
    forms = _timed(lambda: _normal_forms(gathered))[0]
    state = QualityState(in_memory())
    shared = [_visit(gathered, one) for one in prepared]
    with_forms, decided = _timed(lambda: [lines.decide(one, state) for one in shared])
    sealing = _timed(lambda: _sealed(made, shared, decided))[0]
    deciding, outputs = _timed(
        lambda: [decide.decide(state, one.submission, gathered) for one in made]
    )
    return {
        "open": opening,
        "parse": reading,
        "rules": rules,
        "normal_form_and_digest": forms,
        "life_cycle": with_forms - forms,
        "facts_and_seal": sealing,
        "numbering_and_receipt": deciding - with_forms - sealing,
        "fold": _timed(lambda: _folded(outputs))[0],
    }


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _visit(gathered: Gathered, offset: int) -> gathering.Visit:
    prepared = gathered.prepared[offset]
    found = prepared.found
    if not isinstance(found, Readable) or found.inspection.subject is None:
        raise TypeError("a visit of the benchmark cannot be read")
    return gathering.Visit(
        pharmacy=PHARMACY,
        prepared=prepared,
        inspection=found.inspection,
        gathered=gathered,
        subject=gathered.subjects[found.inspection.subject],
        active=codes.in_force(prepared.policy),
    )


def _normal_forms(gathered: Gathered) -> None:
    for offset in gathered.prepared:
        visit = _visit(gathered, offset)
        body = visit.inspection.body
        if body is None or isinstance(body, RevokeBody):
            raise TypeError("a visit of the benchmark has no lines")
        for line in body.lines:
            made = content.normal_line(PHARMACY, body, line)
            facts.line_digest(visit.subject.secret, made.document)


def _sealed(
    made: Sequence[Visit],
    shared: Sequence[gathering.Visit],
    decided: Sequence[tuple[DecidedLine, ...]],
) -> None:
    for one, visit, answers in zip(made, shared, decided, strict=True):
        policy = visit.prepared.policy.version
        builder = OutputBuilder(_STAGE, one.submission, policy, decide.DECIDER_VERSION)
        for answer in answers:
            if answer.entry is not None:
                type_, fact = lines.fact(visit, answer.entry, builder.next_id)
                builder.event("facts", b"", type_, fact)


def _folded(outputs: Sequence[tuple[Output, ...]]) -> None:
    state = QualityState(in_memory())
    for answers in outputs:
        for one in answers:
            states.evolve(state, one.headers, one.value)
