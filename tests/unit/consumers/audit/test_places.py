"""The leaf of a record is found by its place in Kafka, in whatever state the index is."""

from pathlib import Path

import pytest

from consumers.audit import places
from consumers.audit.places import Places
from infra.kafka import Partition
from streams.notary.directory import LogDirectory
from tests.support.audit_log import entry, grow

SIZE = 2_500
ENTRIES = [entry(number) for number in range(SIZE)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "BLOCK", 2)
    monkeypatch.setattr(places, "_BLOCK_LEAVES", 512)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogDirectory:
    folder = tmp_path_factory.mktemp("log")
    grow(folder, ENTRIES)
    return LogDirectory(folder)


def place(number: int) -> tuple[Partition, int]:
    return Partition("dpp.access.audited", number % 2), number // 2 * 3


def holds(index: Places, size: int = SIZE) -> None:
    for number in (0, 1, 511, 512, 1_023, 1_700, SIZE - 1):
        found = index.find(*place(number), size)
        assert found == ((number, ENTRIES[number]) if number < size else None)


def test_every_record_is_found_and_nothing_else(log: LogDirectory, tmp_path: Path) -> None:
    index = Places(log.read, tmp_path / "places")
    holds(index)
    assert index.find(Partition("dpp.access.audited", 0), 1, SIZE) is None
    assert index.find(Partition("dpp.access.audited", 0), 10**9, SIZE) is None
    assert index.find(Partition("dpp.access.audited", 9), 0, SIZE) is None
    assert index.find(Partition("another", 0), 0, SIZE) is None


def test_it_grows_with_the_log(log: LogDirectory, tmp_path: Path) -> None:
    index = Places(log.read, tmp_path / "places")
    for size in (1, 256, 600, 1_024, SIZE):
        holds(index, size)


def test_what_was_indexed_is_not_read_again(log: LogDirectory, tmp_path: Path) -> None:
    holds(Places(log.read, tmp_path / "places"))
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return log.read(path)

    assert Places(read, tmp_path / "places").find(*place(700), SIZE) == (700, ENTRIES[700])
    assert asked == ["tile/entries/002"]


@pytest.mark.parametrize(
    "kept",
    [b"", b"torn", b"[0,", b"7", b'{"block": 0}\n', b"\xff", b"[3,[]]\n", None],
)
def test_a_file_that_is_lost_torn_or_written_by_two_is_made_good(
    log: LogDirectory, tmp_path: Path, kept: bytes | None
) -> None:
    file = tmp_path / "places"
    holds(Places(log.read, file))
    whole = file.read_bytes()
    # What two processes append stands there twice.
    file.write_bytes(whole + whole if kept is None else whole[:90].rpartition(b"\n")[0] + kept)
    holds(Places(log.read, file))


def test_a_folder_that_cannot_be_written_costs_only_time(log: LogDirectory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    holds(Places(log.read, tmp_path / "file" / "places"))
