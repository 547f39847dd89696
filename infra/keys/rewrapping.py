"""Every secret of the vault under another key-encryption key, while everybody goes on working.

Each process has both keys meanwhile (`DPP_KEK_ALSO_FILE`), so it reads what is wrapped under either
and wraps under the new one. A row is changed only if it is still as it was read: what is destroyed
in between stays destroyed. Doing it again, after a crash too, goes on where rows are left.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from psycopg import sql

from infra.keys.wrapping import SecretDamaged, Wrapper
from infra.postgres import Connection

BATCH: Final = 1000
_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "root_key": ("name",),
    "subject_secret": ("subject", "generation"),
    "reader_secret": ("reader",),
    "period_secret": ("period", "day"),
    "intake_key": ("key_id",),
}
"""Tables, and the columns of the identity to which a secret is bound, in that order."""


async def rewrap(connection: Connection, kek: bytes, former: bytes) -> int:
    """Wraps under `kek` what only `former` opens; answers how many secrets that were.

    `connection` is to the vault's database, in autocommit. At the end the vault knows `kek` as its
    key, and `former` opens nothing in it any more.

    Raises:
        SecretDamaged: neither key opens a row; nothing of it was changed.
    """
    ours, both = Wrapper(kek), Wrapper(kek, [former])
    total = 0
    while changed := sum([await _table(connection, one, ours, both) for one in _TABLES]):
        total += changed
    await connection.execute("UPDATE kek_fingerprint SET fingerprint = %s", ours.fingerprints[:1])
    return total


async def _table(connection: Connection, table: str, ours: Wrapper, both: Wrapper) -> int:
    last: Sequence[Any] | None = None
    changed = 0
    while rows := await _read(connection, table, last):
        last = rows[-1][:-1]
        found = [
            (
                both.wrap(both.unwrap(wrapped, table, *_bound(key)), table, *_bound(key)),
                *key,
                wrapped,
            )
            for *key, wrapped in rows
            if not _opens(ours, wrapped, table, key)
        ]
        changed += len(found)
        await _write(connection, table, found)
    return changed


async def _read(
    connection: Connection, table: str, last: Sequence[Any] | None
) -> list[tuple[Any, ...]]:
    columns = sql.SQL(", ").join(map(sql.Identifier, _TABLES[table]))
    after = (
        sql.SQL("")
        if last is None
        else sql.SQL(" AND ({}) > ({})").format(
            columns, sql.SQL(", ").join([sql.Placeholder()] * len(last))
        )
    )
    cursor = await connection.execute(
        sql.SQL(
            "SELECT {}, wrapped FROM {} WHERE wrapped IS NOT NULL{} ORDER BY {} LIMIT {}"
        ).format(columns, sql.Identifier(table), after, columns, sql.Literal(BATCH)),
        last,
    )
    return await cursor.fetchall()


async def _write(connection: Connection, table: str, found: Sequence[Sequence[Any]]) -> None:
    same = sql.SQL(" AND ").join(
        sql.SQL("{} = %s").format(sql.Identifier(one)) for one in _TABLES[table]
    )
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(
            sql.SQL("UPDATE {} SET wrapped = %s WHERE {} AND wrapped = %s").format(
                sql.Identifier(table), same
            ),
            found,
        )


def _opens(ours: Wrapper, wrapped: bytes, table: str, key: Sequence[Any]) -> bool:
    try:
        ours.unwrap(wrapped, table, *_bound(key))
    except SecretDamaged:
        return False
    return True


def _bound(key: Sequence[Any]) -> list[str]:
    return [one.isoformat() if isinstance(one, date) else str(one) for one in key]
