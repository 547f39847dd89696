"""Writes the history's row changes: binary COPY into a stage, then sets of rows at a time."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, Final, assert_never

from psycopg import sql
from psycopg.errors import UniqueViolation

from infra.postgres import Connection
from projections.folds.history import Change, PutVersion, Supersede
from projections.rows import copy_rows, table_columns
from projections.statements import statement

MONTHS_LOCK: Final = 0x6470_706D
"""Key of the advisory lock under which a month is added ("dppm")."""
TABLE: Final = "dispensation"
COLUMNS: Final = {
    "delivered_month": "date",
    "pharmacy": "text",
    "dguid": "text",
    "version": "int4",
    "status": "text",
    "event_type": "text",
    "ce_id": "text",
    "subject": "text",
    "generation": "int4",
    "period": "text",
    "delivered_at": "timestamptz",
    "product_index": "text",
    "returns_index": "text",
    "sealed": "bytea",
    "score": "int2",
    "warnings": "text[]",
    "recorded_partition": "int4",
    "recorded_position": "int8",
}
_STAGED: Final = {**COLUMNS, "withdraws": "int4"}
_ENDED: Final = {
    "delivered_month": "date",
    "pharmacy": "text",
    "dguid": "text",
    "version": "int4",
    "position": "int8",
}


class HistoryWriter:
    """Writes on one connection, whose search path names the version.

    Columns that the version's table does not have are left out: they are another layout's.
    """

    def __init__(self, connection: Connection, *, fresh: bool = False) -> None:
        self._connection = connection
        self._fresh = fresh
        self._months: set[date] = set()
        self._columns: dict[str, str] = {}
        self._pick: Callable[[PutVersion], tuple[Any, ...]]

    async def prepare(self) -> None:
        """Makes the stages of this connection; they are empty again after every transaction."""
        stored = {one for one, _ in await table_columns(self._connection, TABLE)}
        self._columns = {name: kind for name, kind in COLUMNS.items() if name in stored}
        fields = [number for number, name in enumerate(COLUMNS) if name in stored]
        whole = len(fields) == len(COLUMNS)
        self._pick = itemgetter(slice(len(COLUMNS))) if whole else itemgetter(*fields)
        for table, columns in (("history_entered", _STAGED), ("history_ended", _ENDED)):
            body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            await self._connection.execute(
                sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
                    sql.Identifier(table), sql.SQL(body)
                )
            )

    async def before(self, changes: Sequence[Change]) -> None:
        """Adds the months that the batch is the first to need."""
        months = {
            change.delivered_month
            for change in changes
            if isinstance(change, PutVersion) and change.delivered_at is not None
        }
        await ensure_months(self._connection, months - self._months)
        self._months |= months

    async def write(self, changes: Iterable[Change]) -> None:
        """Writes the changes inside the caller's transaction.

        Versions are copied straight into the table. Only where one is there already, which a batch
        that comes again holds, are they staged; what needs a former version's row always is.
        """
        entered: list[PutVersion] = []
        staged: list[PutVersion] = []
        ended: list[Sequence[Any]] = []
        for change in changes:
            match change:
                case PutVersion():
                    (staged if change.delivered_at is None else entered).append(change)
                case Supersede(line=line, position=position):
                    ended.append((*line, position))
                case _:
                    assert_never(change)
        if entered and not await self._enter(entered):
            staged += entered
        if staged:
            await self._stage("history_entered", _STAGED, staged)
            await self._execute("history/enter")
            await self._execute("history/withdraw")
        if ended:
            await self._stage("history_ended", _ENDED, ended)
            await self._connection.execute(statement("history/supersede"))

    async def _enter(self, entered: list[PutVersion]) -> bool:
        """Copies versions into the table; False, and nothing done, if one is there."""
        erased = {} if self._fresh else await self._erased(entered)
        if erased:
            entered = [row for row in entered if row.generation > erased.get(row.subject, 0)]
        try:
            async with self._connection.transaction():
                table, types = sql.Identifier(TABLE), list(self._columns.values())
                rows = map(self._pick, entered)
                await copy_rows(self._connection, table, self._columns, types, rows)
        except UniqueViolation:
            return False
        return True

    async def _erased(self, entered: Iterable[PutVersion]) -> dict[str, int]:
        cursor = await self._connection.execute(
            "SELECT subject, generation FROM projection_erased WHERE subject = ANY(%s)",
            ([*{row.subject for row in entered}],),
        )
        return dict(await cursor.fetchall())

    async def _execute(self, name: str) -> None:
        """Enters staged versions; `{taken}` is the former one's time of delivery, and their own."""
        sources = {name: "f" if name == "delivered_at" else "s" for name in self._columns}
        await self._connection.execute(
            statement(name).format(
                columns=sql.SQL(", ").join(map(sql.Identifier, self._columns)),
                taken=sql.SQL(", ").join(sql.Identifier(one, of) for of, one in sources.items()),
            )
        )

    async def _stage(
        self, table: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]
    ) -> None:
        target = sql.Identifier("pg_temp", table)
        await copy_rows(self._connection, target, columns, list(columns.values()), rows)


def partition_name(month: date) -> str:
    """The table of a month (its first day)."""
    return f"{TABLE}_{month:%Y_%m}"


async def ensure_months(connection: Connection, months: Iterable[date]) -> None:
    """Adds the partitions of these months (first days) to the history, where they are missing.

    A table is made apart and attached, which readers do not notice; making it in place would lock
    them out for a moment.
    """
    for month in sorted(months):
        name = partition_name(month)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MONTHS_LOCK,))
            cursor = await connection.execute(
                "SELECT EXISTS (SELECT FROM pg_class WHERE relname = %s"
                " AND relnamespace = current_schema()::regnamespace)",
                (name,),
            )
            row = await cursor.fetchone()
            if row is not None and row[0]:
                continue
            # A function of the owner's: who follows the log need not own its tables.
            await connection.execute(
                "SELECT public.add_history_month(current_schema(), %s)", (month,)
            )
