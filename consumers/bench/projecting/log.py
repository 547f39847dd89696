"""The log that the projections are measured with: a region's records in their usual proportions.

For each visit two facts, their receipt, now and then a registration of a subject and a read that
was audited. Facts are sealed under the keys of a real vault.
"""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from infra.kafka import Ack, Producer
from infra.kafka_admin import admin
from infra.settings import Settings
from schemas import brussels, topics
from schemas.audit import ACCESS_DECIDED, AccessDecided
from schemas.dispensation import REGISTER, REGISTERED, LineContent, MedicinalProduct, RegisteredFact
from schemas.envelope import Envelope
from schemas.keyvault import KeyVault, PeriodSecret, SubjectSecret
from schemas.model import Model
from schemas.receipts import RECEIPT, LineOutcome, Receipt, SubmissionRef
from schemas.sealing.facts import record_associated_data, record_keys, seal
from schemas.subject import SUBJECT_FACT_TYPES, LinkDeclared

PARTITIONS: Final = topics.EMBEDDED_PARTITIONS
SUBJECTS: Final = 500
DAYS: Final = 90
LINES: Final = 2
"""Of a visit."""
VISITS_PER_READ: Final = 5
VISITS_PER_REGISTRATION: Final = 10
PRODUCTS: Final = 3_000
_NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
_PHARMACY: Final = "80000551"
_LETTERS: Final = str.maketrans("0123456789", "abcdefghij")


class Sent(NamedTuple):
    """One record to publish."""

    topic: str
    partition: int
    key: bytes
    headers: list[tuple[str, bytes]]
    value: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of the invented subjects and of their days."""

    subjects: tuple[SubjectSecret, ...]
    days: Mapping[date, PeriodSecret]

    @classmethod
    async def of(cls, vault: KeyVault) -> "Keys":
        """Makes them in a vault."""
        names = [f"{number:026d}".translate(_LETTERS) for number in range(SUBJECTS)]
        made = await vault.subject_secrets(names)
        wanted = [brussels.day_of(_NOON + timedelta(days=number)) for number in range(DAYS)]
        found = await vault.period_secrets(wanted)
        days = {day: one for day, one in found.items() if isinstance(one, PeriodSecret)}
        return cls(tuple(made[name] for name in names), days)


class Visits:
    """Records of visits, each the next; `facts` is the topic of their facts."""

    def __init__(self, keys: Keys, facts: str = topics.DISPENSATION_RECORDED.name) -> None:
        self._keys = keys
        self._facts = facts
        self._number = 0

    def facts(self) -> Iterator[Sent]:
        """The facts of the next visit."""
        number, self._number = self._number, self._number + 1
        at = _NOON + timedelta(days=number % DAYS, seconds=number // DAYS % 3600)
        subject = self._keys.subjects[number % SUBJECTS]
        period = self._keys.days[brussels.day_of(at)]
        for ordinal in range(LINES):
            yield self._fact(number, ordinal, at, subject, period)

    def records(self) -> Iterator[Sent]:
        """The facts of the next visit, its receipt, and what else happens meanwhile."""
        number = self._number
        facts = list(self.facts())
        yield from facts
        yield self._receipt(number)
        if number % VISITS_PER_READ == 0:
            yield self._read(number)
        if number % VISITS_PER_REGISTRATION == 0:
            yield self._registration(number)

    def _fact(
        self, number: int, ordinal: int, at: datetime, subject: SubjectSecret, period: PeriodSecret
    ) -> Sent:
        dguid = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}/{ordinal}"))
        members = {
            "pharmacy": _PHARMACY,
            "dguid": dguid,
            "version": 1,
            "subject": subject.subject,
            "generation": subject.generation,
            "period": period.period,
        }
        content = LineContent(
            sguid=str(uuid.UUID(int=number)),
            pharmacy=_PHARMACY,
            delivered_at=at,
            product=MedicinalProduct(cnk=f"{(number * LINES + ordinal) % PRODUCTS:07d}"),
            units=1,
        )
        partition, offset = number % PARTITIONS, number // PARTITIONS
        ce_id = f"quality/{partition}/{offset}/{ordinal}"
        bound = record_associated_data(type_=REGISTERED, **members)  # type: ignore[arg-type]
        keys = record_keys(subject.secret, period.secret, 1)
        sealed = seal(keys, ce_id, bound, content.write())
        fact = RegisteredFact.model_validate(
            {**members, "digest": "AA", "score": 100, "sealed": sealed}
        )
        return self._output(self._facts, number, ordinal, REGISTERED, fact)

    def _receipt(self, number: int) -> Sent:
        partition, offset = number % PARTITIONS, number // PARTITIONS
        lines = tuple(
            LineOutcome(path=f"/lines/{one}", outcome="recorded", version=1, score=100)
            for one in range(LINES)
        )
        submission = SubmissionRef(
            partition=partition,
            offset=offset,
            appended_at=_NOON,
            id=str(uuid.UUID(int=number)),
            source=f"/pharmacies/{_PHARMACY}",
            type=REGISTER,
            sequence=number + 1,
            epoch="bench",
        )
        receipt = Receipt(outcome="accepted", submission=submission, lines=lines)
        return self._output(topics.DISPENSATION_RECEIPTS.name, number, LINES, RECEIPT, receipt)

    def _registration(self, number: int) -> Sent:
        subject = self._keys.subjects[number % SUBJECTS]
        link = LinkDeclared(
            subject=subject.subject,
            generation=subject.generation,
            author_role="patient",
            author=subject.subject,
            sealed="AAAA",
            link=str(uuid.UUID(int=number)),
            party=self._keys.subjects[number // SUBJECTS % SUBJECTS].subject,
            party_kind="professional",
            link_type="consultation",
            valid_from=_NOON,
            valid_until=_NOON + timedelta(days=365),
        )
        kind = SUBJECT_FACT_TYPES[LinkDeclared]
        return self._output(topics.SUBJECT_REGISTERED.name, number, 0, kind, link)

    def _read(self, number: int) -> Sent:
        subject = self._keys.subjects[number % SUBJECTS]
        decided = AccessDecided(
            decision="permit",
            basis="own_data",
            subject=subject.subject,
            generation=subject.generation,
            reader=subject.subject,
            role="patient",
            purpose="own_history",
            decided_at=_NOON,
            policy_version="access/1",
            rows=LINES,
            sealed_parameters="A" * 120,
            sealed_reader="A" * 120,
        )
        return self._output(topics.ACCESS_AUDITED.name, number, 0, ACCESS_DECIDED, decided)

    def _output(self, topic: str, number: int, ordinal: int, type_: str, body: Model) -> Sent:
        partition, offset = number % PARTITIONS, number // PARTITIONS
        extensions = {"sourceoffset": str(offset), "sourceordinal": str(ordinal)}
        ce_id = f"quality/{partition}/{offset}/{ordinal}"
        envelope = Envelope(ce_id, "/quality", type_, _NOON, extensions=extensions)
        return Sent(topic, partition, _PHARMACY.encode(), envelope.headers(), body.write())


async def send(sender: Producer, one: Sent) -> "asyncio.Future[Ack]":
    """Puts a record into the next batch; the future tells where it is in the log."""
    return await sender.enqueue(
        one.topic, one.value, key=one.key, headers=one.headers, partition=one.partition
    )


async def make_topic(settings: Settings, name: str) -> None:
    """Makes a topic for facts."""
    async with admin(settings) as administration:
        await administration.create(
            name, PARTITIONS, 1, {"message.timestamp.type": "LogAppendTime"}
        )
