"""A topic, a database and a vault of a test's own, a stage that writes facts, and a runner."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import SecretStr

from infra.kafka import Partition, Producer, producer, reader
from infra.kafka_admin import admin
from infra.keys.memory import MemoryVault
from infra.migrations import migrate
from infra.postgres import Connection, Pool, connect, pool
from infra.settings import Settings
from projections.health import ProjectionHealth
from projections.positions import PositionWaiter
from projections.runner import migrations, run_projections
from projections.shells import Projection
from schemas import brussels
from schemas.dispensation import (
    CORRECTED,
    REGISTERED,
    REVOKED,
    CorrectedFact,
    LineContent,
    MedicinalProduct,
    RegisteredFact,
    RevokedFact,
    Supersedes,
)
from schemas.envelope import Envelope
from schemas.keyvault import KeyVault, PeriodSecret
from schemas.model import Model
from schemas.sealing.facts import record_associated_data, record_keys, seal

PHARMACY = "80000551"
PARTITIONS = 2
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def subject_of(name: str) -> str:
    """A pseudonym by which a test names somebody."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digits[:26])


def guid_of(name: str) -> str:
    """An identifier by which a test names a line."""
    return str(uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16]))


@dataclass(frozen=True, slots=True)
class Output:
    """What a stage writes: `source` is the submission's offset and the output's ordinal."""

    partition: int
    type: str
    body: bytes
    source: tuple[int, int] | None
    key: bytes = PHARMACY.encode()
    ce_id: str = ""

    def headers(self) -> list[tuple[str, bytes]]:
        extensions = {}
        if self.source is not None:
            extensions = {
                "sourceoffset": str(self.source[0]),
                "sourceordinal": str(self.source[1]),
            }
        return Envelope(self.id, "/quality", self.type, NOON, extensions=extensions).headers()

    @property
    def id(self) -> str:
        return self.ce_id or f"quality/{self.partition}/{self.source}"


@dataclass(slots=True)
class Facts:
    """Seals facts as the quality stage does."""

    vault: KeyVault
    _next: dict[int, int] = field(default_factory=dict)

    def source(self, partition: int = 0) -> tuple[int, int]:
        self._next[partition] = self._next.get(partition, -1) + 1
        return self._next[partition], 0

    async def registered(
        self,
        name: str,
        person: str = "ann",
        at: datetime = NOON,
        partition: int = 0,
        batch: str | None = None,
    ) -> Output:
        return await self._line(
            name, 1, person, at=at, partition=partition, former=None, batch=batch
        )

    async def corrected(
        self,
        name: str,
        version: int,
        person: str,
        at: datetime,
        former: Supersedes,
        *,
        partition: int = 0,
    ) -> Output:
        return await self._line(name, version, person, at=at, partition=partition, former=former)

    async def revoked(
        self, name: str, version: int, person: str, former: Supersedes, *, partition: int = 0
    ) -> Output:
        secret = (await self.vault.subject_secrets([subject_of(person)]))[subject_of(person)]
        fact = RevokedFact(
            pharmacy=PHARMACY,
            dguid=guid_of(name),
            version=version,
            subject=subject_of(person),
            generation=secret.generation,
            period="whatever-day",
            digest="AA",
            sealed="AAAA",
            supersedes=former,
        )
        return self.output(REVOKED, fact, partition)

    def output(self, type_: str, body: Model, partition: int = 0) -> Output:
        return Output(partition, type_, body.write(), self.source(partition))

    async def _line(
        self,
        name: str,
        version: int,
        person: str,
        *,
        at: datetime,
        partition: int,
        former: Supersedes | None,
        batch: str | None = None,
    ) -> Output:
        subject, day = subject_of(person), brussels.day_of(at)
        secret = (await self.vault.subject_secrets([subject]))[subject]
        period = (await self.vault.period_secrets([day]))[day]
        assert isinstance(period, PeriodSecret)
        source = self.source(partition)
        type_ = REGISTERED if former is None else CORRECTED
        content = LineContent(
            sguid=guid_of("visit"),
            pharmacy=PHARMACY,
            delivered_at=at,
            product=MedicinalProduct(cnk="0000000"),
            units=1,
            batch=batch,
        )
        ce_id = f"quality/{partition}/{source[0]}/{source[1]}"
        associated = record_associated_data(
            type_=type_,
            pharmacy=PHARMACY,
            dguid=guid_of(name),
            version=version,
            subject=subject,
            generation=secret.generation,
            period=period.period,
        )
        keys = record_keys(secret.secret, period.secret, version)
        common = {
            "pharmacy": PHARMACY,
            "dguid": guid_of(name),
            "version": version,
            "subject": subject,
            "generation": secret.generation,
            "period": period.period,
            "digest": "AA",
            "sealed": seal(keys, ce_id, associated, content.write()),
            "score": 100,
        }
        fact = (
            RegisteredFact.model_validate(common)
            if former is None
            else CorrectedFact.model_validate({**common, "supersedes": former})
        )
        return Output(partition, type_, fact.write(), source, ce_id=ce_id)


