"""Fills the history's table with lines of realistic shape: a year, many people, sealed bodies.

Bodies are random bytes of the length of real ones: nobody who reads the table could tell. A tenth
of the lines belong to people who get many medicines, so that some have hundreds of lines a year. A
few lines are corrected, revoked, or returns.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from random import Random
from typing import Any, Final

from psycopg import sql

from consumers.progress import Progress
from infra.postgres import Connection, connect
from projections.folds.history import month_of
from projections.history_store import COLUMNS, TABLE, ensure_months
from projections.memory import HISTORY_KEY
from projections.rows import copy_rows
from projections.store import use_schema
from schemas.dispensation import CORRECTED, REGISTERED

NOW: Final = datetime(2026, 11, 24, 11, tzinfo=UTC)
DAYS: Final = 365
PARTITIONS: Final = 4
CHUNK: Final = 100_000
"""Lines that are written at a time; each chunk has its own people."""
PHARMACIES: Final = 500
LINES_A_PERSON: Final = 18
LINES_A_PATIENT: Final = 300
"""Of somebody who gets many medicines: more than 100 within six months."""
BODY: Final = (330, 520)
_COLUMNS: Final = {**COLUMNS, "superseded_position": "int8"}
_LETTERS: Final = str.maketrans("0123456789", "abcdefghij")
_READ_INDEXES: Final = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i
WHERE i.indrelid = 'history_v1.dispensation'::regclass
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """What the table holds: people by name, those with many lines, and the cut that sees all."""

    rows: int
    people: tuple[str, ...]
    patients: tuple[str, ...]

    @property
    def cut(self) -> dict[int, int]:
        """Behind every line."""
        return dict.fromkeys(range(PARTITIONS), self.rows)


def person(number: int) -> str:
    """A pseudonym."""
    return f"{number:026d}".translate(_LETTERS)


def pharmacy(number: int) -> str:
    """A pharmacy's number."""
    return f"{80_000_000 + number}"


async def fill(dsn: str, connection: Connection, rows: int, progress: Progress) -> Filled:
    """Writes so many lines into an empty, migrated table, and lets the planner know them.

    Keys and indexes are made when the lines are in. `dsn` leads where `connection` does.
    """
    await use_schema(connection, "history_v1")
    indexes = await (await connection.execute(_READ_INDEXES)).fetchall()
    for name, _ in indexes:
        await connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
    await connection.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey")
    days = (NOW - timedelta(days=at) for at in range(DAYS + 1))
    await ensure_months(connection, {month_of(one) for one in days})
    chunks = [_Chunk(first, min(CHUNK, rows - first)) for first in range(0, rows, CHUNK)]
    await _write_all(dsn, chunks, progress)
    await connection.execute("SET maintenance_work_mem = '512MB'")
    progress("indexes", 0, 0)
    await connection.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY ({', '.join(HISTORY_KEY)})")
    for _, definition in indexes:
        progress("indexes", 0, 0)
        await connection.execute(definition.replace(" ON ONLY ", " ON "))
    await connection.execute("VACUUM ANALYZE dispensation")
    progress(f"{rows:,} lines", rows, rows)
    people = [one for chunk in chunks for one in chunk.people]
    patients = [one for chunk in chunks for one in chunk.patients]
    return Filled(rows, tuple(people), tuple(patients))


async def _write_all(dsn: str, chunks: Sequence["_Chunk"], progress: Progress) -> None:
    """Writes chunks, those of a large table by a process for each core."""
    rows = sum(one.count for one in chunks)
    progress(f"{rows:,} lines", 0, rows)
    if len(chunks) == 1:
        await _write(dsn, chunks[0])
        return
    loop, done = asyncio.get_running_loop(), 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        work = [loop.run_in_executor(pool, _write_here, dsn, one) for one in chunks]
        for finished in asyncio.as_completed(work):
            done += await finished
            progress(f"{rows:,} lines", done, rows)


def _write_here(dsn: str, chunk: "_Chunk") -> int:
    asyncio.run(_write(dsn, chunk))
    return chunk.count


async def _write(dsn: str, chunk: "_Chunk") -> None:
    async with connect(dsn, autocommit=True, statement_ms=0) as connection:
        await use_schema(connection, "history_v1")
        columns, types = list(_COLUMNS), list(_COLUMNS.values())
        await copy_rows(connection, sql.Identifier(TABLE), columns, types, chunk.lines())


class _Chunk:
    """Lines of people of their own, in the order in which a log would hold them."""

    def __init__(self, first: int, count: int) -> None:
        self._first = first
        self.count = count
        self._random = Random(first)  # noqa: S311 - content of a benchmark
        many = max(1, count // 10 // LINES_A_PATIENT)
        others = max(1, count * 9 // 10 // LINES_A_PERSON)
        self.patients = [person(first + number) for number in range(many)]
        self.people = [person(first + many + number) for number in range(others)]

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """The columns of each line."""
        bodies = os.urandom(1 << 20)
        random, count = self._random, self.count
        for number in range(count):
            at = NOW - timedelta(seconds=random.randrange(DAYS * 86_400))
            who = random.choice(self.people if number % 10 else self.patients)
            place = random.randrange(len(bodies) - BODY[1])
            position = self._first + number
            yield (
                month_of(at),
                pharmacy(random.randrange(PHARMACIES)),
                f"{random.getrandbits(32):08x}-0000-4000-8000-{position:012x}",
                1 if number % 40 else 2,
                "registered" if number % 40 else "corrected",
                REGISTERED if number % 40 else CORRECTED,
                f"quality/{number % PARTITIONS}/{position}/0",
                who,
                1,
                f"{at:%Y-%m-%d}-of-the-benchmark",
                at,
                f"product-{random.randrange(5000)}",
                None if number % 100 else f"line-{random.randrange(count)}",
                bodies[place : place + random.randint(*BODY)],
                100,
                [],
                number % PARTITIONS,
                position,
                position + 1 if number % 40 and position % 50 == 0 else None,
            )
