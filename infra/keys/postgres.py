"""The vault in its own Postgres database, every secret wrapped under the key-encryption key.

Making and reading is one pipelined transaction of two statements, so one round trip per batch:
first what is missing is inserted, unless somebody else was faster, then what is there is read. In
READ COMMITTED the second statement sees the winner of every race, so all processes agree. Rows are
inserted in the order of their keys, so that two batches never wait for each other in a circle.

Destroying takes the wrapped bytes out of the row. What the server's own files and its backups still
hold is unreadable without the key-encryption key. Source: DESIGN sections 4.2 and 4.4.
"""

import hmac
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Final, LiteralString

import psycopg

from infra.errors import InfrastructureError
from infra.keys.cache import MAX_ENTRIES, SecretCache
from infra.keys.wrapping import Wrapper, new_period_id, new_secret
from infra.postgres import Connection, Pool
from schemas.keyvault import (
    DestroyedPeriod,
    IntakeKey,
    PeriodSecret,
    RootKeyName,
    Shredded,
    SubjectSecret,
    VaultUnavailable,
)

Row = tuple[Any, ...]
Period = PeriodSecret | DestroyedPeriod
Statement = tuple[LiteralString, Sequence[object]]

MIGRATIONS: Final = ("infra.keys", "sql")
"""Package and folder of the vault's migrations, as `infra.migrations.Source` takes them."""

_MAKE_FINGERPRINT: Final = (
    "INSERT INTO kek_fingerprint (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING"
)
_READ_FINGERPRINT: Final = "SELECT fingerprint FROM kek_fingerprint"
_MAKE_ROOT: Final = "INSERT INTO root_key (name, wrapped) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_READ_ROOT: Final = "SELECT wrapped FROM root_key WHERE name = %s"
_MAKE_SUBJECTS: Final = """
INSERT INTO subject_secret (subject, generation, wrapped)
SELECT * FROM unnest(%s::text[], %s::integer[], %s::bytea[]) ON CONFLICT DO NOTHING
"""
_READ_SUBJECTS: Final = """
SELECT DISTINCT ON (subject) subject, generation, wrapped FROM subject_secret
WHERE subject = ANY(%s) ORDER BY subject, generation DESC
"""
_FIND_SUBJECTS: Final = """
SELECT subject, generation, wrapped FROM subject_secret
WHERE subject = ANY(%s) AND destroyed_at IS NULL
"""
_MAKE_READERS: Final = "SELECT make_reader_secrets(%s::text[], %s::bytea[])"
_READ_READERS: Final = "SELECT reader, wrapped FROM reader_secret WHERE reader = ANY(%s)"
_MAKE_PERIODS: Final = """
INSERT INTO period_secret (period, day, wrapped)
SELECT * FROM unnest(%s::text[], %s::date[], %s::bytea[]) ON CONFLICT DO NOTHING
"""
_READ_DAYS: Final = "SELECT period, day, wrapped FROM period_secret WHERE day = ANY(%s)"
_READ_PERIODS: Final = "SELECT period, day, wrapped FROM period_secret WHERE period = ANY(%s)"
_MAKE_INTAKE: Final = """
INSERT INTO intake_key (key_id, wrapped) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING key_id
"""
_READ_INTAKE: Final = "SELECT key_id, wrapped FROM intake_key WHERE destroyed_at IS NULL"
_DESTROY_INTAKE: Final = """
UPDATE intake_key SET wrapped = NULL, destroyed_at = %s WHERE key_id = %s AND destroyed_at IS NULL
"""
_DESTROY_EARLIER: Final = """
UPDATE subject_secret SET wrapped = NULL, destroyed_at = %s
WHERE subject = %s AND generation < %s AND destroyed_at IS NULL
"""
_DESTROY_GENERATION: Final = """
INSERT INTO subject_secret AS s (subject, generation, wrapped, destroyed_at)
VALUES (%s, %s, NULL, %s) ON CONFLICT (subject, generation) DO UPDATE
SET wrapped = NULL, destroyed_at = coalesce(s.destroyed_at, EXCLUDED.destroyed_at)
"""
ERASED_CHANNEL: Final = "dpp_vault_erased"
"""On which the vault names each subject whose secret it has destroyed."""
_TELL_ERASED: Final = "SELECT pg_notify(%s, %s)"
_DESTROY_PERIOD: Final = """
UPDATE period_secret SET wrapped = NULL, destroyed_at = %s
WHERE period = %s AND destroyed_at IS NULL
"""


