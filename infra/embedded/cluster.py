"""The broker and the database together, in one folder, for one owner at a time."""

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from infra.embedded.broker import Broker
from infra.embedded.database import Database
from infra.embedded.jars import classpath
from infra.embedded.processes import POLL_SECONDS
from infra.errors import InfrastructureError
from infra.settings import Settings, load_settings


class FolderInUse(InfrastructureError):
    """Another living process runs its servers in this folder."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the started servers are; the connection strings hold a password."""

    kafka_bootstrap: str
    postgres_dsn: str
    vault_dsn: str

    def settings(self, data: Path, **given: Any) -> Settings:
        """Settings that reach the servers; the rest comes from `given`, then the environment."""
        return load_settings(
            kafka_bootstrap=self.kafka_bootstrap,
            postgres_dsn=self.postgres_dsn,
            vault_dsn=self.vault_dsn,
            data=data,
            **given,
        )


class EmbeddedInfrastructure:
    """Broker in `folder/kafka`, database in `folder/postgres`, usable again after a stop.

    Ports are fresh at every start. Start it from a thread that lives as long as the servers
    shall (the main thread): on Linux they are told to end when that thread does.

    Raises:
        FolderInUse: on start, when another living process owns the folder.
        JarsUnavailable, BrokerFailed, DatabaseFailed: on start, with what to do.
    """

    def __init__(self, folder: Path, *, cache: Path | None = None) -> None:
        self._folder = folder.absolute()
        self._cache = cache
        self._lock: IO[str] | None = None
        self._broker: Broker | None = None
        self._database: Database | None = None
        self._endpoints: Endpoints | None = None
        self.leftovers: tuple[str, ...] = ()
        """Names of the servers of a killed run that the last start had to end."""

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the running servers.

        Raises:
            InfrastructureError: nothing is running.
        """
        if self._endpoints is None:
            raise InfrastructureError("The embedded infrastructure is not running.")
        return self._endpoints

    def start(self) -> Endpoints:
        """Start both, at the same time, and wait until they serve."""
        self._own()
        try:
            _drive(self._starting(classpath(self._cache)))
        except BaseException:
            self.stop()
            raise
        return self.endpoints

    def stop(self) -> None:
        """Stop both in an orderly way; harmless when nothing runs."""
        try:
            _drive(self._stopping())
        finally:
            self._disown()

    async def astart(self) -> Endpoints:
        """As `start`, without holding up the event loop."""
        self._own()
        try:
            # Only fetching runs in a thread: children must belong to this one (see the class).
            await _adrive(self._starting(await asyncio.to_thread(classpath, self._cache)))
        except BaseException:
            self.stop()
            raise
        return self.endpoints

    async def astop(self) -> None:
        """As `stop`, without holding up the event loop."""
        try:
            await _adrive(self._stopping())
        finally:
            self._disown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.astop()

    def _own(self) -> None:
        if self._lock is not None:
            raise InfrastructureError("The embedded infrastructure is already running.")
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / "owner.lock").open("a+", encoding="utf-8")
        try:
            # The kernel drops the lock with its owner, however that ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise FolderInUse(
                f"The folder {self._folder} is in use by process {owner}: stop that one, or "
                "choose another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _disown(self) -> None:
        self._endpoints = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _starting(self, jars: list[Path]) -> Iterator[None]:
        self._broker = Broker(self._folder / "kafka", jars)
        self._database = Database(self._folder / "postgres")
        found = {"broker": self._broker.end_leftover(), "database": self._database.end_leftover()}
        self.leftovers = tuple(name for name, ended in found.items() if ended)
        yield from _together(self._database.start(), self._broker.start())
        self._endpoints = Endpoints(
            kafka_bootstrap=self._broker.bootstrap,
            postgres_dsn=self._database.dsn("dpp"),
            vault_dsn=self._database.dsn("vault"),
        )

    def _stopping(self) -> Iterator[None]:
        running = [part.stop() for part in (self._broker, self._database) if part is not None]
        yield from _together(*running)
        self._broker = self._database = None


def _together(*steps: Iterator[None]) -> Iterator[None]:
    """Advance all in turn until each has ended."""
    waiting = list(steps)
    while waiting:
        for one in tuple(waiting):
            try:
                next(one)
            except StopIteration:
                waiting.remove(one)
        if waiting:
            yield


def _drive(steps: Iterator[None]) -> None:
    for _ in steps:
        time.sleep(POLL_SECONDS)


async def _adrive(steps: Iterator[None]) -> None:
    with suppress(StopIteration):
        while True:
            next(steps)
            await asyncio.sleep(POLL_SECONDS)
