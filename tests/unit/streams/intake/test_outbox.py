"""The outbox file: durable, dense, private, and one owner's only."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.dispensation import REGISTER
from streams.intake import Outbox, OutboxError, SigningKey
from tests.unit.streams.intake.backbone import CNK, NISS, PHARMACY, START, visit

BODY = visit().write()

_WRITER = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from streams.intake import Outbox, SigningKey

outbox = Outbox(Path(sys.argv[1]), sys.argv[2], SigningKey.load(Path(sys.argv[3])))
for number in range(5):
    outbox.add("test", b"body %d" % number, datetime.now(UTC))
print("stored", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_stored_is_there_after_a_killed_process(tmp_path: Path, key: SigningKey) -> None:
    key.save(tmp_path / "key")
    path = tmp_path / "outbox"
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, str(path), PHARMACY, str(tmp_path / "key")],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    outbox = Outbox(path, PHARMACY, key)
    assert [entry.body for entry in outbox.waiting()] == [b"body %d" % n for n in range(5)]
    assert outbox.add("test", b"next", START).sequence == 6
    outbox.close()


def test_numbers_start_at_one_and_have_no_holes_after_a_rollback(outbox: Outbox) -> None:
    assert outbox.add(REGISTER, BODY, START).sequence == 1
    with pytest.raises(TypeError):
        outbox.add(REGISTER, "no bytes", START)  # type: ignore[arg-type]  # fails after numbering
    assert outbox.add(REGISTER, BODY, START).sequence == 2
    assert [entry.sequence for entry in outbox.waiting()] == [1, 2]


def test_numbers_go_on_after_everything_was_answered_and_forgotten(outbox: Outbox) -> None:
    entry = outbox.add(REGISTER, BODY, START)
    outbox.answered(entry.id, "accepted", place=(0, 1))
    assert outbox.forget(START) == 0
    assert outbox.forget(START + timedelta(days=1)) == 1
    assert outbox.add(REGISTER, BODY, START).sequence == 2


def test_forgetting_leaves_what_has_no_answer(outbox: Outbox) -> None:
    outbox.add(REGISTER, BODY, START)
    assert outbox.forget(START + timedelta(days=1)) == 0
    assert len(outbox.waiting()) == 1


def test_many_threads_get_dense_numbers_and_their_own_bodies(outbox: Outbox) -> None:
    def add(name: int) -> None:
        for number in range(10):
            outbox.add(REGISTER, b"%d/%d" % (name, number), START)

    threads = [threading.Thread(target=add, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = outbox.waiting()
    assert [entry.sequence for entry in entries] == list(range(1, 51))
    assert {entry.body for entry in entries} == {
        b"%d/%d" % (a, b) for a in range(5) for b in range(10)
    }


def test_neither_person_nor_product_lies_in_clear_on_the_disk(
    tmp_path: Path, outbox: Outbox
) -> None:
    outbox.add(REGISTER, BODY, START)
    written = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    outbox.close()
    written += [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert any(REGISTER.encode() in data for data in written)
    for clear in (NISS, CNK, "patient", "lines"):
        assert not any(clear.encode() in data for data in written)


def test_an_entry_shows_nothing_of_its_body(outbox: Outbox) -> None:
    assert NISS not in repr(outbox.add(REGISTER, BODY, START))


def test_only_the_owner_may_read_the_files(tmp_path: Path, outbox: Outbox) -> None:
    outbox.add(REGISTER, BODY, START)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {0o600}


def _another_publisher(path: Path, key: SigningKey) -> Outbox:
    return Outbox(path, "80000654", key)


def _another_key(path: Path, _key: SigningKey) -> Outbox:
    return Outbox(path, PHARMACY, SigningKey.generate("1"))


def _a_damaged_file(path: Path, key: SigningKey) -> Outbox:
    path.write_bytes(b"This is not a database at all." * 100)
    return Outbox(path, PHARMACY, key)


def _newer_software(path: Path, key: SigningKey) -> Outbox:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    return Outbox(path, PHARMACY, key)


def _no_file_at_all(path: Path, key: SigningKey) -> Outbox:
    path.unlink()
    path.mkdir()
    return Outbox(path, PHARMACY, key)


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (_another_publisher, "belongs to another publisher"),
        (_another_key, "another signing key"),
        (_a_damaged_file, "damaged"),
        (_newer_software, "newer software"),
        (_no_file_at_all, "cannot be used"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_bad(
    tmp_path: Path, key: SigningKey, attempt: Callable[[Path, SigningKey], Outbox], says: str
) -> None:
    path = tmp_path / "outbox"
    Outbox(path, PHARMACY, key).close()
    with pytest.raises(OutboxError, match=says):
        attempt(path, key)


def test_a_second_process_is_told_that_the_file_is_in_use_bad(
    tmp_path: Path, key: SigningKey
) -> None:
    path = tmp_path / "outbox"
    first = Outbox(path, PHARMACY, key)
    with pytest.raises(OutboxError, match="in use by another process"):
        Outbox(path, PHARMACY, key)
    first.close()
    Outbox(path, PHARMACY, key).close()


def test_an_outbox_is_handed_over_to_the_next_signing_key(tmp_path: Path, key: SigningKey) -> None:
    path, following = tmp_path / "outbox", SigningKey.generate("2")
    outbox = Outbox(path, PHARMACY, key)
    outbox.add(REGISTER, BODY, START)
    outbox.rewrap(following)
    outbox.close()
    with pytest.raises(OutboxError, match="another signing key"):
        Outbox(path, PHARMACY, key)
    reopened = Outbox(path, PHARMACY, following)
    assert [entry.body for entry in reopened.waiting()] == [BODY]
    reopened.close()


def test_an_entry_that_was_moved_to_another_number_does_not_open_bad(outbox: Outbox) -> None:
    outbox.add(REGISTER, BODY, START)
    outbox._db.execute("UPDATE entry SET sequence = 7")
    with pytest.raises(OutboxError, match=r"Entry 7 .* changed from outside"):
        outbox.waiting()


def test_a_full_disk_uses_up_no_number_bad(outbox: Outbox) -> None:
    outbox.add(REGISTER, BODY, START)
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OutboxError, match="the disk is full"):
        outbox.add(REGISTER, os.urandom(40_000), START)
    outbox._db.execute("PRAGMA max_page_count = 100000")
    assert outbox.add(REGISTER, BODY, START).sequence == 2


def test_use_after_close_says_so_bad(outbox: Outbox) -> None:
    outbox.close()
    with pytest.raises(OutboxError, match="cannot be used"):
        outbox.counts()


def test_a_reinstalled_outbox_counts_in_another_epoch(tmp_path: Path, key: SigningKey) -> None:
    first, second = (Outbox(tmp_path / name, PHARMACY, key) for name in "ab")
    assert first.epoch != second.epoch
    first.close()
    second.close()
    again = Outbox(tmp_path / "a", PHARMACY, key)
    assert again.epoch == first.epoch
    again.close()


def test_the_first_answer_stays_and_a_late_acknowledgement_changes_nothing(outbox: Outbox) -> None:
    entry = outbox.add(REGISTER, BODY, START)
    outbox.answered(entry.id, "accepted", place=(0, 1))
    outbox.answered(entry.id, "rejected", place=(0, 2))
    outbox.sent(entry.id, session="s", place=(0, 3))
    known = outbox.find(entry.id)
    assert known is not None
    assert (known.state, known.place) == ("answered", (0, 1))
    assert outbox.waiting() == []


def test_the_cursor_of_handled_receipts_survives(tmp_path: Path, key: SigningKey) -> None:
    outbox = Outbox(tmp_path / "outbox", PHARMACY, key)
    assert outbox.cursor is None
    outbox.handled("17")
    outbox.close()
    again = Outbox(tmp_path / "outbox", PHARMACY, key)
    assert again.cursor == "17"
    again.close()