class WrongKek(InfrastructureError):
    """The vault was made under another key-encryption key than the one given."""


class PostgresVault:
    """Implements `KeyVault` and `KeyReader` of `schemas.keyvault` on a migrated database.

    Args:
        pool: connections to the vault's database, for the vault alone.
        kek: the key-encryption key, 32 bytes.
        clock: seconds that only grow; ages the caches.
        also: other keys under which secrets may still, or already, be wrapped.
        max_cached: most entries of each cache.

    Every method raises `VaultUnavailable` when the database does not answer, and `WrongKek` when
    the vault was made under another key-encryption key.
    """

    def __init__(
        self,
        pool: Pool,
        kek: bytes,
        clock: Callable[[], float] = time.monotonic,
        *,
        also: Sequence[bytes] = (),
        max_cached: int = MAX_ENTRIES,
    ) -> None:
        self._pool = pool
        self._wrapper = Wrapper(kek, also)
        self._opened = False
        self._roots: dict[RootKeyName, bytes] = {}
        self._subjects: SecretCache[str, SubjectSecret] = SecretCache(clock, max_cached)
        self._readers: SecretCache[str, SubjectSecret] = SecretCache(clock, max_cached)
        self._days: SecretCache[date, Period] = SecretCache(clock, max_cached)
        self._periods: SecretCache[str, Period] = SecretCache(clock, max_cached)

    async def open(self) -> None:
        """Checks the key-encryption key against the vault, which remembers the first one.

        Every other method does so at its first use; a process calls this when it starts.

        Raises:
            WrongKek: another key made this vault; nothing was written.
        """
        if self._opened:
            return
        ours = self._wrapper.fingerprints
        # Read first: most processes may not make what is missing, and need not.
        rows = await self._send((_READ_FINGERPRINT, ()))
        if not rows:
            rows = await self._send((_MAKE_FINGERPRINT, (ours[0],)), (_READ_FINGERPRINT, ()))
        if not any(hmac.compare_digest(one, bytes(rows[0][0])) for one in ours):
            raise WrongKek(
                "The key vault was made under another key-encryption key: give the process the "
                "key of this vault in DPP_KEK_FILE or DPP_KEK, or the vault of this key in "
                "DPP_VAULT_DSN."
            )
        self._opened = True

    async def root_key(self, name: RootKeyName) -> bytes:
        """A 32-byte key of the installation, made at first use and kept for this object's life."""
        if name not in self._roots:
            rows = await self._ask((_READ_ROOT, (name,)))
            if not rows:
                wrapped = self._wrapper.wrap(new_secret(), "root_key", name)
                rows = await self._ask((_MAKE_ROOT, (name, wrapped)), (_READ_ROOT, (name,)))
            self._roots[name] = self._wrapper.unwrap(rows[0][0], "root_key", name)
        return self._roots[name]

    async def look_up_root_key(self, name: RootKeyName) -> bytes | None:
        """A key of the installation, if it was ever made."""
        rows = await self._ask((_READ_ROOT, (name,)))
        return self._wrapper.unwrap(rows[0][0], "root_key", name) if rows else None

    async def look_up_subjects(
        self, subjects: Collection[str]
    ) -> Mapping[str, SubjectSecret | Shredded]:
        """The secret of each subject's latest generation; `Shredded` where that is erased."""
        rows = await self._ask((_READ_SUBJECTS, (sorted(set(subjects)),)))
        return {
            row[0]: Shredded("subject") if row[2] is None else self._subject(*row) for row in rows
        }

    async def look_up_days(self, days: Collection[date]) -> Mapping[date, Period]:
        """The secret of each day, or its tombstone."""
        rows = await self._ask((_READ_DAYS, (sorted(set(days)),)))
        return {row[1]: self._period(*row) for row in rows}

    async def subject_secrets(self, subjects: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The living secret of each subject, made where there is none (next generation).

        One round trip; one more if subjects among them were erased and come back.
        """
        asked = self._subjects.asked()
        found, missing = self._subjects.split(subjects)
        wanted = dict.fromkeys(sorted(missing), 1)
        while wanted:
            for secret in await self._make_subjects(wanted):
                found[secret.subject] = secret
                self._subjects.keep(asked, secret.subject, secret)
        return found

    async def _make_subjects(self, wanted: dict[str, int]) -> list[SubjectSecret]:
        """Living secrets; takes out of `wanted` who got one, and raises the others' generation."""
        wrapped = [self._new("subject_secret", s, str(number)) for s, number in wanted.items()]
        rows = await self._ask(
            (_MAKE_SUBJECTS, (list(wanted), list(wanted.values()), wrapped)),
            (_READ_SUBJECTS, (list(wanted),)),
        )
        made = []
        for subject, generation, living in rows:
            if living is None:
                wanted[subject] = generation + 1
            else:
                del wanted[subject]
                made.append(self._subject(subject, generation, living))
        return made

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        """Secrets by (subject, generation); an erased or unknown one is `Shredded`."""
        asked = self._subjects.asked()
        living, missing = self._subjects.split({subject for subject, _ in wanted})
        # Somebody knows a later generation than we do: what we know was destroyed.
        outdated = {s for s, number in wanted if s in living and number > living[s].generation}
        for subject in outdated:
            del living[subject]
        missing |= outdated
        rows = await self._ask((_FIND_SUBJECTS, (sorted(missing),))) if missing else ()
        for row in rows:
            living[row[0]] = self._subject(*row)
            self._subjects.keep(asked, row[0], living[row[0]])
        return {
            (subject, number): found
            if (found := living.get(subject)) is not None and found.generation == number
            else Shredded("subject")
            for subject, number in wanted
        }

    async def reader_secrets(self, readers: Collection[str]) -> Mapping[str, SubjectSecret]:
        """The secret of each reader, made where there is none; generation is always 1."""
        asked = self._readers.asked()
        found, missing = self._readers.split(readers)
        if missing:
            names = sorted(missing)
            wrapped = [self._new("reader_secret", name) for name in names]
            rows = await self._ask((_MAKE_READERS, (names, wrapped)), (_READ_READERS, (names,)))
            for name, living in rows:
                secret = self._wrapper.unwrap(living, "reader_secret", name)
                found[name] = SubjectSecret(name, 1, secret)
                self._readers.keep(asked, name, found[name])
        return found

    async def period_secrets(self, days: Collection[date]) -> Mapping[date, Period]:
        """The secret of each day, made where there is none; a destroyed day is never made again."""
        asked = self._days.asked()
        found, missing = self._days.split(days)
        if missing:
            ordered = sorted(missing)
            ids = [new_period_id() for _ in ordered]
            wrapped = [
                self._new("period_secret", period, day.isoformat())
                for period, day in zip(ids, ordered, strict=True)
            ]
            rows = await self._ask(
                (_MAKE_PERIODS, (ids, ordered, wrapped)), (_READ_DAYS, (ordered,))
            )
            for row in rows:
                found[row[1]] = self._period(*row)
                self._days.keep(asked, row[1], found[row[1]])
        return found

    async def find_periods(self, periods: Collection[str]) -> Mapping[str, Period]:
        """Days and secrets by opaque id; an unknown id is left out."""
        asked = self._periods.asked()
        found, missing = self._periods.split(periods)
        if missing:
            for row in await self._ask((_READ_PERIODS, (sorted(missing),))):
                found[row[0]] = self._period(*row)
                self._periods.keep(asked, row[0], found[row[0]])
        return found

    async def intake_keys(self) -> Mapping[str, IntakeKey]:
        """Every intake key that is not destroyed, by id; never cached."""
        rows = await self._ask((_READ_INTAKE, ()))
        return {
            key_id: IntakeKey(key_id, self._wrapper.unwrap(wrapped, "intake_key", key_id))
            for key_id, wrapped in rows
        }

    async def put_intake_key(self, key: IntakeKey) -> None:
        """Keeps a new intake key; the same id again is refused with `ValueError`."""
        wrapped = self._wrapper.wrap(key.private_key, "intake_key", key.key_id)
        if not await self._ask((_MAKE_INTAKE, (key.key_id, wrapped))):
            raise ValueError(f"the vault had an intake key {key.key_id!r} before: choose a new id")

    async def destroy_intake_key(self, key_id: str, at: datetime) -> None:
        """Destroys an intake key; doing it again, or for an unknown id, changes nothing."""
        await self._ask((_DESTROY_INTAKE, (at, key_id)))

    async def destroy_subject(self, subject: str, generation: int, at: datetime) -> None:
        """Destroys this generation and those before it, even one that was never made here."""
        await self._ask(
            (_DESTROY_EARLIER, (at, subject, generation)),
            (_DESTROY_GENERATION, (subject, generation, at)),
            (_TELL_ERASED, (ERASED_CHANNEL, subject)),
        )
        self.forget([subject])

    async def destroy_period(self, period: str, at: datetime) -> None:
        """Destroys a day's secret; doing it again changes nothing."""
        rows = await self._ask((_DESTROY_PERIOD, (at, period)), (_READ_PERIODS, ([period],)))
        self._periods.forget([period])
        self._days.forget([row[1] for row in rows])

    def forget(self, subjects: Collection[str]) -> None:
        """Drops cached secrets of these subjects, as an erasure demands."""
        self._subjects.forget(subjects)

    def forget_all(self) -> None:
        """Drops every cached secret of a subject: an erasure may have been missed."""
        self._subjects.clear()

    def _new(self, table: str, *identity: str) -> bytes:
        return self._wrapper.wrap(new_secret(), table, *identity)

    def _subject(self, subject: str, generation: int, wrapped: bytes) -> SubjectSecret:
        secret = self._wrapper.unwrap(wrapped, "subject_secret", subject, str(generation))
        return SubjectSecret(subject, generation, secret)

    def _period(self, period: str, day: date, wrapped: bytes | None) -> Period:
        if wrapped is None:
            return DestroyedPeriod(period, day)
        secret = self._wrapper.unwrap(wrapped, "period_secret", period, day.isoformat())
        return PeriodSecret(period, day, secret)

    async def _ask(self, *statements: Statement) -> list[Row]:
        await self.open()
        return await self._send(*statements)

    async def _send(self, *statements: Statement) -> list[Row]:
        """Runs the statements in one round trip; answers the last one's rows.

        A pipeline without BEGIN and COMMIT is one transaction up to its end, and saves two trips.
        To begin and end one takes longer than to ask a single statement by itself.
        """
        async with self._connection() as connection:
            if not connection.autocommit:
                await connection.set_autocommit(True)
            if len(statements) == 1:
                last = await connection.execute(*statements[0], binary=True)
            else:
                async with connection.pipeline():
                    cursors = [await connection.execute(*one, binary=True) for one in statements]
                last = cursors[-1]
            return await last.fetchall() if last.description else []

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.InsufficientPrivilege:
            raise VaultUnavailable(
                "The role that opens the key vault may not do this: give the process the role of "
                "its part in DPP_VAULT_DSN; dpp office init makes the first keys."
            ) from None
        except psycopg.OperationalError as error:
            # Not chained: the server's own text may hold names.
            raise VaultUnavailable(
                f"The key vault did not answer ({type(error).__name__}): check that its database "
                "runs, and DPP_VAULT_DSN."
            ) from None
