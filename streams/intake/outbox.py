"""The outbox file: what a pharmacy wants to publish survives a crash, a power cut and the night.

An entry gets its sequence number in the transaction that stores it, so numbers have no holes and
are never given twice. Bodies lie encrypted under a key of the file's own, which is wrapped under
the publisher's signing key. A new file is a new epoch: reinstalled software counts from 1 again.
"""

import hashlib
import hmac
import secrets
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.canonical import lp
from streams.intake.keys import SigningKey

State = Literal["waiting", "sent", "held", "answered"]
"""`waiting` to be sent; `sent`, without receipt so far; `held` until a person has acted, because
it was refused before anybody could be trusted to have written it; `answered` by a receipt."""

_FORMAT: Final = 1
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_BUSY_SECONDS: Final = 0.5
_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS about (
  publisher TEXT NOT NULL, epoch TEXT NOT NULL, wrapped BLOB NOT NULL, cursor TEXT
);
CREATE TABLE IF NOT EXISTS entry (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  created_at TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  body BLOB,
  session TEXT,
  partition INTEGER,
  position INTEGER,
  outcome TEXT
);
CREATE INDEX IF NOT EXISTS entry_state ON entry (state, sequence);
CREATE INDEX IF NOT EXISTS entry_place ON entry (partition, position);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""
_DAMAGED: Final = "is damaged: move it aside, and register again what has no receipt"
_WRONG: Final = {
    "SQLITE_BUSY": "is in use by another process: stop that first",
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_FULL": "cannot grow: the disk is full",
}


