"""Who reads the log's own files or Kafka is recorded first; what cannot be recorded is not read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.audit.follow import Demands, Following
from consumers.audit.kept import Kept
from consumers.cli import audit_diff, audit_follow, audit_log, audit_replay, audit_report
from consumers.cli.main import app
from consumers.cli.recorded import Recorder
from infra.kafka import BrokerUnavailable
from infra.settings import Settings, load_settings
from schemas.audit import LogAudited
from streams.notary.directory import LogDirectory
from tests.support.audit_log import LOG, entry, grow

WHO = "a" * 26
BROKER = "127.0.0.1:1"
URL = "https://log.example"


class Kafka:
    """Keeps what is appended, or refuses it."""

    def __init__(self) -> None:
        self.events: list[LogAudited] = []
        self.away = False

    async def append(self, *given: Any) -> None:
        if self.away:
            raise BrokerUnavailable("as if the broker were away")
        self.events.append(LogAudited.read(given[-1]))


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr("consumers.audit.reads.kafka_append", made.append)
    monkeypatch.setattr("infra.observability.logs.configure", lambda *_, **__: None)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    grow(made, [entry(number) for number in range(300)])
    return made


def settings(broker: str | None) -> Settings:
    return load_settings(kafka_bootstrap=broker)


def dpp(command: str, *arguments: object, broker: str | None = BROKER) -> Result:
    env = {"DPP_KAFKA_BOOTSTRAP": broker}
    return CliRunner().invoke(app, ["audit", command, *map(str, arguments)], env=env)


@pytest.mark.parametrize(
    ("place", "broker", "with_kafka", "records"),
    [
        ("/log", BROKER, False, 1),
        ("/log", None, False, 0),
        (URL, BROKER, False, 0),
        (URL, BROKER, True, 1),
    ],
)
async def test_what_the_api_does_not_record_is_recorded_where_there_is_a_broker(
    kafka: Kafka, place: str, broker: str | None, with_kafka: bool, records: int
) -> None:
    recorder = Recorder(settings(broker), "follow", WHO, place, kafka=with_kafka)
    await recorder.ensure(256)
    found = [(one.reader, one.purpose, one.first_leaf, one.kafka) for one in kafka.events]
    assert found == [(WHO, "follow", 256, with_kafka)] * records


async def test_one_record_holds_for_a_day(kafka: Kafka) -> None:
    now = [datetime(2026, 11, 26, 9, tzinfo=UTC)]
    recorder = Recorder(settings(BROKER), "follow", WHO, "/log", clock=lambda: now[0])
    for hours in (0, 1, 23, 24, 25, 49):
        now[0] = datetime(2026, 11, 26, 9, tzinfo=UTC) + timedelta(hours=hours)
        await recorder.ensure(hours)
    assert [one.first_leaf for one in kafka.events] == [0, 24, 49]


async def test_a_record_that_was_refused_is_tried_again_bad(kafka: Kafka) -> None:
    recorder = Recorder(settings(BROKER), "follow", WHO, "/log")
    kafka.away = True
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            await recorder.ensure(0)
    kafka.away = False
    await recorder.ensure(0)
    assert len(kafka.events) == 1


def test_verifying_and_proving_from_a_folder_are_recorded(
    kafka: Kafka, folder: Path, tmp_path: Path
) -> None:
    common = (folder, "--vkey", LOG, "--auditor", WHO)
    for _ in range(2):
        assert dpp("verify", *common, "--keep", tmp_path / "mine").exit_code == 0
    assert dpp("prove", *common, "--id", "7", "--output", tmp_path / "p").exit_code == 0
    found = [(one.purpose, one.first_leaf, one.kafka) for one in kafka.events]
    assert found == [("verify", 0, False), ("verify", 256, False), ("prove", 0, False)]


def test_a_copy_is_verified_where_there_is_no_broker(kafka: Kafka, folder: Path) -> None:
    assert dpp("verify", folder, "--vkey", LOG, broker=None).exit_code == 0
    assert kafka.events == []


@pytest.mark.parametrize(
    "command", ["verify", "prove", "compare", "follow", "replay", "diff", "report"]
)
def test_what_cannot_be_recorded_is_not_read_bad(
    kafka: Kafka, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def read(*_: object) -> bytes:
        raise AssertionError("it was read")

    monkeypatch.setattr(LogDirectory, "read", read)
    kafka.away = True
    more = {
        "prove": ("--id", "7", "--output", tmp_path / "p"),
        "follow": ("--compare", "--keep", tmp_path),
        "diff": ("--from", "7"),
        "report": ("--output", tmp_path / "r", "--signing-key", tmp_path / "key"),
    }
    done = dpp(command, folder, "--vkey", LOG, "--auditor", WHO, *more.get(command, ()))
    assert (done.exit_code, "as if the broker" in done.stderr) == (3, True)


def test_a_name_needs_the_key_vault_and_without_it_nothing_is_read_bad(
    kafka: Kafka, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DPP_POSTGRES_DSN", "DPP_VAULT_DSN"):
        monkeypatch.delenv(name, raising=False)
    done = dpp("verify", folder, "--vkey", LOG, "--auditor", "Auditor 7")
    assert (done.exit_code, "DPP_POSTGRES_DSN" in done.stderr) == (3, True)
    assert kafka.events == []


def not_compared() -> None:
    """Kafka is not asked."""


async def test_a_follower_looks_at_nothing_that_it_could_not_record(
    kafka: Kafka, folder: Path, tmp_path: Path
) -> None:
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return LogDirectory(folder).read(path)

    following = Following(read, Demands(LOG), Kept(tmp_path / "mine"))
    recorder = Recorder(settings(BROKER), "follow", WHO, str(folder))
    watch = audit_follow._Watch(following, 0.01, not_compared, recorder)
    kafka.away = True
    assert await watch._in_order()
    assert (asked, watch._ready()[0]) == ([], False)
    kafka.away = False
    assert await watch._in_order()
    assert (asked[0], watch._ready()[0], len(kafka.events)) == ("checkpoint", True, 1)


def test_the_commands_that_read_entries_say_that_they_are_recorded() -> None:
    for command in (
        *(audit_log.verify, audit_log.prove, audit_follow.compare, audit_follow.follow),
        *(audit_replay.replay, audit_diff.diff, audit_report.report),
    ):
        assert "recorded" in (command.__doc__ or "")
