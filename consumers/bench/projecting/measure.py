"""The projections: each fold alone, all five together, rebuilt, replayed, and how soon one sees.

Every round works on a database of its own, and all on the same log. Rates of following are counted
from the moment that a runner in this process follows until it has applied everything.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from consumers.bench.benches import Run
from consumers.bench.projecting.log import Keys, Visits, make_topic, send
from consumers.bench.projecting.replaying import measure_replay, written
from consumers.bench.projecting.rivals import in_batches, measure_rival, one_by_one
from consumers.bench.projecting.visible import RATE, measure_visible
from consumers.bench.result import Findings
from consumers.stack.office import first_keys
from consumers.stack.stack import migration_sources
from infra import topics
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.kafka import producer, reader
from infra.keys.opening import opened_vault
from infra.migrations import migrate
from infra.postgres import connect, pool
from infra.settings import Settings
from projections.hashing import stored_content
from projections.health import ProjectionHealth
from projections.positions import PositionWaiter
from projections.rebuild import Options, Standing, rebuild
from projections.runner import migrations, run_projections
from projections.shells import History, Projection, registered
from schemas.keyvault import KeyVault
from streams.notary.notes import Checkpoint

VISITS: Final = 75_000
"""Of two facts each."""
RIVAL_FACTS: Final = 20_000
SINGLE_FACTS: Final = 2_000
"""Facts of the rival that commits each of them: it is slow enough to be measured by fewer."""
VISIBLE_SECONDS: Final = 5
WORKERS: Final = 2
FIVE: Final = frozenset({"history", "product_recall", "quality", "access_log", "access_state"})
"""Those that the log has records for."""
GOALS: Final = {"history": 30_000, "all_five": 12_000, "rebuild": 40_000, "content_hash": 300_000}
VISIBLE_GOAL: Final = 150.0
WAIT_SECONDS: Final = 600.0
_RATE: Final = "records/s"


def measure(run: Run) -> Findings:
    """All rounds at full size.

    Raises:
        InfrastructureError: broker or database did not start.
    """
    return asyncio.run(measure_projections(run, VISITS, RIVAL_FACTS, SINGLE_FACTS))


async def measure_projections(run: Run, visits: int, rival: int, single: int) -> Findings:
    """Rounds over so many visits; `rival` and `single` are the facts of the two rivals."""
    findings = Findings()
    async with _prepared(run) as settings, opened_vault(settings) as vault:
        keys = await Keys.of(vault)
        run.progress("publishing", 0, 0)
        await _publish(settings, Visits(keys), visits)
        read = sorted({one.topic for one in registered(vault) if one.name in FIVE})
        log = run.folder / "log", await written(settings, run.folder / "log", read)
        for number in range(run.rounds):
            run.progress("rounds", number, run.rounds)
            async with _database(settings, f"round_{number}") as own:
                await _round(own, vault, findings, visits, log)
            async with _database(settings, f"rivals_{number}") as own:
                await _rivals(own, vault, findings, rival, single)
                await _visible(own, vault, findings, keys, f"bench.visible.{number}")
    run.progress("rounds", run.rounds, run.rounds)
    for name in ("executemany", "upsert_per_event"):
        findings.ratio(f"history_vs_{name}", "history", name)
    findings.ratio("replay_vs_following", "replay", "all_five")
    for name, goal in GOALS.items():
        findings.at_least(f"{name}_per_second", goal, findings.median(name))
    findings.at_most("visible_p99_ms", VISIBLE_GOAL, findings.median("visible_p99"))
    return findings


@asynccontextmanager
async def _prepared(run: Run) -> AsyncIterator[Settings]:
    async with EmbeddedInfrastructure(run.folder / "servers") as servers:
        settings = first_keys(servers.endpoints.settings(run.folder / "data"))
        await topics.apply(settings)
        await migrate(migration_sources(settings))
        yield settings


@asynccontextmanager
async def _database(settings: Settings, name: str) -> AsyncIterator[Settings]:
    database = sql.Identifier(name)
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
        own = settings.model_copy(
            update={"postgres_dsn": SecretStr(make_conninfo(settings.dsn, dbname=name))}
        )
        await migrate([migrations(own)])
        yield own
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


async def _publish(settings: Settings, visits: Visits, count: int) -> None:
    async with producer(settings) as sender:
        for _ in range(count):
            for one in visits.records():
                await send(sender, one)
        await sender.flush()


async def _round(
    settings: Settings,
    vault: KeyVault,
    findings: Findings,
    visits: int,
    log: tuple[Path, Checkpoint],
) -> None:
    every = [one for one in registered(vault) if one.name in FIVE]
    async with _database(settings, "together") as own:
        findings.sample("all_five", _RATE, await _followed(own, every))
        findings.sample("replay", _RATE, await measure_replay(own, *log, every))
    for one in every:
        findings.sample(one.name, _RATE, await _followed(settings, [one]))
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        started = time.perf_counter()
        content = await stored_content(connection, History.schema)
        rows = content["dispensation"].rows
        findings.sample("content_hash", "rows/s", rows / (time.perf_counter() - started))
    if rows != 2 * visits:
        raise AssertionError("the history does not hold what was published")
    await _rebuilt(settings, History(vault), findings)


async def _rebuilt(settings: Settings, history: History, findings: Findings) -> None:
    """From the command on: `rebuild` until the rows are in, `rebuild_and_switch` until all is."""
    reached: dict[str, float] = {}

    def told(standing: Standing) -> None:
        reached.setdefault(standing.step, time.perf_counter())

    started = time.perf_counter()
    report = await rebuild(
        settings,
        history,
        options=Options(workers=WORKERS),
        told=told,
    )
    if report.outcome != "live":
        raise AssertionError("the rebuilt history differs from the one that was followed")
    findings.sample("rebuild", _RATE, report.records / (reached["indexes"] - started))
    findings.sample("rebuild_and_switch", _RATE, report.rate)


async def _rivals(
    settings: Settings, vault: KeyVault, findings: Findings, rival: int, single: int
) -> None:
    for name, facts, write in (
        ("executemany", rival, in_batches),
        ("upsert_per_event", single, one_by_one),
    ):
        seconds = await measure_rival(settings, History(vault), facts, write)
        findings.sample(name, _RATE, facts / seconds)


async def _visible(
    settings: Settings, vault: KeyVault, findings: Findings, keys: Keys, topic: str
) -> None:
    await make_topic(settings, topic)
    visits = Visits(keys, topic)
    facts = [one for _ in range(RATE * VISIBLE_SECONDS // 2) for one in visits.facts()]
    half, most = await measure_visible(settings, History(vault, topic), facts)
    findings.sample("visible_p50", "ms", half)
    findings.sample("visible_p99", "ms", most)


async def _followed(settings: Settings, projections: Sequence[Projection]) -> float:
    """Records a second, each counted once however many projections read it."""
    ends: dict[str, dict[int, int]] = {}
    async with reader(settings) as source:
        for name in {one.topic for one in projections}:
            found = await source.end_offsets(await source.partitions(name))
            ends[name] = {one.partition: end for one, end in found.items()}
    stop, health = asyncio.Event(), ProjectionHealth()
    async with pool(settings.dsn) as connections:
        waiter = PositionWaiter(settings.dsn, connections)
        await waiter.start()
        running = asyncio.create_task(
            run_projections(settings, stop=stop, projections=projections, health=health)
        )
        await asyncio.wait(
            [asyncio.create_task(health.until(one.name, "running")) for one in projections],
            return_when=asyncio.FIRST_COMPLETED,
        )
        started = time.perf_counter()
        for one in projections:
            for partition, end in ends[one.topic].items():
                await waiter.wait(one.name, one.topic, partition, end, WAIT_SECONDS)
        spent = time.perf_counter() - started
        stop.set()
        await running
        await waiter.stop()
    return sum(sum(partitions.values()) for partitions in ends.values()) / spent
