"""The embedded servers: restart, leftovers, owners, and what is refused."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from infra.embedded.broker import Broker, BrokerFailed
from infra.embedded.cluster import EmbeddedInfrastructure, FolderInUse
from infra.embedded.processes import command_line
from infra.errors import InfrastructureError
from infra.kafka import producer, reader
from infra.settings import Settings
from infra.topics import apply
from schemas.topics import FOREVER, Topic

pytestmark = pytest.mark.integration

NAME = "test.kept"
WAIT_SECONDS = 120.0
OWNER = """
import sys, time
from pathlib import Path
from infra.embedded.cluster import EmbeddedInfrastructure
with EmbeddedInfrastructure(Path(sys.argv[1])) as running:
    print(running.endpoints.kafka_bootstrap, running.endpoints.postgres_dsn, sep="|", flush=True)
    time.sleep(600)
"""
ORPHANING = """
import infra.embedded.processes as processes
processes.LAUNCH = processes.Path(sys.argv[2])
"""


def _settings(running: EmbeddedInfrastructure) -> Settings:
    return Settings(kafka_bootstrap=running.endpoints.kafka_bootstrap)


async def _write(running: EmbeddedInfrastructure) -> None:
    await apply(_settings(running), partitions=1, topics=[Topic(NAME, "k", "t", FOREVER)])
    async with producer(_settings(running)) as sending:
        await sending.send(NAME, b"kept")
    with psycopg.connect(running.endpoints.postgres_dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (i int)")
        connection.execute("INSERT INTO kept VALUES (1)")


async def _read(running: EmbeddedInfrastructure) -> tuple[int, int]:
    async with reader(_settings(running)) as reading:
        (one,) = await reading.assign_all(NAME)
        records = (await reading.end_offsets([one]))[one]
    with psycopg.connect(running.endpoints.postgres_dsn) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return records, row[0]


def _kill(folder: Path) -> None:
    for pid_file in (folder / "kafka" / "broker.pid", folder / "postgres/data/postmaster.pid"):
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)


def _wait_gone(pids: list[int]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while any(command_line(pid) for pid in pids):
        assert time.monotonic() < until, "a server outlived its owner"
        os.sched_yield()


async def test_a_folder_serves_again_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    began = time.monotonic()
    async with EmbeddedInfrastructure(tmp_path) as running:
        assert time.monotonic() - began < 2 * WAIT_SECONDS
        first = running.endpoints
        await _write(running)
    with EmbeddedInfrastructure(tmp_path) as running:
        assert running.endpoints.kafka_bootstrap != first.kafka_bootstrap
        assert running.leftovers == ()
        assert await _read(running) == (1, 1)
        await _write(running)
        _kill(tmp_path)
    async with EmbeddedInfrastructure(tmp_path) as running:
        assert await _read(running) == (2, 2)
        with psycopg.connect(running.endpoints.vault_dsn) as connection:
            assert connection.info.dbname == "vault"
        again = EmbeddedInfrastructure(tmp_path)
        with pytest.raises(FolderInUse, match=f"in use by process {os.getpid()}"):
            await again.astart()
        with pytest.raises(InfrastructureError, match="already running"):
            running.start()
        assert await _read(running) == (2, 2)


async def test_servers_end_with_their_killed_owner_and_leftovers_are_ended(tmp_path: Path) -> None:
    # The owner is the process of `OWNER`; its servers are told of its death by the kernel.
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(tmp_path)), stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert b"|" in await owner.stdout.readline()
    broker = int((tmp_path / "kafka/broker.pid").read_text())
    database = int((tmp_path / "postgres/data/postmaster.pid").read_text().splitlines()[0])
    owner.kill()
    await owner.wait()
    _wait_gone([broker, database])

    # And where the kernel does not tell them, the next start finds and ends them.
    plain = tmp_path / "launch.py"
    plain.write_text(
        "import os, sys, runpy, ctypes\n"
        f"sys.path.insert(0, {str(Path.cwd())!r})\n"
        "from infra.embedded import launch\n"
        "launch.PR_SET_PDEATHSIG = 2\n"
        "launch.main(sys.argv[1:])\n"
    )
    text = "import sys\n" + ORPHANING + OWNER
    orphaning = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", text, str(tmp_path), str(plain)), stdout=subprocess.PIPE
    )
    assert orphaning.stdout is not None
    assert b"|" in await orphaning.stdout.readline()
    orphaning.kill()
    await orphaning.wait()
    broker = int((tmp_path / "kafka/broker.pid").read_text())
    assert command_line(broker)
    with EmbeddedInfrastructure(tmp_path) as running:
        assert running.leftovers == ("broker", "database")
        assert command_line(broker) == ""
        await _write(running)
        assert await _read(running) == (1, 1)


def test_a_broker_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    broker = Broker(tmp_path, [tmp_path / "nothing.jar"])
    with pytest.raises(BrokerFailed, match=r"could not be formatted: .*StorageTool"):
        list(broker.start())


def test_stopping_what_does_not_run_is_harmless(tmp_path: Path) -> None:
    unused = EmbeddedInfrastructure(tmp_path)
    unused.stop()
    with pytest.raises(InfrastructureError, match="not running"):
        _ = unused.endpoints
