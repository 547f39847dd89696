"""Every statement that reads the history, and how PostgreSQL runs it on a filled table."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from consumers.bench.history.filling import NOW, Filled, fill, pharmacy
from consumers.progress import Progress
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import load_settings
from projections import history_statements, queries
from projections.access import window_end, window_start
from projections.history_statements import Asked, HistoryKey, Statement
from projections.runner import migrations

LIMIT: Final = 101
"""A page of 100, and one to know whether there is another."""


def half_year(filled: Filled) -> Asked:
    """The first page of six months, as the API asks for it."""
    return Asked(window_start(NOW, 6), window_end(NOW), limit=LIMIT, as_of=filled.cut)


def statements(filled: Filled, after: HistoryKey) -> Iterator[tuple[str, Statement]]:
    """Each kind of question by name; `after` is the place of a row of the first patient."""
    one, other = filled.patients[0], filled.people[0]
    page = half_year(filled)
    year = replace(page, start=window_start(NOW, 12))
    yield "first page of six months", history_statements.of_person([one], page)
    yield "a page behind a cursor", history_statements.of_person([one], replace(page, after=after))
    yield "oldest first", history_statements.of_person([one], replace(page, oldest_first=True))
    yield "twelve months", history_statements.of_person([one], year)
    yield "somebody with few lines", history_statements.of_person([other], page)
    yield "every version", history_statements.of_person([one], replace(page, versions="all"))
    early = {partition: position // 2 for partition, position in filled.cut.items()}
    yield "as of an earlier cut", history_statements.of_person([one], replace(page, as_of=early))
    yield "one line", history_statements.of_person([one], replace(page, dguid=after.dguid))
    yield "a person with two numbers", history_statements.of_person([one, other], page)
    yield "a pharmacy's own lines", history_statements.of_pharmacy(pharmacy(7), year)
    lines = [f"line-{number}" for number in range(LIMIT)]
    yield "returns of a page", history_statements.of_returns([one], lines, filled.cut)


async def place_of(connection: Connection, filled: Filled, who: str) -> HistoryKey:
    """Where the second page of somebody's history begins."""
    return (await queries.history(connection, [who], half_year(filled)))[-1].key


async def explain(connection: Connection, statement: Statement) -> list[str]:
    """The plan as PostgreSQL prints it, after a run that warmed the caches."""
    how = "EXPLAIN (ANALYZE, BUFFERS, SUMMARY) " + statement.query.as_string(connection)
    await connection.execute(how, statement.values)
    return [row[0] for row in await (await connection.execute(how, statement.values)).fetchall()]


@asynccontextmanager
async def table(folder: Path) -> AsyncIterator[str]:
    """Connection string of an empty, migrated database on a server of its own."""
    async with EmbeddedInfrastructure(folder) as servers:
        dsn = servers.endpoints.postgres_dsn
        settings = load_settings(data=folder / "data", postgres_dsn=SecretStr(dsn))
        await migrate([migrations(settings)])
        yield dsn


def page(rows: int, progress: Progress) -> str:
    """The plans of all statements at so many lines, as Markdown."""
    return asyncio.run(_page(rows, progress))


async def _page(rows: int, progress: Progress) -> str:
    with tempfile.TemporaryDirectory(prefix="dpp-bench-plans-") as folder:
        async with (
            table(Path(folder)) as dsn,
            connect(dsn, autocommit=True, statement_ms=0) as connection,
        ):
            filled = await fill(dsn, connection, rows, progress)
            after = await place_of(connection, filled, filled.patients[0])
            parts = [f"Plans at {rows:,} lines, written by `dpp bench plans`; do not edit them.\n"]
            for name, statement in statements(filled, after):
                plan = await explain(connection, statement)
                parts.append("\n".join([f"## {name.capitalize()}\n", "```", *plan, "```\n"]))
    return "# How PostgreSQL reads the history\n\n" + "\n".join(parts)
