"""Simpler ways to write the same rows: one upsert for each event, or `executemany` for each poll.

Both read and fold the same facts with the same code as the history projection, and move a position.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from psycopg import sql

from consumers.bench.projecting.log import PARTITIONS
from infra.kafka import Partition, Record, reader
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.batch import fold_batch
from projections.copies import Copies
from projections.folds.history import PutVersion
from projections.history_store import COLUMNS, ensure_months
from projections.shells import History
from projections.store import use_schema

BATCH: Final = 2_000
_INSERT: Final = sql.SQL("INSERT INTO dispensation ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
    sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
    sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS)),
)
_MOVE: Final = "UPDATE projection_position SET position = position + %s WHERE projection = 'rival'"

Rows = Sequence[Sequence[Any]]
Write = Callable[[Connection, Rows], Awaitable[None]]


async def measure_rival(settings: Settings, history: History, facts: int, write: Write) -> float:
    """Seconds of reading, folding and writing so many facts."""
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
            await ensure_months(connection, {one.delivered_month for one in puts})
            await write(connection, [one[: len(COLUMNS)] for one in puts])
            seen += len(puts)
        return time.perf_counter() - started


def _first(polled: dict[Partition, list[Record]], count: int) -> dict[Partition, list[Record]]:
    kept = {}
    for one, records in polled.items():
        kept[one] = records[:count]
        count -= len(kept[one])
    return kept


async def in_batches(connection: Connection, rows: Rows) -> None:
    """A poll in one transaction, by psycopg's pipelined `executemany`."""
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(_INSERT, rows)
        await cursor.execute(_MOVE, (len(rows),))


async def one_by_one(connection: Connection, rows: Rows) -> None:
    """Each event in a transaction of its own."""
    for row in rows:
        async with connection.transaction():
            await connection.execute(_INSERT, row)
            await connection.execute(_MOVE, (1,))
