"""What the vault holds, how old it is, and what was destroyed: counts and times, no secrets."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from psycopg import sql

from infra.postgres import Connection

_KINDS: Final = ("root_key", "subject_secret", "reader_secret", "period_secret", "intake_key")


@dataclass(frozen=True, slots=True)
class Held:
    """One kind of secret; `destroyed` are its tombstones."""

    kind: str
    living: int
    destroyed: int
    oldest: datetime | None
    """When the oldest living one was made."""


@dataclass(frozen=True, slots=True)
class Ages:
    """The vault at one moment."""

    kek_since: datetime | None
    """When the key-encryption key became the vault's."""
    held: tuple[Held, ...]
    oldest_day: date | None
    """The oldest delivery day that can still be read."""


async def ages(connection: Connection) -> Ages:
    """Looks at the vault's database."""
    async with connection.transaction():
        held = tuple([await _held(connection, kind) for kind in _KINDS])
        kek = await (await connection.execute("SELECT made_at FROM kek_fingerprint")).fetchone()
        day = await (
            await connection.execute("SELECT min(day) FROM period_secret WHERE wrapped IS NOT NULL")
        ).fetchone()
    return Ages(
        kek_since=kek[0] if kek else None,
        held=held,
        oldest_day=day[0] if day else None,
    )


async def _held(connection: Connection, kind: str) -> Held:
    cursor = await connection.execute(
        sql.SQL(
            "SELECT count(*) FILTER (WHERE wrapped IS NOT NULL),"
            " count(*) FILTER (WHERE wrapped IS NULL),"
            " min(made_at) FILTER (WHERE wrapped IS NOT NULL) FROM {}"
        ).format(sql.Identifier(kind))
    )
    row = await cursor.fetchone()
    living, destroyed, oldest = row or (0, 0, None)
    return Held(kind, living, destroyed, oldest)
