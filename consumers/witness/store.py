"""What a witness keeps: of each log the last checkpoint cosigned and its key, and misbehaviour.

An SQLite file, so that looking and writing are one step, also between two processes of the witness,
and durable before anything is signed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from infra.errors import InfrastructureError
from streams.notary import notes
from streams.notary.notes import Checkpoint, Verifier

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS cosigned (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS signer (origin TEXT PRIMARY KEY, vkey TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS misbehaviour (
    note BLOB PRIMARY KEY, origin TEXT NOT NULL, kept_size INTEGER NOT NULL, kept_root BLOB NOT NULL
) STRICT;
"""
_WAIT_SECONDS: Final = 10.0


class WitnessStoreBroken(InfrastructureError):
    """The witness's file cannot be read or written; nothing may be signed."""


class WitnessStore:
    """The store in one file, made when it is missing.

    Raises:
        WitnessStoreBroken: the file cannot be used, or is another file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._opened() as connection:
            connection.executescript(_SCHEMA)

    def kept(self, origin: str) -> Checkpoint | None:
        """The last checkpoint cosigned of a log.

        Raises:
            WitnessStoreBroken: the file cannot be read.
        """
        with self._opened() as connection:
            row = connection.execute(
                "SELECT size, root FROM cosigned WHERE origin = ?", (origin,)
            ).fetchone()
        return None if row is None else Checkpoint(origin, row[0], row[1])

    def signer(self, origin: str) -> Verifier | None:
        """The latest key of a log by which a checkpoint that was cosigned is signed.

        Raises:
            WitnessStoreBroken: the file cannot be read.
        """
        with self._opened() as connection:
            row = connection.execute(
                "SELECT vkey FROM signer WHERE origin = ?", (origin,)
            ).fetchone()
        return None if row is None else notes.parse_verifier(row[0])

    def swap(self, old: Checkpoint | None, new: Checkpoint, signer: Verifier) -> bool:
        """Puts `new` and its signer durably in the place of `old`; false if `old` is not kept.

        Raises:
            WitnessStoreBroken: the file cannot be written.
        """
        with self._opened() as connection:
            if old is None:
                done = connection.execute(
                    "INSERT INTO cosigned (origin, size, root) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (new.origin, new.size, new.root),
                )
            else:
                done = connection.execute(
                    "UPDATE cosigned SET size = ?, root = ?"
                    " WHERE origin = ? AND size = ? AND root = ?",
                    (new.size, new.root, new.origin, old.size, old.root),
                )
            if done.rowcount == 1:
                connection.execute(
                    "INSERT INTO signer (origin, vkey) VALUES (?, ?)"
                    " ON CONFLICT (origin) DO UPDATE SET vkey = excluded.vkey",
                    (new.origin, str(signer)),
                )
            return done.rowcount == 1

    def keep_misbehaviour(self, note: bytes, kept: Checkpoint) -> None:
        """Keeps a signed checkpoint that does not continue what was cosigned: proof of a fork.

        Raises:
            WitnessStoreBroken: the file cannot be written.
        """
        with self._opened() as connection:
            connection.execute(
                "INSERT INTO misbehaviour VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (note, kept.origin, kept.size, kept.root),
            )

    def misbehaviour(self, origin: str) -> list[bytes]:
        """The signed checkpoints of a log that do not continue what was cosigned of it.

        Raises:
            WitnessStoreBroken: the file cannot be read.
        """
        with self._opened() as connection:
            found = connection.execute(
                "SELECT note FROM misbehaviour WHERE origin = ? ORDER BY rowid", (origin,)
            )
            return [row[0] for row in found]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection whose work is committed, and on disk, when it leaves."""
        try:
            with closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS)) as connection:
                connection.execute("PRAGMA synchronous = EXTRA")
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise WitnessStoreBroken(
                f"The witness's file {self._file} cannot be used ({error}): nothing is cosigned "
                "until it can. If it was lost, name a new key too: an old one has promised more."
            ) from error
