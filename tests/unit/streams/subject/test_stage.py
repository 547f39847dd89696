"""The stage as the engine drives it: tables, vault and real sessions in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from infra.keys.memory import MemoryVault
from projections.folds import publishers
from projections.folds.publishers import PublisherEntry, SessionEntry
from schemas.keyvault import IntakeKey
from schemas.partitioning import partition_for
from schemas.policy import PolicyName, PolicyVersion, baseline
from schemas.publisher import (
    BackboneKeyPublished,
    Contract,
    Enrolled,
    KeyWithdrawn,
    PublisherKind,
    SessionOpened,
)
from schemas.receipts import Receipt
from schemas.registrations import GIVE_CONSENT, REGISTRATIONS, WITHDRAW_CONSENT
from schemas.sealing import b64encode
from schemas.sealing.pseudonym import subject_pseudonym
from schemas.sealing.session import intake_public_bytes
from streams.engine.stage import Output, Stage, Submission
from streams.engine.tables import in_memory
from streams.intake.keys import SigningKey
from streams.intake.session import Attributes, Session, open_session, seal_submission
from streams.subject.stage import Gathered, SubjectStage
from streams.subject.state import PartitionState
from tests.unit.streams.subject.world import PARTITIONS, PATIENT, START, make, receipt_in

INTAKE_PRIVATE = bytes(range(96))
ENROLLED_AT = START - timedelta(days=1)
OPENED_AT = START - timedelta(hours=1)


@dataclass
class FakeTables:
    """The broadcast tables as plain dictionaries, read only after catching up."""

    publishers: dict[str, PublisherEntry] = field(default_factory=dict)
    sessions: dict[str, SessionEntry] = field(default_factory=dict)
    caught_up: bool = False

    async def catch_up(self) -> None:
        self.caught_up = True

    def publisher(self, publisher: str) -> PublisherEntry | None:
        assert self.caught_up
        return self.publishers.get(publisher)

    def session(self, session: str) -> SessionEntry | None:
        assert self.caught_up
        return self.sessions.get(session)

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:  # noqa: ARG002 - one version
        return baseline(name)


class Backbone:
    """One enrolled publisher with an open session, and the stage that reads it."""

    def __init__(self, publisher: str = "registrar", kind: PublisherKind = "registrar") -> None:
        self.vault, self.tables = MemoryVault(), FakeTables()
        self.stage = SubjectStage(self.tables, self.vault, PARTITIONS)
        self.state = self.stage.initial(in_memory())
        self.key = SigningKey.generate("key-1")
        contract = Contract(event_types=tuple(REGISTRATIONS), valid_from=ENROLLED_AT)
        enrolled = Enrolled(
            publisher=publisher,
            publisher_kind=kind,
            key=self.key.enrolment(publisher),
            contract=contract,
        )
        self.publisher = publisher
        self.tables.publishers[publisher] = publishers.evolve(None, enrolled, ENROLLED_AT)
        self.session = self.open(OPENED_AT)

    def open(self, at: datetime) -> Session:
        public = b64encode(intake_public_bytes(INTAKE_PRIVATE))
        intake = BackboneKeyPublished(key_id="intake-1", purpose="intake", public_key=public)
        session, record = open_session(self.publisher, self.key, intake, at)
        self.tables.sessions[session.id] = SessionEntry(SessionOpened.read(record.value), at)
        return session

    async def start(self) -> str:
        """Puts the intake key and answers the patient's pseudonym."""
        await self.vault.put_intake_key(IntakeKey("intake-1", INTAKE_PRIVATE))
        return subject_pseudonym(await self.vault.root_key("pseudonym"), PATIENT)

    def record(self, subject: str, offset: int, type_: str = GIVE_CONSENT) -> Submission:
        attributes = Attributes(id=f"reg-{offset:08d}", type=type_, time=START)
        sealed = seal_submission(self.session, subject, attributes, make(type_).write())
        partition = partition_for(sealed.key, PARTITIONS)
        return Submission(
            self.stage.submitted, partition, offset, START, sealed.key, sealed.headers, sealed.value
        )

    async def run(self, batch: Sequence[Submission]) -> list[tuple[Output, ...]]:
        gathered = await self.stage.gather(self.state, batch)
        answers = []
        for one in batch:
            outputs = self.stage.decide(self.state, one, gathered)
            for output in outputs:
                self.stage.evolve(
                    self.state, output.topic, output.key, output.headers, output.value
                )
            answers.append(outputs)
        return answers

    async def codes(self, record: Submission) -> list[str]:
        [outputs] = await self.run([record])
        return [one.code for one in receipt_in(outputs).issues]