@dataclass(slots=True)
class World:
    """One test's servers' worth."""

    settings: Settings
    topic: str
    vault: MemoryVault
    facts: Facts
    stage: Producer
    waiter: PositionWaiter
    connection: Connection
    pool: Pool
    _decided: dict[int, int] = field(default_factory=dict)
    """Where each partition stands behind the marker of the last transaction that touched it."""

    async def publish(self, outputs: Sequence[Output], *, abort: bool = False) -> None:
        """Writes outputs in one transaction, or takes them back."""
        with suppress(_Abort):
            async with self.stage.transaction():
                for one in outputs:
                    sent = await self.stage.send(
                        self.topic,
                        one.body,
                        key=one.key,
                        headers=one.headers(),
                        partition=one.partition,
                    )
                    self._decided[one.partition] = sent.offset + 2
                if abort:
                    raise _Abort

    async def ends(self) -> dict[int, int]:
        """The last stable offset of every partition, once all that was published is decided.

        The broker answers a commit before the markers of the transaction are in the log.
        """
        wanted = [Partition(self.topic, number) for number in range(PARTITIONS)]
        async with reader(self.settings) as source:
            while True:
                found = await source.end_offsets(wanted)
                ends = {one.partition: offset for one, offset in found.items()}
                if all(ends[one] >= offset for one, offset in self._decided.items()):
                    return ends

    async def caught_up(self, projection: str = "history") -> dict[int, int]:
        """Waits until the projection has applied everything that is decided."""
        ends = await self.ends()
        for partition, end in ends.items():
            await self.waiter.wait(projection, self.topic, partition, end, 20)
        return ends

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        """What a query answers."""
        return list(await (await self.connection.execute(query)).fetchall())


class _Abort(Exception):
    pass


@asynccontextmanager
async def opened(settings: Settings, dsn: str, topic: str) -> AsyncIterator[World]:
    """A world with an empty topic and migrated tables."""
    own = settings.model_copy(update={"postgres_dsn": SecretStr(dsn)})
    await migrate([migrations(own)])
    async with admin(own) as administration:
        await administration.create(
            topic, PARTITIONS, 1, {"message.timestamp.type": "LogAppendTime"}
        )
    vault = MemoryVault()
    async with (
        producer(own, transactional_id=f"stage-{topic}") as stage,
        pool(dsn) as connections,
        connect(dsn, autocommit=True) as connection,
    ):
        waiter = PositionWaiter(dsn, connections)
        await waiter.start()
        try:
            yield World(own, topic, vault, Facts(vault), stage, waiter, connection, connections)
        finally:
            await waiter.stop()


@dataclass(slots=True)
class Running:
    """A runner at work."""

    task: asyncio.Task[None]
    health: ProjectionHealth
    stop: asyncio.Event


@asynccontextmanager
async def running(world: World, *projections: Projection) -> AsyncIterator[Running]:
    """A runner of these projections, stopped in an orderly way at the end."""
    stop, health = asyncio.Event(), ProjectionHealth()
    task = asyncio.create_task(
        run_projections(world.settings, stop=stop, health=health, projections=projections)
    )
    try:
        yield Running(task, health, stop)
    finally:
        stop.set()
        await asyncio.wait({task})
