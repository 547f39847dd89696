"""Projections under load that are hurt together with their database: the same rows as without.

Each campaign has a topic, a database and a role of its own on the ground, so those that do not hurt
the server itself may run beside each other.
"""

import asyncio
import functools
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from infra.kafka_admin import admin
from infra.keys.opening import opened_vault
from infra.migrations import migrate
from infra.postgres import connect
from infra.settings import Settings
from projections.runner import migrations
from tests.support.chaos.campaign import RECOVERY_SECONDS, Scale
from tests.support.chaos.checker import Kind, Violation
from tests.support.chaos.disk import filled, small_disk
from tests.support.chaos.faults import kill_at, zombie
from tests.support.chaos.fleet import WAIT_SECONDS, Fleet
from tests.support.chaos.ground import Ground
from tests.support.chaos.outcome import Outcome
from tests.support.chaos.points import PROJECTION_POINTS
from tests.support.chaos.proxy import Proxy
from tests.support.chaos.recording import Expected, Key, Recording, differences, known_secrets
from tests.support.chaos.worker import PROJECTIONS

PARTITIONS: Final = 4
PAUSE_SECONDS: Final = 0.2
"""Longest time between two transactions: something is nearly always under way."""
LOOK_SECONDS: Final = 0.05
STAGE: Final = "projections"
_POSITIONS: Final = "SELECT projection, partition, position FROM projection_position"
_HISTORY: Final = """
SELECT dguid, version, delivered_month, subject, status, delivered_at, recorded_partition,
    recorded_position, superseded_position
FROM history_v1.dispensation
"""
_RECALL: Final = """
SELECT dguid, version, date_trunc('month', delivered_at AT TIME ZONE 'Europe/Brussels')::date,
    subject, CASE version WHEN 1 THEN 'registered' ELSE 'corrected' END, delivered_at,
    recorded_partition, recorded_position, superseded_position
FROM product_recall_v1.line
"""
_FULL: Final = """
CREATE TABLE public.fault (kind text);
CREATE FUNCTION public.fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM public.fault) THEN
        RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER full_disk AFTER INSERT ON history_v1.dispensation
    FOR EACH STATEMENT EXECUTE FUNCTION public.fill_disk();
CREATE TRIGGER full_disk AFTER INSERT ON product_recall_v1.line
    FOR EACH STATEMENT EXECUTE FUNCTION public.fill_disk();
"""


@dataclass(slots=True)
class Applied:
    """Follows the stored positions of the projections, through every fault of the database."""

    dsn: str
    positions: dict[tuple[str, int], int] = field(default_factory=dict)

    async def until(self, marks: dict[int, int], patience: float) -> None:
        """Returns when both projections have applied everything before these offsets.

        Raises:
            TimeoutError: one has not, after `patience` seconds.
        """
        async with asyncio.timeout(patience):
            while not await self._reached(marks):  # noqa: ASYNC110 - the database may be away
                await asyncio.sleep(LOOK_SECONDS)

    async def _reached(self, marks: dict[int, int]) -> bool:
        with suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
                rows = await (await connection.execute(_POSITIONS)).fetchall()
                self.positions = {(name, number): position for name, number, position in rows}
        return all(
            self.positions.get((name, number), -1) >= mark
            for number, mark in marks.items()
            for name in ("history", "product_recall")
        )


