"""The pure part of quality control alone: inspect, decide and evolve, on one core.

A typical visit has three lines, each with a posology and a prescription. Opening the submission,
Kafka and the vault are left out; every rule, sealing and the fold of the outputs are in. The rival
does no more than validate the same bodies against their JSON Schema with pydantic.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from consumers.bench.benches import Run
from consumers.bench.result import Findings
from schemas import brussels, topics
from schemas.catalogue import CatalogueEntry
from schemas.dispensation import REGISTER, RegisterBody
from schemas.identifiers import cnk, guid, nihdi, niss
from schemas.keyvault import PeriodSecret, SubjectSecret
from schemas.policy import PolicyVersion, baseline
from schemas.sealing.pseudonym import subject_pseudonym
from streams.engine.stage import Submission
from streams.engine.tables import in_memory
from streams.quality import decide, inspection
from streams.quality import state as states
from streams.quality.admission import Attributes, Opened
from streams.quality.gathered import Gathered, Prepared, Readable
from streams.quality.inspection import Inspection
from streams.quality.state import QualityState

GOAL: Final = 40_000
VISITS: Final = 400
LINES: Final = 3
_PHARMACY: Final = "80000551"
_NOW: Final = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
_PSEUDONYM_KEY: Final = bytes(range(32))
_ENTRY: Final = CatalogueEntry(
    "1000007", date(2013, 1, 1), atc="C09CA08", status="authorized", environments=("P",)
)
"""What the catalogue is taken to say of every product."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One submission, with its body as the seal has shown it."""

    submission: Submission
    attributes: Attributes
    body: bytes


def measure(run: Run) -> Findings:
    """Lines per second of processor time, round by round next to the rival."""
    findings = Findings()
    visits = [visit(number) for number in range(VISITS)]
    decide_all(visits)
    for number in range(run.rounds):
        run.progress("rounds", number, run.rounds)
        findings.sample("decide", "lines/s", _rate(lambda: decide_all(visits)))
        findings.sample("pydantic_alone", "lines/s", _rate(lambda: _validate_all(visits)))
    run.progress("rounds", run.rounds, run.rounds)
    findings.ratio("decide_vs_pydantic_alone", "decide", "pydantic_alone")
    findings.at_least("decide_lines_per_second", GOAL, findings.median("decide"))
    return findings


def decide_all(visits: Sequence[Visit]) -> QualityState:
    """Everything that is pure, for visits of a partition that begins empty."""
    state = QualityState(in_memory())
    policy = baseline("quality")
    prepared: dict[int, Prepared] = {}
    gathered = _gathered(visits, prepared)
    for one in visits:
        inspected = _inspect(one, policy)
        readable = Readable(Opened(one.attributes, one.body), inspected)
        prepared[one.submission.offset] = Prepared(policy, readable)
        for output in decide.decide(state, one.submission, gathered):
            states.evolve(state, output.headers, output.value)
    return state


def visit(number: int) -> Visit:
    """The submission of that number: other persons, products and prescribers each time."""
    body = {
        "sguid": _guid("visit", number),
        "patient": {"niss": _niss(number)},
        "delivered_at": "2026-03-10T08:55:00Z",
        "lines": [_line(number, place) for place in range(LINES)],
    }
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    submitted = topics.DISPENSATION_SUBMITTED.name
    return Visit(
        Submission(submitted, 0, number, _NOW, _PHARMACY.encode(), (), data),
        Attributes(_guid("message", number), REGISTER, "session", _PHARMACY, number + 1, "epoch"),
        data,
    )


def _line(number: int, place: int) -> dict[str, object]:
    first6 = f"{100_000 + (number * LINES + place) * 37 % 5_000:06d}"
    prescriber = f"1{number % 300:05d}"
    return {
        "dguid": _guid("line", number, place),
        "product": {"kind": "cnk", "cnk": first6 + cnk.check_digit(first6)},
        "units": place + 1,
        "posology": {"text": "1 comprimé le matin et 1 le soir, pendant les repas"},
        "prescription": {
            "prescriber": f"{prescriber}{nihdi.check_digits(prescriber)}001",
            "rid": f"BEP0{number:05d}{place:03d}",
            "on_substance_name": False,
        },
    }


def _niss(number: int) -> str:
    return niss.with_check_digits(f"{number % 90:02d}0000{number % 997 + 1:03d}", False)


def _guid(*parts: object) -> str:
    return guid.from_hex(hashlib.sha256(repr(parts).encode()).hexdigest()[-32:])


def _gathered(visits: Sequence[Visit], prepared: Mapping[int, Prepared]) -> Gathered:
    day = brussels.day_of(_NOW)
    period = PeriodSecret("period", day, bytes(32))
    persons = {subject_pseudonym(_PSEUDONYM_KEY, _niss(one.submission.offset)) for one in visits}
    return Gathered(
        prepared=prepared,
        subjects={one: SubjectSecret(one, 1, one.encode().ljust(32)) for one in persons},
        erased=frozenset(),
        days={day: period},
        periods={period.period: period},
    )


def _inspect(one: Visit, policy: PolicyVersion) -> Inspection:
    body = inspection.read(one.attributes.type, one.body, policy)
    if isinstance(body, Inspection):
        raise TypeError("a visit of the benchmark is malformed")
    return inspection.inspect(
        body,
        policy=policy,
        appended_at=one.submission.appended_at,
        pseudonym_key=_PSEUDONYM_KEY,
        known=dict.fromkeys(inspection.product_codes(body), (_ENTRY,)),
    )


def _validate_all(visits: Sequence[Visit]) -> None:
    for one in visits:
        RegisterBody.read(one.body)


def _rate(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return VISITS * LINES / (time.process_time() - started)
