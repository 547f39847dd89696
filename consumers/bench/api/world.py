"""Servers and content of the benchmark: a million lines, patients, and doctors who read them."""

import secrets
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import sql

from consumers.catalogue.sample import ensure_sample
from consumers.progress import Progress
from consumers.simulation.population import SimulationSize, populate
from consumers.stack.office import first_keys, init_office
from consumers.stack.stack import migration_sources
from infra import migrations, topics
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.embedded.processes import free_ports
from infra.kafka import Producer, producer
from infra.keys.opening import opened_vault
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.history_store import COLUMNS, ensure_months
from projections.rows import copy_rows
from projections.store import use_schema
from schemas import brussels
from schemas.dispensation import REGISTERED, LineContent, MedicinalProduct, Posology, RegisteredFact
from schemas.envelope import Envelope
from schemas.keyvault import PeriodSecret, SubjectSecret
from schemas.model import Model
from schemas.partitioning import partition_for
from schemas.sealing import b64decode
from schemas.sealing.facts import record_associated_data, record_keys, seal
from schemas.sealing.pseudonym import party_pseudonym, subject_pseudonym
from schemas.subject import CONSENT_GIVEN, LINK_DECLARED, ConsentGiven, LinkDeclared
from schemas.topics import DISPENSATION_RECORDED, SUBJECT_REGISTERED