class OutboxError(Exception):
    """The outbox cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission on its way: numbered and stored, not yet answered."""

    sequence: int
    id: str
    type: str
    created_at: datetime
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the outbox knows of an entry after it was sent."""

    id: str
    state: State
    attempts: int
    """How often it was put back to be sent again."""
    session: str | None
    place: tuple[int, int] | None
    """Partition and offset where the backbone has it."""


class Outbox:
    """A file of numbered submissions for one publisher, open in one process at a time.

    Its methods may be called from any thread.
    """

    def __init__(self, path: Path, publisher: str, signing_key: SigningKey) -> None:
        """Opens the file, making it (mode 0600) when there is none.

        Raises:
            OutboxError: the file is another publisher's or another key's, in use, or damaged.
        """
        self._path = path
        self._lock = threading.RLock()
        with self._clear_errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._clear_errors():
                self._prepare(publisher, signing_key)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, publisher: str, signing_key: SigningKey) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] > _FORMAT:
            raise OutboxError(f"The outbox {self._path} was written by newer software: update.")
        self._db.executescript(_TABLES)
        self._publisher = publisher
        with self._transaction():
            row = self._db.execute("SELECT publisher, epoch, wrapped FROM about").fetchone()
            if row is None:
                wrapped = _wrap(publisher, signing_key, secrets.token_bytes(_KEY_BYTES))
                row = (
                    publisher,
                    f"{datetime.now(UTC):%Y%m%d%H%M%S}{secrets.token_hex(4)}",
                    wrapped,
                )
                self._db.execute("INSERT INTO about VALUES (?, ?, ?, NULL)", row)
        if row[0] != publisher:
            raise OutboxError(
                f"The outbox {self._path} belongs to another publisher: choose another file."
            )
        self._epoch = str(row[1])
        self._key = self._unwrap(signing_key, row[2])
        self._cipher = AESGCM(self._key)

    def _unwrap(self, signing_key: SigningKey, wrapped: bytes) -> bytes:
        cipher = AESGCM(_wrapping_key(self._publisher, signing_key))
        try:
            return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], None)
        except InvalidTag:
            raise OutboxError(
                f"The outbox {self._path} was made with another signing key: open it with that "
                "key, and hand it over with rewrap."
            ) from None

    @property
    def epoch(self) -> str:
        """The epoch in which this file counts: the attribute `publisherepoch`."""
        return self._epoch

    def rewrap(self, new_key: SigningKey) -> None:
        """Hands the file over to the publisher's next signing key; the old one opens it no more."""
        wrapped = _wrap(self._publisher, new_key, self._key)
        self._change("UPDATE about SET wrapped = ?", wrapped)

    def add(self, type_: str, body: bytes, now: datetime) -> Entry:
        """Stores a submission durably and numbers it.

        Raises:
            OutboxError: it could not be stored, and no number was used up.
        """
        id_ = str(uuid.uuid4())
        with self._clear_errors(), self._transaction():
            cursor = self._db.execute(
                "INSERT INTO entry (id, type, created_at, state) VALUES (?, ?, ?, 'waiting')",
                (id_, type_, now.isoformat()),
            )
            sequence = int(cursor.lastrowid or 0)
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = nonce + self._cipher.encrypt(nonce, body, lp(str(sequence), id_))
            self._db.execute("UPDATE entry SET body = ? WHERE sequence = ?", (sealed, sequence))
        return Entry(sequence, id_, type_, now, body)

    def waiting(self, limit: int = 100) -> list[Entry]:
        """Entries to be sent, in the order of their numbers.

        Raises:
            OutboxError: an entry was changed from outside.
        """
        rows = self._rows(
            "SELECT sequence, id, type, created_at, body FROM entry "
            "WHERE state = 'waiting' ORDER BY sequence LIMIT ?",
            limit,
        )
        return [self._entry(*row) for row in rows]

    def _entry(self, sequence: int, id_: str, type_: str, created: str, sealed: bytes) -> Entry:
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            body = self._cipher.decrypt(nonce, content, lp(str(sequence), id_))
        except InvalidTag:
            raise OutboxError(
                f"Entry {sequence} of the outbox {self._path} was changed from outside: restore "
                "the file, or ask the help desk."
            ) from None
        return Entry(sequence, id_, type_, datetime.fromisoformat(created), body)

    def sent(self, id_: str, *, session: str, place: tuple[int, int]) -> None:
        """The backbone has the entry durably at that place; its receipt is still to come."""
        self._change(
            "UPDATE entry SET state = 'sent', session = ?, partition = ?, position = ? "
            "WHERE id = ? AND state = 'waiting'",
            session,
            *place,
            id_,
        )

    def answered(self, id_: str, outcome: str, *, place: tuple[int, int]) -> None:
        """Keeps the outcome, told by the receipt of that place, and drops the body."""
        self._change(
            "UPDATE entry SET state = 'answered', outcome = ?, partition = ?, position = ?, "
            "body = NULL WHERE id = ? AND state <> 'answered'",
            outcome,
            *place,
            id_,
        )

    def again(self, id_: str) -> None:
        """Puts a sent entry back: it is sent again with the same id and number."""
        self._change(
            "UPDATE entry SET state = 'waiting', attempts = attempts + 1, session = NULL, "
            "partition = NULL, position = NULL WHERE id = ? AND state = 'sent'",
            id_,
        )

    def hold(self, id_: str) -> None:
        """Keeps a sent entry, with its number, until `release`."""
        self._change("UPDATE entry SET state = 'held' WHERE id = ? AND state = 'sent'", id_)

    def release(self) -> int:
        """Lets everything that is held be sent again; answers how many entries."""
        return self._change(
            "UPDATE entry SET state = 'waiting', attempts = 0, session = NULL, "
            "partition = NULL, position = NULL WHERE state = 'held'"
        )

    def forget(self, before: datetime) -> int:
        """Removes answered entries stored before that moment; numbers go on where they were."""
        text = before.astimezone(UTC).isoformat()
        return self._change(
            "DELETE FROM entry WHERE state = 'answered' AND datetime(created_at) < datetime(?)",
            text,
        )

    def find(self, id_: str) -> Tracked | None:
        """The entry with that id."""
        return self._tracked("id = ?", id_)

    def at(self, place: tuple[int, int]) -> Tracked | None:
        """The entry that the backbone has at that partition and offset."""
        return self._tracked("partition = ? AND position = ?", *place)

    def _tracked(self, where: str, *values: object) -> Tracked | None:
        columns = "id, state, attempts, session, partition, position"
        rows = self._rows(f"SELECT {columns} FROM entry WHERE {where}", *values)  # noqa: S608 - own constants
        if not rows:
            return None
        id_, state, attempts, session, partition, position = rows[0]
        place = None if position is None else (partition, position)
        return Tracked(id_, state, attempts, session, place)

    def counts(self) -> dict[State, int]:
        """How many entries are in which state."""
        found: dict[State, int] = {"waiting": 0, "sent": 0, "held": 0, "answered": 0}
        found.update(self._rows("SELECT state, count(*) FROM entry GROUP BY state"))
        return found

    def oldest_unanswered(self) -> datetime | None:
        """Since when the longest-waiting entry is without an answer."""
        rows = self._rows("SELECT min(created_at) FROM entry WHERE state <> 'answered'")
        return datetime.fromisoformat(rows[0][0]) if rows[0][0] else None

    @property
    def cursor(self) -> str | None:
        """Up to where receipts were handled; None before the first."""
        found = self._rows("SELECT cursor FROM about")[0][0]
        return None if found is None else str(found)

    def handled(self, cursor: str) -> None:
        """Receipts up to that cursor need not be asked for again."""
        self._change("UPDATE about SET cursor = ?", cursor)

    def close(self) -> None:
        """Closes the file; everything stored stays."""
        with self._lock:
            self._db.close()

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self._clear_errors(), self._lock:
            return self._db.execute(statement, values).fetchall()

    def _change(self, statement: str, *values: object) -> int:
        with self._clear_errors(), self._lock:
            return self._db.execute(statement, values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutboxError(
                f"The outbox {self._path} cannot be made: {error.strerror}."
            ) from None
        except sqlite3.Error as error:
            raise OutboxError(self._sentence(error)) from None

    def _sentence(self, error: sqlite3.Error) -> str:
        # A use after `close` has no code of SQLite's.
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        wrong = _WRONG.get(name, f"cannot be used ({name}): check the disk and the rights")
        return f"The outbox {self._path} {wrong}."


def _wrapping_key(publisher: str, signing_key: SigningKey) -> bytes:
    secret = signing_key.private.private_bytes_raw()
    return hmac.digest(secret, lp("dpp-outbox-v1", publisher), hashlib.sha256)


def _wrap(publisher: str, signing_key: SigningKey, key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_wrapping_key(publisher, signing_key)).encrypt(nonce, key, None)
