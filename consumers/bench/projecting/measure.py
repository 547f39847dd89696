"""The projections: each fold alone, all five together, rebuilt, replayed, and how soon one sees.

Every round works on databases of its own. First come rounds over a log of everything that happens,
then, with more facts in it, rounds of the history alone.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from consumers.bench.benches import Run
from consumers.bench.projecting.following import followed, shared
from consumers.bench.projecting.log import LINES, Keys, Sent, Visits, make_topic, send
from consumers.bench.projecting.replaying import measure_replay, written
from consumers.bench.projecting.rivals import in_batches, measure_rival, one_by_one
from consumers.bench.projecting.visible import RATE, measure_visible
from consumers.bench.result import Findings
from consumers.stack.office import first_keys
from consumers.stack.stack import migration_sources
from infra import topics
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.kafka import producer
from infra.keys.opening import opened_vault
from infra.migrations import migrate
from infra.postgres import connect
from infra.settings import Settings
from projections.hashing import stored_content
from projections.rebuild import Options, Standing, rebuild
from projections.runner import migrations
from projections.shells import History, registered
from schemas.keyvault import KeyVault
from streams.notary.notes import Checkpoint

VISITS: Final = 75_000
"""Of two facts each, with all that comes beside them."""
MORE_VISITS: Final = 75_000
"""Whose facts alone are added before the history is followed and rebuilt: a rebuild that takes but
a few seconds would mostly measure how processes start."""
RIVAL_FACTS: Final = 20_000
SINGLE_FACTS: Final = 2_000
"""Facts of the rival that commits each of them: it is slow enough to be measured by fewer."""
VISIBLE_SECONDS: Final = 5
WORKERS: Final = 2
FIVE: Final = frozenset({"history", "product_recall", "quality", "access_log", "access_state"})
"""Those that the log has records for."""
GOALS: Final = {"history": 30_000, "all_five": 12_000, "rebuild": 40_000, "content_hash": 300_000}
VISIBLE_GOAL: Final = 150.0
_RATE: Final = "records/s"


def measure(run: Run) -> Findings:
    """All rounds at full size.

    Raises:
        InfrastructureError: broker or database did not start.
    """
    return asyncio.run(_measure(run))


async def _measure(run: Run) -> Findings:
    findings = Findings()
    async with _prepared(run) as settings, opened_vault(settings) as vault:
        keys = await Keys.of(vault)
        run.progress("publishing", 0, 0)
        visits = Visits(keys)
        await _publish(settings, visits.records, VISITS)
        read = sorted({one.topic for one in registered(vault) if one.name in FIVE})
        log = run.folder / "log", await written(settings, run.folder / "log", read)
        for number in range(run.rounds):
            run.progress("rounds", number, run.rounds)
            async with _database(settings, f"round_{number}") as own:
                await _round(own, vault, findings, log)
            async with _database(settings, f"rivals_{number}") as own:
                await _rivals(own, vault, findings)
                await _visible(own, vault, findings, keys, f"bench.visible.{number}")
        run.progress("rounds", run.rounds, run.rounds)
        await _publish(settings, visits.facts, MORE_VISITS)
        for number in range(run.rounds):
            run.progress("rounds of the history", number, run.rounds)
            async with _database(settings, f"shared_{number}") as own:
                rate = await shared(own, History(vault))
                findings.sample("history_two_runners", _RATE, rate)
            async with _database(settings, f"history_{number}") as own:
                await _history(own, History(vault), findings)
    run.progress("rounds of the history", run.rounds, run.rounds)
    for name in ("executemany", "upsert_per_event"):
        findings.ratio(f"history_vs_{name}", "history", name)
    findings.ratio("two_runners_vs_one", "history_two_runners", "history")
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


async def _publish(settings: Settings, visit: Callable[[], Iterator[Sent]], count: int) -> None:
    async with producer(settings) as sender:
        for _ in range(count):
            for one in visit():
                await send(sender, one)
        await sender.flush()


async def _round(
    settings: Settings, vault: KeyVault, findings: Findings, log: tuple[Path, Checkpoint]
) -> None:
    every = [one for one in registered(vault) if one.name in FIVE]
    async with _database(settings, "together") as own:
        findings.sample("all_five", _RATE, await followed(own, every))
        findings.sample("replay", _RATE, await measure_replay(own, *log, every))
    for one in every:
        if one.name != History.name:
            findings.sample(one.name, _RATE, await followed(settings, [one]))


async def _history(settings: Settings, history: History, findings: Findings) -> None:
    findings.sample("history", _RATE, await followed(settings, [history]))
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        started = time.perf_counter()
        content = await stored_content(connection, History.schema)
        rows = content["dispensation"].rows
        findings.sample("content_hash", "rows/s", rows / (time.perf_counter() - started))
    if rows != LINES * (VISITS + MORE_VISITS):
        raise AssertionError("the history does not hold what was published")
    await _rebuilt(settings, history, findings)


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


async def _rivals(settings: Settings, vault: KeyVault, findings: Findings) -> None:
    for name, facts, write in (
        ("executemany", RIVAL_FACTS, in_batches),
        ("upsert_per_event", SINGLE_FACTS, one_by_one),
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