PARTITIONS: Final = 4
SEED: Final = 7
LINES_A_VISIT: Final = 3
DAYS: Final = 150
"""All lines are younger than this, so every one is inside a doctor's window."""
BEFORE_THE_LOG: Final = -1
"""Position of the rows that are written straight into the table."""
_FILLER: Final = sql.SQL(
    "INSERT INTO history_v1.dispensation (delivered_month, pharmacy, dguid, version, status,"
    " event_type, ce_id, subject, generation, period, delivered_at, sealed, score, warnings,"
    " recorded_partition, recorded_position)"
    " SELECT date_trunc('month', at AT TIME ZONE 'Europe/Brussels')::date, '80000551',"
    " gen_random_uuid()::text, 1, 'registered', {type}, 'quality/0/0/0',"
    " md5('subject' || (n / 25)::text), 1, 'a-day', at, decode(repeat('5a', 320), 'hex'), 100,"
    " '{{}}',"
    " 0, {position} FROM (SELECT n, {now}::timestamptz - make_interval(secs => n % {seconds}) AS at"
    " FROM generate_series(1, {count}) AS n) AS lines"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is; `rows` are all lines, of which each patient has `lines`."""

    rows: int = 1_000_000
    patients: int = 2_000
    lines: int = 25
    readers: int = 50
    others: int = 500
    """People whom nobody reads; what is published is about them, so that pages stay as they are."""

    @classmethod
    def of(cls, rows: int) -> "Size":
        """So many lines in all, of as many patients as they suffice for."""
        whole = cls()
        patients = min(whole.patients, rows // whole.lines // whole.readers * whole.readers)
        return replace(whole, rows=rows, patients=max(patients, whole.readers))


@dataclass(frozen=True, slots=True)
class Doctor:
    """A reader, and the patients who have a link with them."""

    nihdi: str
    patients: tuple[str, ...] = field(repr=False)


@dataclass(slots=True)
class World:
    """Running servers with all of it, and a stage's pen to write more facts."""

    settings: Settings
    doctors: tuple[Doctor, ...]
    sender: Producer
    facts: "Facts"
    registered: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    """The next offset of a registration in each partition."""

    async def register(
        self, subject: str, type_: str, fact: type[Model], **members: object
    ) -> None:
        """A fact about a subject, as the subject stage writes it; durable once this returns."""
        await self.enqueue(subject, type_, fact, members)
        await self.sender.flush()

    async def enqueue(
        self, subject: str, type_: str, fact: type[Model], members: Mapping[str, object]
    ) -> None:
        """As `register`, for many at a time."""
        common = {
            "subject": subject,
            "generation": 1,
            "author_role": "patient",
            "author": subject,
            "sealed": "AAAA",
        }
        partition = partition_for(subject.encode(), PARTITIONS)
        place, self.registered[partition] = (
            self.registered[partition],
            self.registered[partition] + 1,
        )
        envelope = _envelope("subject", partition, place, type_, datetime.now(UTC))
        await self.sender.enqueue(
            SUBJECT_REGISTERED.name,
            fact.model_validate({**common, **members}).write(),
            key=subject.encode(),
            headers=envelope.headers(),
            partition=partition,
        )


@asynccontextmanager
async def opened(folder: Path, size: Size, progress: Progress) -> AsyncIterator[World]:
    """Starts the servers and fills them.

    Raises:
        InfrastructureError: a server does not start.
    """
    progress("broker and database", 0, 0)
    async with EmbeddedInfrastructure(folder) as running:
        settings = first_keys(
            running.endpoints.settings(
                folder,
                log_format="console",
                dev_issuer=True,
                api_port=free_ports(1)[0],
                api_requests_per_minute=1_000_000,
                api_patients_per_hour=1_000_000,
            )
        )
        await topics.apply(settings, partitions=PARTITIONS)
        await migrations.migrate(migration_sources(settings))
        await ensure_sample(settings.dsn)
        await init_office(settings)
        progress("broker and database", 1, 1)
        async with producer(settings) as sender:
            yield await _filled(settings, size, sender, progress)


async def _filled(settings: Settings, size: Size, sender: Producer, progress: Progress) -> World:
    everybody = SimulationSize(persons=size.patients + size.others, pharmacies=size.readers)
    people = populate(SEED, everybody)
    numbers = [one.niss for one in people.persons[: size.patients]]
    unread = [one.niss for one in people.persons[size.patients :]]
    doctors = tuple(
        Doctor(one.nihdi, tuple(numbers[at :: size.readers]))
        for at, one in enumerate(people.physicians[: size.readers])
    )
    progress("lines", 0, size.rows)
    async with opened_vault(settings, maximum=2) as vault:
        key = await vault.root_key("pseudonym")
        subjects = [subject_pseudonym(key, one) for one in numbers]
        others = [subject_pseudonym(key, one) for one in unread]
        now = datetime.now(UTC)
        days = {brussels.day_of(now - timedelta(days=at)) for at in range(DAYS + 1)}
        facts = Facts(
            dict(await vault.subject_secrets(subjects)),
            dict(await vault.subject_secrets(others)),
            {
                day: one
                for day, one in (await vault.period_secrets(days)).items()
                if isinstance(one, PeriodSecret)
            },
            now,
        )
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        await _write_lines(connection, facts, size, progress)
    made = World(settings, doctors, sender, facts)
    await _register(made, key)
    return made


async def _write_lines(
    connection: Connection, facts: "Facts", size: Size, progress: Progress
) -> None:
    await use_schema(connection, "history_v1")
    days = [facts.now - timedelta(days=at) for at in range(DAYS + 1)]
    await ensure_months(connection, {brussels.day_of(one).replace(day=1) for one in days})
    own = size.patients * size.lines
    rows = (row for subject in facts.patients for row in facts.rows(subject, size.lines))
    await copy_rows(
        connection, sql.Identifier("dispensation"), list(COLUMNS), list(COLUMNS.values()), rows
    )
    progress("lines", own, size.rows)
    await connection.execute(
        _FILLER.format(
            type=sql.Literal(REGISTERED),
            position=sql.Literal(BEFORE_THE_LOG),
            now=sql.Literal(facts.now),
            seconds=sql.Literal(DAYS * 86_400),
            count=sql.Literal(size.rows - own),
        )
    )
    await connection.execute("VACUUM ANALYZE history_v1.dispensation")
    progress("lines", size.rows, size.rows)


async def _register(made: World, key: bytes) -> None:
    """Every patient's consent and link with their doctor."""
    now = datetime.now(UTC)
    for doctor in made.doctors:
        party = party_pseudonym(key, "professional", doctor.nihdi)
        for number in doctor.patients:
            subject = subject_pseudonym(key, number)
            link = {
                "link": uuid.uuid4().hex,
                "party": party,
                "party_kind": "professional",
                "link_type": "consultation",
                "valid_from": now - timedelta(days=1),
                "valid_until": now + timedelta(days=300),
            }
            await made.enqueue(subject, CONSENT_GIVEN, ConsentGiven, {})
            await made.enqueue(subject, LINK_DECLARED, LinkDeclared, link)
    await made.sender.flush()


def _envelope(stage: str, partition: int, offset: int, type_: str, at: datetime) -> Envelope:
    extensions = {"sourceoffset": str(offset), "sourceordinal": "0"}
    ce_id = f"{stage}/{partition}/{offset}/0"
    return Envelope(ce_id, f"/{stage}", type_, at, extensions=extensions)


@dataclass(slots=True)
class Facts:
    """Seals lines as the quality stage does: rows of the patients, facts of the others."""

    patients: dict[str, SubjectSecret]
    others: dict[str, SubjectSecret]
    periods: dict[object, PeriodSecret]
    now: datetime
    _next: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))

    def rows(self, subject: str, count: int) -> Iterator[tuple[object, ...]]:
        """Rows of the history for one subject, in visits that are spread over the days."""
        for number in range(count):
            visit = number // LINES_A_VISIT * LINES_A_VISIT
            at = self.now - timedelta(days=1 + visit * (DAYS - 1) / count)
            ce_id = f"quality/0/{secrets.randbits(40)}/0"
            fact = self._fact(subject, at, ce_id)
            yield (
                brussels.day_of(at).replace(day=1),
                fact.pharmacy,
                fact.dguid,
                1,
                "registered",
                REGISTERED,
                ce_id,
                subject,
                1,
                fact.period,
                at,
                None,
                None,
                b64decode(fact.sealed),
                100,
                [],
                0,
                BEFORE_THE_LOG,
            )

    async def publish(self, sender: Producer, count: int) -> None:
        """Appends so many facts, each about one of the others."""
        names = list(self.others)
        for _ in range(count):
            partition = secrets.randbelow(PARTITIONS)
            offset, self._next[partition] = self._next[partition], self._next[partition] + 1
            at = self.now - timedelta(days=1)
            envelope = _envelope("quality", partition, offset, REGISTERED, self.now)
            fact = self._fact(secrets.choice(names), at, envelope.id)
            await sender.enqueue(
                DISPENSATION_RECORDED.name,
                fact.write(),
                key=fact.pharmacy.encode(),
                headers=envelope.headers(),
                partition=partition,
            )

    def _fact(self, subject: str, at: datetime, ce_id: str) -> RegisteredFact:
        secret = self.patients.get(subject) or self.others[subject]
        period = self.periods[brussels.day_of(at)]
        dguid = str(uuid.uuid4())
        bound = record_associated_data(
            type_=REGISTERED,
            pharmacy="80000551",
            dguid=dguid,
            version=1,
            subject=subject,
            generation=1,
            period=period.period,
        )
        content = LineContent(
            sguid=dguid,
            pharmacy="80000551",
            delivered_at=at,
            product=MedicinalProduct(cnk="0041020"),
            units=1,
            posology=Posology(text="1 tablet in the morning and 1 in the evening"),
        )
        keys = record_keys(secret.secret, period.secret, 1)
        return RegisteredFact(
            pharmacy="80000551",
            dguid=dguid,
            version=1,
            subject=subject,
            generation=1,
            period=period.period,
            digest="AA",
            score=100,
            sealed=seal(keys, ce_id, bound, content.write()),
        )