@dataclass(slots=True)
class Campaign:
    """Projections under load on the ground; what a fault needs at hand."""

    ground: Ground
    settings: Settings
    role: str
    scale: Scale
    draw: random.Random
    fleet: Fleet
    load: Recording
    progress: Applied
    proxy: Proxy
    ends: AsyncExitStack
    """What is put back at the end."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds of each run."""

    @property
    def owner(self) -> str:
        """Connection string to the same database for who may do everything."""
        return make_conninfo(self.ground.settings.dsn, dbname=self.role)

    async def calm(self) -> None:
        """Some time under load, by chance: it decides where the next fault hits."""
        await asyncio.sleep(self.draw.uniform(0.05, self.scale.calm_seconds))

    async def recovered(self, since: float | None = None) -> None:
        """Ends a run: waits until what is written next, in every partition, is applied."""
        began = time.monotonic() if since is None else since
        async with asyncio.timeout(WAIT_SECONDS):
            await self.load.everywhere()
        applying = asyncio.create_task(self.progress.until(dict(self.load.marks), RECOVERY_SECONDS))
        while not applying.done():
            await asyncio.wait([applying], timeout=0.5)
            self.fleet.check()
        applying.result()
        self.recoveries.append(time.monotonic() - began)

    def said(self, word: str) -> int:
        """How often workers have said so."""
        return sum(
            one.log.read_text("utf-8", "replace").count(word)
            for one in self.fleet.workers.values()
            if one.log.exists()
        )

    async def hears(self, word: str, before: int) -> None:
        """Returns when workers have said so again.

        Raises:
            TimeoutError: they have not, after `WAIT_SECONDS`.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while self.said(word) <= before:
                self.fleet.check()
                await asyncio.sleep(LOOK_SECONDS)


Fault = Callable[[Campaign], Awaitable[None]]


async def run(fault: str, *, ground: Ground, seed: int, scale: Scale) -> Outcome:
    """Hurts projections as often as the scale says, and compares what they hold with the model."""
    async with _campaign(ground, seed, scale) as campaign:
        await FAULTS[fault](campaign)
        await campaign.load.stop()
        trouble = await _settled(campaign)
        await campaign.fleet.stop(*campaign.fleet.workers)
        violations = await _verdict(campaign)
    return Outcome(
        fault,
        STAGE,
        seed,
        campaign.load.written,
        (*trouble, *violations),
        tuple(round(seconds, 3) for seconds in campaign.recoveries),
    )


@asynccontextmanager
async def _campaign(ground: Ground, seed: int, scale: Scale) -> AsyncIterator[Campaign]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    name = f"chaos_{uuid.uuid4().hex[:12]}"
    async with admin(ground.settings) as administration:
        await administration.create(
            name, PARTITIONS, 1, {"message.timestamp.type": "LogAppendTime"}
        )
    dsn = await _database(ground.settings.dsn, name)
    own = ground.settings.model_copy(
        update={"postgres_dsn": SecretStr(dsn), "vault_dsn": SecretStr(ground.settings.vault)}
    )
    await migrate([migrations(own)])
    parts = conninfo_to_dict(dsn)
    address = str(parts["host"]), int(str(parts["port"]))
    async with AsyncExitStack() as ends, Proxy(*address) as proxy:
        through = make_conninfo(dsn, port=proxy.port)
        hurt = own.model_copy(update={"postgres_dsn": SecretStr(through)})
        fleet = Fleet(hurt, f"{PROJECTIONS}{name}")
        async with opened_vault(ground.settings, maximum=1) as vault:
            known = await known_secrets(vault)
        load = Recording(own, known, name, draw, partitions=PARTITIONS, pause=PAUSE_SECONDS)
        applied = Applied(make_conninfo(ground.settings.dsn, dbname=name))
        try:
            yield Campaign(ground, own, name, scale, draw, fleet, load, applied, proxy, ends)
        finally:
            await load.stop()
            await fleet.close()


async def _database(dsn: str, name: str) -> str:
    """A database of a role of its own, both with this name."""
    password = uuid.uuid4().hex
    async with connect(dsn, autocommit=True) as connection:
        role = sql.Identifier(name)
        await connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password))
        )
        await connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    return make_conninfo(dsn, dbname=name, user=name, password=password)


async def _settled(campaign: Campaign) -> tuple[Violation, ...]:
    try:
        await campaign.progress.until(dict(campaign.load.marks), RECOVERY_SECONDS)
    except TimeoutError:
        return (Violation("lost", "the projections stand still"),)
    return ()


async def _verdict(campaign: Campaign) -> list[Violation]:
    model = campaign.load.model.rows
    carried = {key: row for key, row in model.items() if row.status != "revoked"}
    found: list[Violation] = []
    async with connect(campaign.owner, autocommit=True) as connection:
        for name, query, expected in (
            ("history", _HISTORY, model),
            ("product_recall", _RECALL, carried),
        ):
            stored: dict[Key, Expected] = {}
            for dguid, version, *columns in await (await connection.execute(query)).fetchall():
                key = Key(dguid, version)
                if key in stored:
                    found.append(Violation("doubled", f"{name} {key}"))
                stored[key] = Expected(*columns)
            for key, kind in differences(expected, stored).items():
                found.append(Violation(_KINDS[kind], f"{name} {key}"))
    return found


_KINDS: Final[dict[str, Kind]] = {"lost": "lost", "unfounded": "unfounded", "changed": "changed"}


async def database_stopped(campaign: Campaign) -> None:
    """The database is stopped at once, as by a crash, and started again."""
    await _loaded(campaign)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        await asyncio.to_thread(campaign.ground.stop_database_at_once)
        await campaign.ground.start_database()
        await campaign.recovered()


async def lost_at_commit(campaign: Campaign) -> None:
    """The connection drops at COMMIT: before the server has it, or before its answer is back."""
    await _loaded(campaign)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        async with asyncio.timeout(WAIT_SECONDS):
            await campaign.proxy.cut_at_commit(arrives=campaign.draw.random() < 0.5)
        await campaign.recovered()


async def not_serializable(campaign: Campaign) -> None:
    """Others touch the same rows, and the server refuses the transaction (SQLSTATE 40001)."""
    async with connect(campaign.owner, autocommit=True) as connection:
        await connection.execute(
            sql.SQL(
                "ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'"
            ).format(sql.Identifier(campaign.role))
        )
    await _loaded(campaign)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        touching = asyncio.create_task(_touch(campaign))
        try:
            await campaign.hears("SerializationFailure", campaign.said("SerializationFailure"))
        finally:
            touching.cancel()
            await asyncio.gather(touching, return_exceptions=True)
        await campaign.recovered()


async def _touch(campaign: Campaign) -> None:
    async with connect(campaign.owner, autocommit=True) as connection:
        while True:
            async with connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                await connection.execute("UPDATE projection_position SET moved_at = now()")
                await asyncio.sleep(campaign.draw.uniform(0.02, 0.1))
            await asyncio.sleep(campaign.draw.uniform(0.0, 0.05))


async def no_connection_left(campaign: Campaign) -> None:
    """Connections drop, and the server has none to give for a while (SQLSTATE 53300)."""
    await _loaded(campaign)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        before = campaign.said("too many connections")
        await _allow(campaign, 0)
        try:
            await campaign.hears("too many connections", before)
            await asyncio.sleep(campaign.draw.uniform(0.0, campaign.scale.vault_seconds))
        finally:
            await _allow(campaign, -1)
        await campaign.recovered()


async def _allow(campaign: Campaign, connections: int) -> None:
    async with connect(campaign.owner, autocommit=True) as connection:
        await connection.execute(
            sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(
                sql.Identifier(campaign.role), sql.Literal(connections)
            )
        )
        if connections == 0:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                (campaign.role,),
            )


async def disk_full(campaign: Campaign) -> None:
    """The disk that holds the database is full for a while (SQLSTATE 53100).

    Where nobody may mount one, rows are refused after they were written, by a trigger.
    """
    disk = await campaign.ends.enter_async_context(
        small_disk(campaign.ground.settings.dsn, campaign.role)
    )
    if disk is None:
        async with connect(campaign.settings.dsn, autocommit=True) as connection:
            await connection.execute(sql.SQL(_FULL))
    await _loaded(campaign)
    for _ in range(campaign.scale.runs):
        await campaign.calm()
        before = campaign.said("DiskFull")
        async with _refusing(campaign) if disk is None else filled(disk):
            await campaign.hears("DiskFull", before)
            await asyncio.sleep(campaign.draw.uniform(0.0, campaign.scale.vault_seconds))
        await campaign.recovered()


@asynccontextmanager
async def _refusing(campaign: Campaign) -> AsyncIterator[None]:
    """Lets the triggers refuse rows."""
    async with connect(campaign.settings.dsn, autocommit=True) as connection:
        await connection.execute("INSERT INTO public.fault VALUES ('full')")
        try:
            yield
        finally:
            await connection.execute("DELETE FROM public.fault")


async def _loaded(campaign: Campaign) -> None:
    await campaign.fleet.start(0)
    await campaign.load.start()
    await campaign.fleet.holding(0)


FAULTS: Final[dict[str, Fault]] = {
    **{f"kill -9 {point}": functools.partial(kill_at, point) for point in PROJECTION_POINTS},
    "connection lost at COMMIT": lost_at_commit,
    "not serializable": not_serializable,
    "no connection left": no_connection_left,
    "disk full": disk_full,
    "zombie": zombie,
    "database stopped at once": database_stopped,
}
OF_DATABASE: Final = frozenset({"database stopped at once"})
"""These hit whatever else runs on the ground, so they run alone."""