def test_the_stage_fits_the_engine() -> None:
    stage: Stage[PartitionState, Gathered] = Backbone().stage
    assert (stage.name, stage.submitted) == ("subject", "dpp.subject.submitted")
    assert stage.outputs == ("dpp.subject.registered", "dpp.subject.receipts")
    assert stage.receipts == stage.outputs[-1]


async def test_a_batch_is_decided_one_after_the_other() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    types = (GIVE_CONSENT, GIVE_CONSENT, WITHDRAW_CONSENT)
    batch = [backbone.record(subject, n, type_) for n, type_ in enumerate(types)]
    answers = await backbone.run(batch)
    receipts = [receipt_in(outputs) for outputs in answers]
    assert [one.outcome for one in receipts] == ["accepted", "rejected", "accepted"]
    assert [one.code for one in receipts[1].issues] == ["CONSENT_ALREADY_GIVEN"]


async def test_a_replayed_batch_gives_the_same_bytes() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    batch = [backbone.record(subject, 0), backbone.record(subject, 1, WITHDRAW_CONSENT)]
    first = await backbone.run(batch)
    backbone.state = backbone.stage.initial(in_memory())
    assert await backbone.run(batch) == first


async def test_a_bad_record_does_not_hinder_the_next() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    good = backbone.record(subject, 1)
    answers = await backbone.run([replace(good, offset=0, value=None, headers=()), good])
    assert [receipt_in(outputs).outcome for outputs in answers] == ["rejected", "accepted"]


async def test_a_broken_seal_makes_no_secret_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = Backbone()
    subject = await backbone.start()
    good = backbone.record(subject, 0)
    asked: list[object] = []
    monkeypatch.setattr(backbone.vault, "subject_secrets", asked.append)
    assert await backbone.codes(replace(good, value=b"x" * 99)) == ["SEAL_BROKEN"]
    assert asked == []


async def test_a_withdrawn_key_ends_its_sessions_bad() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    withdrawn = KeyWithdrawn(publisher="registrar", key_id="key-1", reason="lost")
    known = backbone.tables.publishers["registrar"]
    backbone.tables.publishers["registrar"] = publishers.evolve(known, withdrawn, OPENED_AT)
    assert await backbone.codes(backbone.record(subject, 0)) == ["SESSION_EXPIRED"]


async def test_a_session_counts_from_its_append_time_bad() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    backbone.session = backbone.open(START + timedelta(seconds=1))
    assert await backbone.codes(backbone.record(subject, 0)) == ["SESSION_UNKNOWN"]


async def test_a_registrar_enrolled_later_is_unknown_bad() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    known = backbone.tables.publishers["registrar"]
    later = replace(known, enrolled_at=START + timedelta(seconds=1))
    backbone.tables.publishers["registrar"] = later
    assert await backbone.codes(backbone.record(subject, 0)) == ["PUBLISHER_UNKNOWN"]


async def test_a_pharmacy_registers_nothing_bad() -> None:
    backbone = Backbone("80000551", "pharmacy")
    subject = await backbone.start()
    answered = await backbone.codes(backbone.record(subject, 0))
    assert answered == ["PUBLISHER_UNKNOWN", "PUBLISHER_MISMATCH"]


async def test_a_destroyed_intake_key_opens_nothing_bad() -> None:
    backbone = Backbone()
    subject = subject_pseudonym(await backbone.vault.root_key("pseudonym"), PATIENT)
    assert await backbone.codes(backbone.record(subject, 0)) == ["SEAL_BROKEN"]


async def test_an_erased_subject_comes_back_as_the_next_generation() -> None:
    backbone = Backbone()
    subject = await backbone.start()
    await backbone.run([backbone.record(subject, 0)])
    await backbone.vault.destroy_subject(subject, 1, START)
    [outputs] = await backbone.run([backbone.record(subject, 1)])
    assert receipt_in(outputs).outcome == "accepted"
    known = backbone.state.subjects.get(subject)
    assert known is not None
    assert known.generation == 2


def test_an_undecidable_submission_gets_its_receipt() -> None:
    stage = Backbone().stage
    record = Submission(stage.submitted, 0, 5, START, None, (), None)
    [output] = stage.undecidable(record, "LookupError")
    assert Receipt.read(output.value or b"").submission.offset == 5
