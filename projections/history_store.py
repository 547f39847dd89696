"""Writes the history's row changes: binary COPY into a stage, then sets of rows at a time."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, assert_never

from psycopg import sql

from infra.postgres import Connection
from projections.folds.history import Change, Erase, PutVersion, Supersede

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
_NOT_ERASED: Final = (
    "NOT EXISTS (SELECT FROM history_v1.erased e"
    " WHERE e.subject = s.subject AND e.generation >= s.generation)"
)


def _list(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in names)


_ENTER: Final = (
    f"INSERT INTO history_v1.dispensation ({_list(COLUMNS)})"  # noqa: S608 - constants only
    f" SELECT {_list(COLUMNS, 's.')} FROM pg_temp.history_entered s"
    f" WHERE s.delivered_at IS NOT NULL AND {_NOT_ERASED} ON CONFLICT DO NOTHING"
)
_WITHDRAW: Final = (
    f"INSERT INTO history_v1.dispensation ({_list(COLUMNS)})"  # noqa: S608 - constants only
    f" SELECT {_list(COLUMNS, 's.').replace('s.delivered_at', 'f.delivered_at')}"
    " FROM pg_temp.history_entered s JOIN history_v1.dispensation f"
    " ON f.delivered_month = s.delivered_month AND f.pharmacy = s.pharmacy"
    " AND f.dguid = s.dguid AND f.version = s.withdraws"
    f" WHERE s.delivered_at IS NULL AND {_NOT_ERASED} ON CONFLICT DO NOTHING"
)
_SUPERSEDE: Final = (
    "UPDATE history_v1.dispensation AS d SET superseded_position = s.position FROM"
    " (SELECT delivered_month, pharmacy, dguid, version, min(position) AS position"
    " FROM pg_temp.history_ended GROUP BY 1, 2, 3, 4) AS s"
    " WHERE d.delivered_month = s.delivered_month AND d.pharmacy = s.pharmacy"
    " AND d.dguid = s.dguid AND d.version = s.version AND d.superseded_position IS NULL"
)


async def prepare(connection: Connection) -> None:
    """Makes the stages of this connection; they are empty again after every transaction."""
    for table, columns in (("history_entered", _STAGED), ("history_ended", _ENDED)):
        body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        await connection.execute(
            sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
                sql.Identifier(table), sql.SQL(body)
            )
        )


async def apply(connection: Connection, changes: Iterable[Change]) -> None:
    """Writes the changes inside the caller's transaction, on a prepared connection."""
    entered: list[Sequence[Any]] = []
    ended: list[Sequence[Any]] = []
    erased: list[Erase] = []
    for change in changes:
        match change:
            case PutVersion():
                entered.append(_entered(change))
            case Supersede(line=line, position=position):
                ended.append((line.month, line.pharmacy, line.dguid, line.version, position))
            case Erase():
                erased.append(change)
            case _:
                assert_never(change)
    if erased:
        await _erase(connection, erased)
    if entered:
        await _copy(connection, "history_entered", _STAGED, entered)
        await connection.execute(_ENTER)
        await connection.execute(_WITHDRAW)
    if ended:
        await _copy(connection, "history_ended", _ENDED, ended)
        await connection.execute(_SUPERSEDE)


async def _copy(
    connection: Connection, table: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier("pg_temp", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            await copy.write_row(row)


def _entered(put: PutVersion) -> tuple[Any, ...]:
    line = put.line
    return (
        line.month,
        line.pharmacy,
        line.dguid,
        line.version,
        put.status,
        put.event_type,
        put.ce_id,
        put.subject,
        put.generation,
        put.period,
        put.delivered_at,
        put.product_index,
        put.sealed,
        put.score,
        list(put.warnings),
        put.partition,
        put.position,
        put.withdraws,
    )


async def _erase(connection: Connection, erased: Sequence[Erase]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO history_v1.erased AS e (subject, generation) VALUES (%s, %s)"
            " ON CONFLICT (subject) DO UPDATE"
            " SET generation = greatest(e.generation, EXCLUDED.generation)",
            [(one.subject, one.generation) for one in erased],
        )
        await cursor.executemany(
            "DELETE FROM history_v1.dispensation WHERE subject = %s AND generation <= %s",
            [(one.subject, one.generation) for one in erased],
        )
