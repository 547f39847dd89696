"""Reading 100 lines of a history: the part of the database, at a million rows and at more.

Each figure is the time from sending a statement until its rows are there, on one open connection,
for a person drawn anew each time. The goals are held against `history`, which has the server's part
in it and more. `explained` is what the server says when it is asked to explain: it plans anew each
time, which a prepared statement does not, and counts while it executes. Rivals ask for the same
lines of the same people in the same run: `offset` pages as usual, on the same table and index;
`index_on_person` is a table as one would make it without looking at plans, not divided by month,
with an index on the person alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from psycopg import sql

from consumers.bench.benches import Run
from consumers.bench.history.filling import Filled, fill
from consumers.bench.history.plans import half_year, place_of, table
from consumers.bench.processor import processor_seconds
from consumers.bench.result import Findings
from infra.postgres import Connection, connect
from projections import history_statements, queries
from projections.history_statements import Statement

READS: Final = 300
"""Reads of each contender in a round."""
DEPTH: Final = 40
"""People of whom the second page is read."""
DEFAULT_ROWS: Final = 1_000_000
GOALS: Final = {1_000_000: 2.0, 10_000_000: 4.0}
"""Most milliseconds that 99 of 100 reads of 100 lines may take, by rows in the table."""
_MS: Final = 1000.0
_EXPLAIN: Final = (
    "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, SERIALIZE BINARY, SUMMARY, FORMAT JSON) "
)
_RIVAL: Final = (
    "CREATE SCHEMA rival",
    "CREATE TABLE rival.dispensation AS SELECT * FROM history_v1.dispensation",
    "CREATE INDEX ON rival.dispensation (subject)",
    "VACUUM ANALYZE rival.dispensation",
)


async def seen(connection: Connection, statement: Statement) -> float:
    """Milliseconds until the rows are there."""
    started = time.perf_counter()
    await queries.read(connection, statement)
    return (time.perf_counter() - started) * _MS


async def told(connection: Connection, statement: Statement) -> float:
    """Milliseconds that the server tells of."""
    how = _EXPLAIN + statement.query.as_string(connection)
    row = await (await connection.execute(how, statement.values)).fetchone()
    found = row[0][0] if row else {}
    return float(found["Planning Time"] + found["Execution Time"])


@dataclass(frozen=True, slots=True)
class Contender:
    """A way of asking, the people who are drawn from, and who holds the watch."""

    people: Sequence[str]
    ask: Callable[[str], Statement]
    watch: Callable[[Connection, Statement], Awaitable[float]] = seen


def measure(run: Run) -> Findings:
    """All rounds, at each size up to the one asked for.

    Raises:
        InfrastructureError: the database did not start.
    """
    return asyncio.run(measure_sizes(run, sizes(run.rows or DEFAULT_ROWS)))


def sizes(rows: int) -> list[int]:
    """A million, and what is asked for if that is more; less if less is asked for."""
    return sorted({min(rows, DEFAULT_ROWS), rows})


async def measure_sizes(run: Run, wanted: Sequence[int]) -> Findings:
    """Rounds at each of these numbers of rows, each in a database of its own."""
    findings = Findings()
    for rows in wanted:
        async with (
            table(run.folder / f"{rows}") as dsn,
            connect(dsn, autocommit=True, statement_ms=0) as connection,
        ):
            filled = await fill(dsn, connection, rows, run.progress)
            await measure_table(run, findings, connection, filled)
    return findings


async def measure_table(
    run: Run, findings: Findings, connection: Connection, filled: Filled
) -> None:
    """Rounds over one table."""
    name = size_name(filled.rows)
    contenders = await _contenders(connection, filled)
    for one in contenders.values():
        await _times(connection, one, 0)  # statements are prepared, caches warm
    for number in range(run.rounds):
        run.progress(f"rounds at {name}", number, run.rounds)
        for what, one in contenders.items():
            before = processor_seconds(connection.info.backend_pid)
            times = await _times(connection, one, number + 1)
            after = processor_seconds(connection.info.backend_pid)
            if before is not None and after is not None:
                spent = (after - before) * _MS / len(times)
                findings.sample(f"{what}_{name}_cpu", "ms", spent)
            findings.sample(f"{what}_{name}_p50", "ms", times[len(times) // 2])
            findings.sample(f"{what}_{name}_p99", "ms", times[len(times) * 99 // 100])
    run.progress(f"rounds at {name}", run.rounds, run.rounds)
    for rival, ours in (("offset", "next_page"), ("index_on_person", "history")):
        if rival in contenders:
            pair = (f"{rival}_{name}_p50", f"{ours}_{name}_p50")
            findings.ratio(f"{rival}_vs_{ours}_{name}", *pair)
    if filled.rows in GOALS:
        goal = f"history_{name}_p99"
        findings.at_most(f"{goal}_ms", GOALS[filled.rows], findings.median(goal))


def size_name(rows: int) -> str:
    """A number of rows as part of a figure's name: `1m`."""
    millions, rest = divmod(rows, 1_000_000)
    return f"{millions}m" if millions and not rest else f"{rows}"


async def _contenders(connection: Connection, filled: Filled) -> Mapping[str, Contender]:
    page = half_year(filled)
    deep = filled.patients[:DEPTH]
    places = {who: await place_of(connection, filled, who) for who in deep}

    def first(who: str) -> Statement:
        return history_statements.of_person([who], page)

    def following(who: str) -> Statement:
        return history_statements.of_person([who], replace(page, after=places[who]))

    def offset(who: str) -> Statement:
        asked = first(who)
        return Statement(asked.query + sql.SQL(f" OFFSET {page.limit}"), asked.values)

    found = {
        "explained": Contender(filled.patients, first, told),
        "history": Contender(filled.patients, first),
        "few_lines": Contender(filled.people, first),
        "next_page": Contender(deep, following),
        "offset": Contender(deep, offset),
    }
    if filled.rows <= DEFAULT_ROWS:
        for statement in _RIVAL:
            await connection.execute(statement)

        def plain(who: str) -> Statement:
            asked = first(who)
            text = asked.query.as_string(connection)
            renamed = text.replace("history_v1.dispensation", "rival.dispensation")
            return Statement(sql.Composed([sql.SQL(renamed)]), asked.values)

        found["index_on_person"] = Contender(filled.patients, plain)
    return found


async def _times(connection: Connection, contender: Contender, seed: int) -> list[float]:
    """Milliseconds of each read, in rising order."""
    random, times = Random(seed), []  # noqa: S311 - draws people, the same for every contender
    for _ in range(READS):
        asked = contender.ask(random.choice(contender.people))
        times.append(await contender.watch(connection, asked))
    return sorted(times)
