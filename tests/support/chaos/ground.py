"""The servers that the fault suite runs on, and what is done to them.

One broker and one database of the suite's own, because it kills them. Everything else on them is as
`dpp up` makes it: topics, databases, first keys; and a few pharmacies are enrolled.
"""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from consumers.catalogue.sample import ensure_sample
from consumers.simulation.population import SimulationSize, populate
from consumers.stack.office import first_keys, init_office, office_signing_key
from consumers.stack.stack import migration_sources
from infra import migrations, topics
from infra.embedded.broker import STOP, Broker
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.embedded.database import OPTIONS, Database
from infra.embedded.processes import POLL_SECONDS, stopping
from infra.kafka import producer
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from schemas.dispensation import SUBMISSION_BODIES
from schemas.publisher import BackboneKeyPublished, Contract, Enrolled
from schemas.topics import PUBLISHER_REGISTERED, PUBLISHER_SESSIONS
from streams.intake.keys import SigningKey
from streams.intake.office import publisher_record
from streams.intake.session import Session, open_session

PHARMACIES: Final = 6
START_SECONDS: Final = 180.0
_LONG_AGO: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Ground:
    """Running servers; `sessions` of the enrolled pharmacies by number."""

    settings: Settings
    broker: Broker
    database: Database
    sessions: dict[str, Session]

    @classmethod
    def on(cls, running: EmbeddedInfrastructure, folder: Path) -> Self:
        """Prepares servers that run."""
        settings = first_keys(running.endpoints.settings(folder, log_format="console"))
        assert running._broker is not None
        assert running._database is not None
        sessions = asyncio.run(_prepare(settings))
        return cls(settings, running._broker, running._database, sessions)

    def kill_broker(self) -> None:
        """SIGKILL, and gone."""
        process = self.broker._process
        assert process is not None
        process.kill()
        process.wait()

    async def stop_broker(self) -> None:
        """An orderly stop."""
        process = self.broker._process
        assert process is not None
        for _ in stopping(process, STOP):
            await asyncio.sleep(POLL_SECONDS)

    async def start_broker(self) -> None:
        """Starts it again where it was, and waits until it listens."""
        self.broker._process = self.broker._spawn("kafka.Kafka", "server.properties")
        until = time.monotonic() + START_SECONDS
        while not self.broker._listening():
            self.broker._check(self.broker._process, until)
            await asyncio.sleep(POLL_SECONDS)

    def signal_broker(self, number: int) -> None:
        """Sends a signal to the broker."""
        assert self.broker._process is not None
        self.broker._process.send_signal(number)

    def stop_database_at_once(self) -> None:
        """An immediate shutdown, as after a crash: nothing is written, every connection drops."""
        process = self.database._process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait()

    async def start_database(self) -> None:
        """Starts it again on its port; it recovers from its log, then serves."""
        options = (*OPTIONS, "listen_addresses=127.0.0.1", f"port={self.database._port}")
        process = self.database._process = self.database._spawn(
            "postgres",
            *("-D", str(self.database._data)),
            *(part for one in options for part in ("-c", one)),
        )
        until = time.monotonic() + START_SECONDS
        while not self.database._ready(process):
            self.database._check(process, until)
            await asyncio.sleep(POLL_SECONDS)

    def close_vault(self) -> None:
        """The vault's database takes no connection and ends those that it has."""
        self._allow_vault(allowed=False)

    def open_vault(self) -> None:
        """The vault's database serves again."""
        self._allow_vault(allowed=True)

    def _allow_vault(self, *, allowed: bool) -> None:
        name = str(conninfo_to_dict(self.settings.vault)["dbname"])
        allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        with psycopg.connect(self.settings.dsn, autocommit=True) as connection:
            connection.execute(allow.format(sql.Identifier(name), sql.Literal(allowed)))
            if not allowed:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Servers of the suite's own below `folder`."""
    with EmbeddedInfrastructure(folder) as running:
        yield Ground.on(running, folder)


async def _prepare(settings: Settings) -> dict[str, Session]:
    await topics.apply(settings)
    await migrations.migrate(migration_sources(settings))
    await ensure_sample(settings.dsn)
    await init_office(settings)
    tables = BroadcastTables(settings, settings.office_keys)
    await tables.start()
    await tables.stop()
    (intake,) = tables.backbone_keys("intake")
    return await _enrol(settings, intake)


async def _enrol(settings: Settings, intake: BackboneKeyPublished) -> dict[str, Session]:
    now = datetime.now(UTC)
    office = office_signing_key(settings)
    contract = Contract(event_types=tuple(SUBMISSION_BODIES), valid_from=now - _LONG_AGO)
    sessions: dict[str, Session] = {}
    async with producer(settings) as sender:
        for pharmacy in populate(5, SimulationSize(PHARMACIES, 30, 30)).pharmacies:
            number, key = pharmacy.number, SigningKey.generate("1")
            enrolled = Enrolled(
                publisher=number,
                publisher_kind="pharmacy",
                key=key.enrolment(number),
                contract=contract,
            )
            session, opened = open_session(number, key, intake, now)
            sent = {
                PUBLISHER_REGISTERED.name: publisher_record(office, enrolled, now),
                PUBLISHER_SESSIONS.name: opened,
            }
            for topic, record in sent.items():
                await sender.send(topic, record.value, key=record.key, headers=record.headers)
            sessions[number] = session
    return sessions
