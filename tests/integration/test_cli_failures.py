"""A missing server, a wrong address or a taken port: one clear sentence, and an exit code."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from psycopg.conninfo import make_conninfo

from consumers.stack.stack import migration_sources
from infra.keys.kek import create_kek_file
from infra.migrations import migrate
from infra.settings import Settings
from schemas.sealing import b64encode

pytestmark = pytest.mark.integration
ROOT: Final = Path(__file__).parents[2]
UNAVAILABLE: Final = 3
USAGE: Final = 2
NOWHERE: Final = "127.0.0.1:9"
PASSWORD: Final = "not-for-anybody"
SENTENCE: Final = re.compile(r"dpp: [A-Z/].+\.\n")
PARTS: Final = ("quality", "subject", "projections", "api", "keeper")
NEEDS_KAFKA: Final = (("topics", "apply"), ("topics", "check"))
NEEDS_POSTGRES: Final = (("db", "migrate"), ("db", "check"), ("quality", "refused"))


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Everything that a command needs, and right."""
    kek = tmp_path / "kek"
    create_kek_file(kek)
    given = settings.model_copy(
        update={"data": tmp_path, "kek_file": kek, "office_public_key": b64encode(bytes(32))}
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DPP_")}
    return {**inherited, **given.environment()}


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def fails(environment: dict[str, str], *command: str) -> str:
    """The one sentence of a command that cannot do its work."""
    done = subprocess.run(
        [sys.executable, "-m", "consumers.cli.main", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
        timeout=240,
    )
    assert done.returncode == UNAVAILABLE, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines(keepends=True)[-1]
    assert SENTENCE.fullmatch(last), done.stderr
    return last


@pytest.mark.parametrize("command", NEEDS_KAFKA, ids=" ".join)
def test_a_missing_broker_bad(environment: dict[str, str], command: tuple[str, ...]) -> None:
    said = fails({**environment, "DPP_KAFKA_BOOTSTRAP": NOWHERE}, *command)
    assert "No answer from the Kafka broker" in said
    assert NOWHERE in said


@pytest.mark.parametrize("command", [("office", "init"), *(("run", part) for part in PARTS)])
def test_a_database_without_its_migrations_bad(
    environment: dict[str, str], settings: Settings, command: tuple[str, ...]
) -> None:
    bare = make_conninfo(settings.dsn, dbname="postgres")
    said = fails({**environment, "DPP_POSTGRES_DSN": bare, "DPP_VAULT_DSN": bare}, *command)
    assert "run dpp db migrate" in said


@pytest.mark.parametrize("command", [*NEEDS_POSTGRES, ("office", "init")], ids=" ".join)
def test_a_missing_database_bad(environment: dict[str, str], command: tuple[str, ...]) -> None:
    dsn = f"postgresql://dpp:{PASSWORD}@{NOWHERE}/dpp"
    wrong = {"DPP_POSTGRES_DSN": dsn, "DPP_VAULT_DSN": dsn}
    said = fails({**environment, **wrong}, *command)
    assert "No connection to the database" in said
    assert NOWHERE in said


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        (f"postgresql://dpp:{PASSWORD}@nowhere.invalid/dpp", "unknown host"),
        (f"nonsense = : {PASSWORD}", "is not a PostgreSQL connection string"),
    ],
)
def test_a_wrong_address_of_the_database_bad(
    environment: dict[str, str], dsn: str, reason: str
) -> None:
    assert reason in fails({**environment, "DPP_POSTGRES_DSN": dsn}, "db", "check")


def test_a_database_or_user_that_does_not_exist_bad(
    environment: dict[str, str], settings: Settings
) -> None:
    for wrong in ({"dbname": "no_such_database"}, {"user": "nobody_here", "password": PASSWORD}):
        dsn = make_conninfo(settings.dsn, **wrong)
        said = fails({**environment, "DPP_POSTGRES_DSN": dsn}, "db", "check")
        assert "No connection to the database" in said


@pytest.mark.parametrize("bootstrap", ["localhost", "localhost:kafka", ""])
def test_a_wrong_address_of_the_broker_bad(environment: dict[str, str], bootstrap: str) -> None:
    said = fails({**environment, "DPP_KAFKA_BOOTSTRAP": bootstrap}, "topics", "check")
    assert "DPP_KAFKA_BOOTSTRAP is wrong: must be host:port" in said


@pytest.mark.parametrize("part", PARTS)
def test_a_part_without_any_setting_names_the_first_that_is_missing_bad(
    environment: dict[str, str], part: str
) -> None:
    bare = {name: value for name, value in environment.items() if not name.startswith("DPP_")}
    assert re.search(r"DPP_[A-Z_]+ is not set", fails(bare, "run", part))


async def test_a_taken_port_of_the_api_bad(
    environment: dict[str, str], settings: Settings, taken_port: int
) -> None:
    await migrate(migration_sources(settings))
    said = fails({**environment, "DPP_API_PORT": str(taken_port)}, "run", "api")
    assert f"cannot listen on 127.0.0.1:{taken_port}" in said


def test_a_taken_port_of_a_whole_backbone_bad(
    environment: dict[str, str], taken_port: int, tmp_path: Path
) -> None:
    folder = str(tmp_path / "up")
    said = fails(environment, "up", "--data", folder, "--port", str(taken_port))
    assert str(taken_port) in said


async def test_a_missing_broker_when_silence_is_asked_for_bad(
    environment: dict[str, str], settings: Settings
) -> None:
    await migrate(migration_sources(settings))
    said = fails({**environment, "DPP_KAFKA_BOOTSTRAP": NOWHERE}, "quality", "silent", "--json")
    assert "No answer from the Kafka broker" in said


def test_a_folder_in_which_nothing_runs_bad(environment: dict[str, str], tmp_path: Path) -> None:
    said = fails(environment, "simulate", "--data", str(tmp_path))
    assert "start the backbone with dpp up" in said


def test_a_backbone_that_was_stopped_bad(environment: dict[str, str], tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text(
        '{"kafka_bootstrap": "127.0.0.1:9", "postgres_dsn": "postgresql://127.0.0.1:9/x",'
        ' "vault_dsn": "postgresql://127.0.0.1:9/x", "office_public_key": "AAAA",'
        ' "api": "http://127.0.0.1:9"}'
    )
    bare = {name: value for name, value in environment.items() if not name.startswith("DPP_")}
    assert "No answer from the Kafka broker" in fails(bare, "simulate", "--data", str(tmp_path))


@pytest.mark.parametrize(
    "command",
    [("run", "nothing"), ("nonsense",), ("topics", "apply", "--partitions", "0")],
    ids=" ".join,
)
def test_a_command_that_is_not_understood_bad(
    environment: dict[str, str], command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "consumers.cli.main", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode == USAGE
    assert "Usage" in done.stderr
    assert "Traceback" not in done.stderr
