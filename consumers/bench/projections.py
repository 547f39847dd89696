"""The history projection: following, rebuilding, hashing, against simpler ways of writing.

Every round publishes the same sealed facts to a topic of its own. The rivals read and fold the same
facts with the same code; one writes each event in a transaction of its own, the other every batch
by `executemany`.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import sql
from pydantic import SecretStr

from consumers.bench.benches import Run
from consumers.bench.result import Findings
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.kafka import Partition, Record, producer, reader
from infra.kafka_admin import admin
from infra.keys.memory import MemoryVault
from infra.migrations import migrate
from infra.postgres import Connection, connect, pool
from infra.settings import Settings, load_settings
from projections.batch import fold_batch
from projections.copies import Copies
from projections.folds.history import PutVersion, row_of
from projections.hashing import stored_content
from projections.history_store import COLUMNS, ensure_months
from projections.positions import PositionWaiter
from projections.rebuild import rebuild
from projections.runner import migrations, run_projections
from projections.shells import History
from projections.store import use_schema
from schemas import brussels
from schemas.dispensation import REGISTERED, LineContent, MedicinalProduct, RegisteredFact
from schemas.envelope import Envelope
from schemas.keyvault import PeriodSecret
from schemas.sealing.facts import record_associated_data, record_keys, seal

FACTS: Final = 60_000
SINGLE_FACTS: Final = 2_000
"""Facts of the rival that commits each of them: it is slow enough to be measured by fewer."""
SUBJECTS: Final = 500
PARTITIONS: Final = 4
DAYS: Final = 90
FOLLOW_GOAL: Final = 30_000
REBUILD_GOAL: Final = 40_000
HASH_GOAL: Final = 300_000
WAIT_SECONDS: Final = 600.0
BATCH: Final = 2_000
_RATE: Final = "facts/s"
_NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
_PHARMACY: Final = "80000551"
_INSERT: Final = sql.SQL("INSERT INTO dispensation ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
    sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
    sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS)),
)
_MOVE: Final = "UPDATE projection_position SET position = position + %s WHERE projection = 'rival'"


def measure(run: Run) -> Findings:
    """All rounds at full size.

    Raises:
        InfrastructureError: broker or database did not start.
    """
    return asyncio.run(measure_projections(run, FACTS, SINGLE_FACTS))


async def measure_projections(run: Run, facts: int, single: int) -> Findings:
    """Rounds over so many facts; `single` of them for the rival that commits one at a time."""
    findings = Findings()
    async with EmbeddedInfrastructure(run.folder / "servers") as servers:
        found = servers.endpoints
        settings = load_settings(
            kafka_bootstrap=found.kafka_bootstrap,
            postgres_dsn=found.postgres_dsn,
            vault_dsn=found.vault_dsn,
            data=run.folder / "data",
        )
        vault, topic = MemoryVault(), "bench.recorded"
        await _publish(settings, vault, topic, facts)
        for number in range(run.rounds):
            run.progress("rounds", number, run.rounds)
            async with _database(settings, f"round_{number}") as own:
                await _round(own, History(vault, topic), facts, single, findings)
    run.progress("rounds", run.rounds, run.rounds)
    findings.ratio("follow_vs_upsert_per_event", "follow", "upsert_per_event")
    findings.ratio("follow_vs_executemany", "follow", "executemany")
    findings.at_least("follow_facts_per_second", FOLLOW_GOAL, findings.median("follow"))
    findings.at_least("rebuild_facts_per_second", REBUILD_GOAL, findings.median("rebuild"))
    findings.at_least("hash_rows_per_second", HASH_GOAL, findings.median("content_hash"))
    return findings


@asynccontextmanager
async def _database(settings: Settings, name: str) -> AsyncIterator[Settings]:
    async with connect(settings.dsn, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    own = settings.model_copy(
        update={"postgres_dsn": SecretStr(settings.dsn.replace("dbname=dpp", f"dbname={name}"))}
    )
    await migrate([migrations(own)])
    yield own


async def _round(
    settings: Settings, history: History, facts: int, single: int, findings: Findings
) -> None:
    findings.sample("follow", _RATE, facts / await _follow(settings, history))
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        started = time.perf_counter()
        content = await stored_content(connection, history.schema)
        findings.sample("content_hash", "rows/s", facts / (time.perf_counter() - started))
        if content["dispensation"].rows != facts:
            raise AssertionError("the projection does not hold what was published")
    report = await rebuild(settings, history)
    findings.sample("rebuild", _RATE, facts / report.seconds)
    findings.sample(
        "executemany", _RATE, facts / await _rival(settings, history, facts, _in_batches)
    )
    findings.sample(
        "upsert_per_event", _RATE, single / await _rival(settings, history, single, _one_by_one)
    )


async def _follow(settings: Settings, history: History) -> float:
    """Seconds from the start of a runner until it has applied everything."""
    async with reader(settings) as source:
        ends = await source.end_offsets(await source.partitions(history.topic))
    stop = asyncio.Event()
    async with pool(settings.dsn) as connections:
        waiter = PositionWaiter(settings.dsn, connections)
        await waiter.start()
        started = time.perf_counter()
        running = asyncio.create_task(run_projections(settings, stop=stop, projections=[history]))
        for one, end in ends.items():
            await waiter.wait(history.name, history.topic, one.partition, end, WAIT_SECONDS)
        spent = time.perf_counter() - started
        stop.set()
        await running
        await waiter.stop()
    return spent


Write = Callable[[Connection, Sequence[tuple[Any, ...]]], Awaitable[None]]


async def _rival(settings: Settings, history: History, facts: int, write: Write) -> float:
    """Seconds of reading, folding with the same code, and writing another way."""
    async with (
        connect(settings.dsn, autocommit=True, statement_ms=0) as connection,
        reader(settings) as source,
    ):
        await use_schema(connection, history.schema)
        await connection.execute("TRUNCATE dispensation")
        await connection.execute(
            "INSERT INTO projection_position (projection, topic, partition, position)"
            " VALUES ('rival', 'rival', 0, 0) ON CONFLICT DO NOTHING"
        )
        started, seen = time.perf_counter(), 0
        await source.assign_all(history.topic)
        copies = {number: Copies() for number in range(PARTITIONS)}
        while seen < facts:
            polled = _first(await source.poll(max_records=BATCH), facts - seen)
            batch = await fold_batch(history, copies, polled)
            puts = [one for one in batch.changes if isinstance(one, PutVersion)]
            await ensure_months(connection, {one.line.month for one in puts})
            await write(connection, [tuple(row_of(one, one.delivered_at).values()) for one in puts])
            seen += len(puts)
        return time.perf_counter() - started


def _first(polled: dict[Partition, list[Record]], count: int) -> dict[Partition, list[Record]]:
    kept = {}
    for one, records in polled.items():
        kept[one] = records[:count]
        count -= len(kept[one])
    return kept


async def _in_batches(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(_INSERT, rows)
        await cursor.execute(_MOVE, (len(rows),))


async def _one_by_one(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        async with connection.transaction():
            await connection.execute(_INSERT, row)
            await connection.execute(_MOVE, (1,))


async def _publish(settings: Settings, vault: MemoryVault, topic: str, count: int) -> None:
    async with admin(settings) as administration:
        await administration.create(
            topic, PARTITIONS, 1, {"message.timestamp.type": "LogAppendTime"}
        )
    letters = str.maketrans("0123456789", "abcdefghij")
    names = [f"{number:026d}".translate(letters) for number in range(SUBJECTS)]
    secrets = await vault.subject_secrets(names)
    moments = [_NOON + timedelta(days=number) for number in range(DAYS)]
    periods = await vault.period_secrets([brussels.day_of(one) for one in moments])
    async with producer(settings) as sender:
        for number in range(count):
            at = moments[number % DAYS]
            period = periods[brussels.day_of(at)]
            if not isinstance(period, PeriodSecret):
                raise TypeError("a day of the bench was destroyed")
            name = names[number % SUBJECTS]
            dguid = str(uuid.UUID(int=number))
            partition, offset = number % PARTITIONS, number // PARTITIONS
            ce_id = f"quality/{partition}/{offset}/0"
            members = {
                "pharmacy": _PHARMACY,
                "dguid": dguid,
                "version": 1,
                "subject": name,
                "generation": 1,
                "period": period.period,
            }
            content = LineContent(
                sguid=dguid,
                pharmacy=_PHARMACY,
                delivered_at=at + timedelta(seconds=number),
                product=MedicinalProduct(cnk="0000000"),
                units=1,
            )
            keys = record_keys(secrets[name].secret, period.secret, 1)
            bound = record_associated_data(type_=REGISTERED, **members)  # type: ignore[arg-type]
            fact = RegisteredFact.model_validate(
                {
                    **members,
                    "digest": "AA",
                    "score": 100,
                    "sealed": seal(keys, ce_id, bound, content.write()),
                }
            )
            extensions = {"sourceoffset": str(offset), "sourceordinal": "0"}
            envelope = Envelope(ce_id, "/quality", REGISTERED, _NOON, extensions=extensions)
            await sender.enqueue(
                topic,
                fact.write(),
                key=_PHARMACY.encode(),
                headers=envelope.headers(),
                partition=partition,
            )
        await sender.flush()
