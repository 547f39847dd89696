"""Plain SQL migrations: files `NNNN_name.sql`, applied once, in order, each in a transaction.

What was applied is kept with its SHA-256 in `schema_migration` of the database itself; a further
source of the same database has a name, and keeps its own record. A file that changed after it was
applied, or a database that is ahead of the code, is refused: nobody may run on a schema other than
the one the code was written for.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

import psycopg
from psycopg import sql

from infra.errors import InfrastructureError
from infra.postgres import Connection, connect, place

NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
LOCK_ID: Final = 0x6470_7073_716C
"""Key of the advisory lock under which only one process migrates ("dppsql")."""
RECORD: Final = """
CREATE TABLE IF NOT EXISTS {} (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class MigrationRefused(InfrastructureError):
    """The database's schema and the code do not fit, or a file failed; nothing was half done."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files are (`folder` inside the package `package`), and for which database."""

    package: str
    folder: str
    dsn: str
    name: str = ""
    """Tells it from another source of the same database."""

    @property
    def record(self) -> sql.Identifier:
        """The table that keeps what was applied."""
        return sql.Identifier("_".join(filter(None, ("schema_migration", self.name))))

    @property
    def database(self) -> str:
        """The database as people are told of it, and whose part of it is meant."""
        return f"{place(self.dsn)} ({self.name})" if self.name else place(self.dsn)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name and its bytes as written."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The sum under which it is recorded (hex)."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Status:
    """How the files and one database compare, by file name."""

    database: str
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    changed: tuple[str, ...]
    """Applied with other content than the file has now."""
    unknown: tuple[str, ...]
    """Applied by newer code than this."""
    late: tuple[str, ...]
    """Not applied although a later file was: its number is too low."""

    @property
    def current(self) -> bool:
        """Whether this code may run on this database."""
        return not (self.pending or self.obstacles)

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why migrating is refused, one sentence each; none when it may go on."""
        return (
            *(f"{name} was changed after it was applied" for name in self.changed),
            *(f"{name} was applied by newer code than this" for name in self.unknown),
            *(f"{name} sorts before a file that was applied already" for name in self.late),
        )


def files(package: str, folder: str) -> tuple[Migration, ...]:
    """The migrations that a package carries, in order; it may be installed from a wheel.

    Raises:
        MigrationRefused: a file is not named `NNNN_name.sql`, or two share a number.
    """
    found = sorted(
        (one for one in resources.files(package).joinpath(folder).iterdir()
         if one.name.endswith(".sql")),
        key=lambda one: one.name,
    )  # fmt: skip
    numbers = set()
    for one in found:
        match = NAME.fullmatch(one.name)
        if match is None or match[1] in numbers:
            raise MigrationRefused(
                f"The migration {package}/{folder}/{one.name} needs a number of its own and a "
                "name like 0001_what.sql."
            )
        numbers.add(match[1])
    return tuple(Migration(one.name, one.read_bytes()) for one in found)


def compare(database: str, carried: Iterable[Migration], recorded: Mapping[str, str]) -> Status:
    """Compare the files with what a database recorded (name to sum)."""
    sums = {one.name: one.sha256 for one in carried}
    last = max(recorded, default="")
    missing = [name for name in sums if name not in recorded]
    return Status(
        database=database,
        applied=tuple(name for name in sums if recorded.get(name) == sums[name]),
        pending=tuple(name for name in missing if name > last),
        changed=tuple(n for n in sums if n in recorded and recorded[n] != sums[n]),
        unknown=tuple(sorted(set(recorded) - set(sums))),
        late=tuple(name for name in missing if name <= last),
    )


async def check(sources: Iterable[Source]) -> list[Status]:
    """How every database stands; changes nothing.

    Raises:
        DatabaseUnavailable: a database does not answer.
    """
    found = []
    for source in sources:
        async with connect(source.dsn, autocommit=True) as connection:
            recorded = await _recorded(connection, source)
        carried = files(source.package, source.folder)
        found.append(compare(source.database, carried, recorded))
    return found


async def migrate(sources: Iterable[Source]) -> list[Status]:
    """Apply what is pending in every database, and tell how each stands then.

    Raises:
        DatabaseUnavailable: a database does not answer.
        MigrationRefused: files and database do not fit, or a file failed (it left no trace).
    """
    return [await _migrate(source) for source in sources]


async def require_current(sources: Iterable[Source]) -> None:
    """What a process asks before it works.

    Raises:
        DatabaseUnavailable: a database does not answer.
        MigrationRefused: a database is behind, ahead, or changed.
    """
    for status in await check(sources):
        _refuse_obstacles(status)
        if status.pending:
            raise MigrationRefused(
                f"The database {status.database} misses {len(status.pending)} migration(s), the "
                f"first is {status.pending[0]}: run dpp db migrate."
            )


async def _migrate(source: Source) -> Status:
    carried = files(source.package, source.folder)
    # No time limit: building an index over the record may take long, and is worth waiting for.
    async with connect(source.dsn, autocommit=True, statement_ms=0) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
        await connection.execute(sql.SQL(RECORD).format(source.record))
        status = compare(source.database, carried, await _recorded(connection, source))
        _refuse_obstacles(status)
        for one in carried:
            if one.name in status.pending:
                await _apply(connection, source, one)
        return compare(source.database, carried, await _recorded(connection, source))


async def _apply(connection: Connection, source: Source, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.content)
            await connection.execute(
                sql.SQL("INSERT INTO {} (name, sha256) VALUES (%s, %s)").format(source.record),
                (migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        raise MigrationRefused(
            f"The migration {migration.name} failed in the database {source.database} and left no "
            f"trace: {error.diag.message_primary or type(error).__name__}."
        ) from error


def _refuse_obstacles(status: Status) -> None:
    if status.obstacles:
        raise MigrationRefused(
            f"The database {status.database} does not fit this code: "
            f"{'; '.join(status.obstacles)}. Use the code that made it, or restore the file."
        )


async def _recorded(connection: Connection, source: Source) -> dict[str, str]:
    table = source.record.as_string(connection)
    cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return {}
    cursor = await connection.execute(sql.SQL("SELECT name, sha256 FROM {}").format(source.record))
    return {name: sha256 async for name, sha256 in cursor}
