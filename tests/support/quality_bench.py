"""Quality control without a broker: pharmacies, sessions, a vault in memory and one partition.

Every submission passes the real stage: gather, decide, evolve, in that order.
"""

import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from consumers.catalogue import sample
from infra.catalogue.memory import MemoryCatalogue
from infra.keys.memory import MemoryVault
from projections.folds import publishers
from projections.folds.publishers import PublisherEntry, SessionEntry
from schemas import events, topics
from schemas.catalogue import CatalogueEntry
from schemas.dispensation import (
    CORRECT,
    RECORD_FACTS,
    REGISTER,
    REVOKE,
    CorrectedFact,
    RegisteredFact,
    RevokedFact,
)
from schemas.identifiers import cnk, niss
from schemas.keyvault import IntakeKey
from schemas.policy import PolicyName, PolicyVersion, shipped
from schemas.publisher import BackboneKeyPublished, Contract, Enrolled, PublisherFact, SessionOpened
from schemas.receipts import GAP_CLOSED, GAP_NOTICED, RECEIPT, GapClosed, GapNoticed, Receipt
from schemas.sealing import b64encode
from schemas.sealing.session import intake_public_bytes
from streams.engine.outputs import source_position
from streams.engine.stage import Output, Stage, Submission
from streams.engine.tables import in_memory
from streams.intake.keys import SigningKey
from streams.intake.session import Attributes, Session, WireRecord, open_session, seal_submission
from streams.quality.gathered import Gathered
from streams.quality.stage import QualityStage
from streams.quality.state import QualityState

T = TypeVar("T")
PHARMACY = "80000551"
OTHER_PHARMACY = "27457532"
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
ENROLLED_AT = NOW - timedelta(days=400)
PATIENT = niss.with_check_digits("850000001", False)
OTHER_PATIENT = niss.with_check_digits("900000003", False)
CNK = "5521950"
CNKS = (CNK, *(f"{number}{cnk.check_digit(str(number))}" for number in range(300_000, 300_120)))
"""Products of the lines 1, 2, 3, ..., all of which the bench's catalogue knows."""
KNOWN_SINCE = date(2013, 1, 1)
CATALOGUE = (
    *sample.entries(),
    *(CatalogueEntry(one, KNOWN_SINCE, atc="N02BE01", environments=("P",)) for one in CNKS),
)
INTAKE = "intake-1"


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, such as everything over a vault in memory."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("the coroutine waits for something")


def guid(number: int) -> str:
    return str(UUID(int=number))


def line(number: int = 1, **changes: Any) -> dict[str, Any]:
    product = {"kind": "cnk", "cnk": CNKS[(number - 1) % len(CNKS)]}
    made = {"dguid": guid(number), "product": product, "units": 1}
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def given_back(number: int, returns: int, units: int = -1, **changes: Any) -> dict[str, Any]:
    """A return of units of another line."""
    named = {"product": line(returns)["product"], "units": units, "returns": guid(returns)}
    return line(number, **{**named, **changes})


