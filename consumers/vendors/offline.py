"""Quality control in memory: the very stage that a backbone runs, without broker and database.

Submissions are sealed, opened, decided and remembered as on a running backbone, so what a receipt
says here it says there. Secrets are made for the occasion and gone at the end.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from consumers.catalogue.sample import sample_catalogue
from consumers.simulation.records import Outgoing
from infra.keys.memory import MemoryVault
from projections.folds import publishers
from projections.folds.publishers import PublisherEntry, SessionEntry
from schemas.catalogue import Catalogue
from schemas.keyvault import IntakeKey
from schemas.partitioning import partition_for
from schemas.policy import PolicyName, PolicyVersion, effective, shipped
from schemas.publisher import BackboneKeyPublished, Enrolled, SessionOpened
from schemas.sealing import b64encode
from schemas.sealing.session import INTAKE_PRIVATE_BYTES, intake_public_bytes
from schemas.topics import DISPENSATION_SUBMITTED, EMBEDDED_PARTITIONS
from streams.engine.answering import answer
from streams.engine.stage import Output, Submission
from streams.engine.tables import in_memory
from streams.intake.keys import SigningKey
from streams.intake.session import Session, open_session
from streams.quality.stage import QualityStage
from streams.quality.state import QualityState

_INTAKE: Final = "intake-offline"


@dataclass
class MemoryTables:
    """Implements `streams.sessions.Tables`: publishers, sessions and policies as they are put."""

    policies: tuple[PolicyVersion, ...]
    publishers: dict[str, PublisherEntry] = field(default_factory=dict)
    sessions: dict[str, SessionEntry] = field(default_factory=dict)

    async def catch_up(self) -> None:
        """Nothing is ever behind."""

    def publisher(self, publisher: str) -> PublisherEntry | None:
        """A publisher by id."""
        return self.publishers.get(publisher)

    def session(self, session: str) -> SessionEntry | None:
        """A session by id."""
        return self.sessions.get(session)

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force at a time."""
        return effective((one for one in self.policies if one.name == name), at)


class OfflineBackbone:
    """Quality control of invented pharmacies, one submission after the other.

    Args:
        policies: versions of the quality policy; those that ship with the code if none is given.
        catalogue: the medicines catalogue that they name; the sample if none is given.
    """

    def __init__(
        self, policies: Iterable[PolicyVersion] = (), catalogue: Catalogue | None = None
    ) -> None:
        self._tables = MemoryTables(tuple(policies) or shipped("quality"))
        self._vault = MemoryVault()
        self._stage = QualityStage(
            self._tables, self._vault, catalogue or sample_catalogue(), EMBEDDED_PARTITIONS
        )
        self._states: dict[int, QualityState] = {}
        self._offsets: dict[int, int] = {}
        self._intake: BackboneKeyPublished | None = None

    def enrol(self, fact: Enrolled, at: datetime) -> None:
        """Admit a pharmacy, as the office would have at that time."""
        known = self._tables.publishers.get(fact.publisher)
        self._tables.publishers[fact.publisher] = publishers.evolve(known, fact, at)

    async def open_session(
        self, pharmacy: str, key: SigningKey, at: datetime, *, appended_at: datetime | None = None
    ) -> Session:
        """A session of an enrolled pharmacy, opened at `at` by its own clock."""
        session, record = open_session(pharmacy, key, await self._intake_key(), at)
        opened = SessionOpened.read(record.value)
        self._tables.sessions[session.id] = SessionEntry(opened, appended_at or at)
        return session

    async def _intake_key(self) -> BackboneKeyPublished:
        if self._intake is None:
            raw = secrets.token_bytes(INTAKE_PRIVATE_BYTES)
            await self._vault.put_intake_key(IntakeKey(_INTAKE, raw))
            public = b64encode(intake_public_bytes(raw))
            self._intake = BackboneKeyPublished(key_id=_INTAKE, purpose="intake", public_key=public)
        return self._intake

    async def submit(self, record: Outgoing, at: datetime) -> tuple[Output, ...]:
        """What a submission appended at that time becomes; its receipt is the last output."""
        submission = self._received(record, at)
        if submission.partition not in self._states:
            self._states[submission.partition] = self._stage.initial(in_memory())
        state = self._states[submission.partition]
        gathered = await self._stage.gather(state, [submission])
        outputs = answer(self._stage, state, submission, gathered).outputs
        for one in outputs:
            self._stage.evolve(state, one.topic, one.key, one.headers, one.value)
        return outputs

    def _received(self, record: Outgoing, at: datetime) -> Submission:
        key = record.sender.encode() if record.key is None else record.key
        partition = (
            partition_for(key, EMBEDDED_PARTITIONS) + record.elsewhere
        ) % EMBEDDED_PARTITIONS
        offset = self._offsets.get(partition, 0)
        self._offsets[partition] = offset + 1
        return Submission(
            topic=DISPENSATION_SUBMITTED.name,
            partition=partition,
            offset=offset,
            appended_at=at,
            key=record.key,
            headers=record.headers,
            value=record.value,
        )
