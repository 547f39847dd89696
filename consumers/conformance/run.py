"""A run of the kit: every case is sent, its receipts are awaited, and all is compared."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from consumers.conformance.case import Case, Filled, Inputs, Step, fill
from consumers.conformance.cases import number
from consumers.conformance.compare import differences
from consumers.conformance.ways import Answers, Way
from consumers.progress import Progress
from consumers.simulation.records import Outgoing, Sessions, outgoing
from consumers.simulation.verify import Place
from schemas.receipts import Receipt

Verdict = Literal["passed", "failed", "skipped"]
WAIT_SECONDS: Final = 60.0
"""How long receipts are awaited after the last record was sent."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one case; `receipts` are in the order of its submissions."""

    case: Case
    verdict: Verdict
    receipts: tuple[Receipt | None, ...] = ()
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of a run: `kafka` is None where only the API can be reached."""

    usual: Way
    kafka: Way | None

    def of(self, step: Step) -> Way:
        """The way that a step's record takes.

        Raises:
            ValueError: it needs one that there is not.
        """
        way = self.kafka if step.needs_kafka else self.usual
        if way is None:
            raise ValueError("the API would not let this record through: skip its case")
        return way


@dataclass(frozen=True, slots=True)
class _Sent:
    step: Step
    filled: Filled
    record: Outgoing = field(repr=False)
    way: Way
    place: Place


async def run(
    cases: Sequence[Case], ways: Ways, sessions: Sessions, progress: Progress | None = None
) -> list[Result]:
    """Sends the cases in order, and holds every receipt against what it must say.

    `sessions` are those of the test publishers. A case for which there is no way is skipped.
    """
    able = [one for one in cases if ways.kafka is not None or not one.needs_kafka]
    run_id, now = uuid.uuid4(), datetime.now(UTC)
    sent: dict[str, list[_Sent]] = {}
    for done, case in enumerate(able):
        _tell(progress, "cases are published", done, len(able))
        inputs = Inputs(run_id, now, case.name, number(case))
        sent[case.name] = await _send(case, inputs, ways, sessions)
    _tell(progress, "cases are published", len(able), len(able))
    _tell(progress, "receipts are awaited", 0, 0)
    answers = await _answers(one for case in sent.values() for one in case)
    return [
        _result(case, sent[case.name], answers) if case.name in sent else Result(case, "skipped")
        for case in cases
    ]


def _tell(progress: Progress | None, step: str, done: int, total: int) -> None:
    if progress is not None:
        progress(step, done, total)


async def _send(case: Case, inputs: Inputs, ways: Ways, sessions: Sessions) -> list[_Sent]:
    sent: list[_Sent] = []
    for step, filled in zip(case.steps, fill(case, inputs), strict=True):
        if step.mutation == "copy" and step.same_id_as is not None:
            record = sent[step.same_id_as].record
        else:
            record = outgoing(filled, sessions, datetime.now(UTC))
        way = ways.of(step)
        sent.append(_Sent(step, filled, record, way, await way.send(record)))
    return sent


async def _answers(sent: Iterable[_Sent]) -> Answers:
    places: dict[Way, list[Place]] = {}
    for one in sent:
        places.setdefault(one.way, []).append(one.place)
    found = Answers()
    for way, wanted in places.items():
        answers = await way.answers(wanted, WAIT_SECONDS)
        found.receipts.update(answers.receipts)
        found.notices.update(answers.notices)
    return found


def _result(case: Case, sent: Sequence[_Sent], answers: Answers) -> Result:
    receipts = tuple(answers.receipts.get(one.place) for one in sent)
    found = tuple(_differences(case, sent, answers.receipts, answers.notices))
    return Result(case, "failed" if found else "passed", receipts, found)


def _differences(
    case: Case,
    sent: Sequence[_Sent],
    receipts: Mapping[Place, Receipt],
    notices: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    for place, one in enumerate(sent, 1):
        receipt = receipts.get(one.place)
        if receipt is None:
            yield f"submission {place} has no receipt"
            continue
        for difference in differences(one.step.answer, receipt, one.filled.body):
            yield f"submission {place}, {difference}"
    observed = tuple(notices.get(sent[0].filled.epoch, ()))
    if observed != case.gaps:
        yield f"notices of missing numbers: expected {list(case.gaps)}, observed {list(observed)}"