def visit(*lines: Any, **changes: Any) -> dict[str, Any]:
    """A registration or correction; a changed member of None is left out."""
    made = {
        "sguid": guid(2**64),
        "patient": {"niss": PATIENT},
        "delivered_at": "2026-03-10T08:55:00Z",
        "lines": list(lines or (line(),)),
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def revocation(number: int = 1, replaces: int = 1, **changes: Any) -> dict[str, Any]:
    made = {
        "sguid": guid(2**64),
        "patient": {"niss": PATIENT},
        "dguid": guid(number),
        "replaces": replaces,
    }
    return {**made, **changes}


@dataclass(frozen=True)
class Answer:
    """What one submission became."""

    outputs: tuple[Output, ...]

    def of_topic(self, topic: str) -> list[Output]:
        return [output for output in self.outputs if output.topic == topic]

    @property
    def receipt(self) -> Receipt:
        last = self.outputs[-1]
        assert dict(last.headers)["ce_type"] == RECEIPT.encode()
        return Receipt.read(last.value or b"")

    @property
    def facts(self) -> list[RegisteredFact | CorrectedFact | RevokedFact]:
        return [
            RECORD_FACTS[dict(output.headers)["ce_type"].decode()].read(output.value or b"")
            for output in self.of_topic(topics.DISPENSATION_RECORDED.name)
        ]

    @property
    def dead_letters(self) -> list[Output]:
        return self.of_topic(topics.DISPENSATION_DEADLETTER.name)

    @property
    def notices(self) -> list[GapNoticed | GapClosed]:
        found: list[GapNoticed | GapClosed] = []
        for output in self.of_topic(topics.DISPENSATION_RECEIPTS.name):
            type_ = dict(output.headers)["ce_type"].decode()
            if type_ == GAP_NOTICED:
                found.append(GapNoticed.read(output.value or b""))
            elif type_ == GAP_CLOSED:
                found.append(GapClosed.read(output.value or b""))
        return found

    @property
    def codes(self) -> list[str]:
        """Every code of the receipt, the message's first."""
        receipt = self.receipt
        issues = [*receipt.issues, *(issue for one in receipt.lines for issue in one.issues)]
        return [issue.code for issue in issues]

    @property
    def findings(self) -> list[tuple[str, str]]:
        receipt = self.receipt
        issues = [*receipt.issues, *(issue for one in receipt.lines for issue in one.issues)]
        return [(issue.code, issue.path) for issue in issues]


@dataclass
class FakeTables:
    """Broadcast tables that a test fills."""

    publishers: dict[str, PublisherEntry] = field(default_factory=dict)
    sessions: dict[str, SessionEntry] = field(default_factory=dict)
    policies: list[PolicyVersion] = field(default_factory=lambda: list(shipped("quality")))
    caught_up: int = 0

    async def catch_up(self) -> None:
        self.caught_up += 1

    def publisher(self, publisher: str) -> PublisherEntry | None:
        return self.publishers.get(publisher)

    def session(self, session: str) -> SessionEntry | None:
        return self.sessions.get(session)

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        return max(
            (one for one in self.policies if one.name == name and one.valid_from <= at),
            key=lambda one: one.valid_from,
        )

    def learn(self, fact: PublisherFact, publisher: str, at: datetime) -> None:
        self.publishers[publisher] = publishers.evolve(self.publishers.get(publisher), fact, at)


class Bench:
    """One partition of the quality stage, with pharmacies that may submit."""

    def __init__(self, partitions: int = 1) -> None:
        self.vault = MemoryVault()
        self.tables = FakeTables()
        self.catalogue = MemoryCatalogue({"sample/1": CATALOGUE})
        self.stage: Stage[QualityState, Gathered] = QualityStage(
            self.tables, self.vault, self.catalogue, partitions
        )
        self.state: QualityState = self.stage.initial(in_memory())
        self.now = NOW
        self.offset = 0
        self.log: list[Output] = []
        self.signing: dict[str, SigningKey] = {}
        self.open: dict[str, Session] = {}
        self._numbers: dict[str, int] = {}
        self._ids = 0
        raw = bytes(range(96))
        self.intake = BackboneKeyPublished(
            key_id=INTAKE, purpose="intake", public_key=b64encode(intake_public_bytes(raw))
        )
        finish(self.vault.put_intake_key(IntakeKey(INTAKE, raw)))
        for number in (PHARMACY, OTHER_PHARMACY):
            self.enrol(number)

    def enrol(self, publisher: str, **contract: Any) -> None:
        key = self.signing.setdefault(publisher, SigningKey.generate("key-1"))
        terms = {
            "event_types": (REGISTER, CORRECT, REVOKE),
            "valid_from": ENROLLED_AT,
            **contract,
        }
        enrolled = Enrolled(
            publisher=publisher,
            publisher_kind="pharmacy",
            key=key.enrolment(publisher),
            contract=Contract(**terms),
        )
        self.tables.learn(enrolled, publisher, ENROLLED_AT)
        self.open[publisher] = self.session(publisher)

    def session(self, publisher: str = PHARMACY, at: datetime | None = None) -> Session:
        appended = at or self.now - timedelta(hours=1)
        session, record = open_session(publisher, self.signing[publisher], self.intake, appended)
        self.tables.sessions[session.id] = SessionEntry(
            opened=SessionOpened.read(record.value), appended_at=appended
        )
        return session

    def wire(
        self,
        body: dict[str, Any] | bytes,
        type_: str = REGISTER,
        *,
        pharmacy: str = PHARMACY,
        session: Session | None = None,
        sequence: int | None = None,
        epoch: str = "epoch-1",
        id_: str | None = None,
    ) -> WireRecord:
        """A sealed record, numbered next unless told otherwise."""
        number = self._numbers.get(pharmacy, 0) + 1 if sequence is None else sequence
        self._numbers[pharmacy] = number
        self._ids += 1
        attributes = Attributes(
            id=id_ or guid(2**96 + self._ids),
            type=type_,
            time=self.now,
            sequence=number,
            epoch=epoch,
        )
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return seal_submission(session or self.open[pharmacy], pharmacy, attributes, data)

    def received(self, record: WireRecord, **changes: Any) -> Submission:
        """What the broker hands out for a record; `changes` alter it on the way."""
        values: dict[str, Any] = {
            "topic": topics.DISPENSATION_SUBMITTED.name,
            "partition": 0,
            "offset": self.offset,
            "appended_at": self.now,
            "key": record.key,
            "headers": record.headers,
            "value": record.value,
            **changes,
        }
        self.offset += 1
        return Submission(**values)

    def run(self, batch: Sequence[Submission]) -> list[Answer]:
        """One batch through the stage, checked for what every answer must hold."""
        gathered = finish(self.stage.gather(self.state, batch))
        answers: list[Answer] = []
        for submission in batch:
            outputs = self.stage.decide(self.state, submission, gathered)
            assert outputs == self.stage.decide(self.state, submission, gathered)
            check_outputs(submission, outputs)
            for output in outputs:
                self.stage.evolve(
                    self.state, output.topic, output.key, output.headers, output.value
                )
            self.log.extend(outputs)
            answers.append(Answer(outputs))
        return answers

    def submit(self, body: dict[str, Any] | bytes, type_: str = REGISTER, **how: Any) -> Answer:
        return self.run([self.received(self.wire(body, type_, **how))])[0]

    def correct(self, *lines: Any, **changes: Any) -> Answer:
        return self.submit(visit(*lines, **changes), CORRECT)

    def revoke(self, number: int = 1, replaces: int = 1, **changes: Any) -> Answer:
        return self.submit(revocation(number, replaces, **changes), REVOKE)

    def restored(self) -> QualityState:
        """The state of a stage that starts anew on what was written."""
        state = self.stage.initial(in_memory())
        for output in self.log:
            self.stage.evolve(state, output.topic, output.key, output.headers, output.value)
        return state


def check_outputs(submission: Submission, outputs: tuple[Output, ...]) -> None:
    """What holds for every submission: dense ordinals, and exactly one receipt, the last."""
    positions = [source_position(output.headers) for output in outputs]
    assert positions == [(submission.offset, ordinal) for ordinal in range(len(outputs))]
    receipts = [dict(one.headers).get("ce_type") == RECEIPT.encode() for one in outputs]
    assert receipts == [False] * (len(outputs) - 1) + [True]
    receipt = Receipt.read(outputs[-1].value or b"")
    assert receipt.submission.offset == submission.offset
    dead = [one for one in outputs if one.topic == topics.DISPENSATION_DEADLETTER.name]
    assert len(dead) == int(receipt.dead_letter)
    ids = [dict(one.headers)["ce_id"].decode() for one in outputs if one not in dead]
    for one in outputs:
        if one not in dead:
            check_value(one)
    recorded = [one for one in outputs if one.topic == topics.DISPENSATION_RECORDED.name]
    assert list(receipt.facts) == ids[: len(recorded)]


def check_value(output: Output) -> None:
    """An output is exactly what the model of its type writes, which forbids all else."""
    named = dict(output.headers)
    model = events.by_topic()[output.topic][named["ce_type"].decode()]
    written = model.model_validate_json(output.value or b"").write()
    assert written == output.value
