"""The log's keys on disk: one follows the other, and what is half made is never taken."""

from pathlib import Path

import pytest

from consumers.keys.log_keys import LogKeyFiles
from streams.intake.keys import KeyFileError


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "log.key"


def test_the_first_key_is_made_once_and_never_again_once_it_is_retired(first: Path) -> None:
    files = LogKeyFiles(first)
    one = files.make_first()
    assert (one.key_id, first.stat().st_mode & 0o777) == ("log-1", 0o600)
    assert LogKeyFiles(first).make_first().public_bytes == one.public_bytes
    two = files.make_next()
    assert files.destroy(one.public_bytes)
    assert LogKeyFiles(first).make_first().public_bytes == two.public_bytes
    assert not first.exists()


def test_keys_follow_each_other_by_number_also_beyond_nine(first: Path) -> None:
    files = LogKeyFiles(first)
    made = [files.make_first(), *(files.make_next() for _ in range(10))]
    assert [one.key_id for one in made] == [f"log-{number}" for number in range(1, 12)]
    assert [one.key_id for one in LogKeyFiles(first).load()] == [one.key_id for one in made]
    assert len(files.held().keys) == 11


def test_a_number_is_not_used_twice(first: Path) -> None:
    files = LogKeyFiles(first)
    one = files.make_first()
    files.make_next()
    files.destroy(one.public_bytes)
    assert files.make_next().key_id == "log-3"


def test_a_key_that_was_half_made_is_not_taken_and_made_again(first: Path) -> None:
    files = LogKeyFiles(first)
    files.make_first()
    (first.parent / ".log-2.key.new").write_bytes(b"half")
    (first.parent / "log-old.key").write_bytes(b"of somebody else")
    assert len(files.load()) == 1
    assert files.make_next().key_id == "log-2"
    assert len(LogKeyFiles(first).load()) == 2


def test_the_request_to_retire_names_its_key_and_goes_with_it(first: Path) -> None:
    files = LogKeyFiles(first)
    one, two = files.make_first(), files.make_next()
    assert files.held().retiring is None
    files.retire(one)
    assert LogKeyFiles(first).held().retiring == one.public_bytes
    assert not files.destroy(bytes(32))
    assert files.held().retiring == one.public_bytes
    assert files.destroy(one.public_bytes)
    assert not files.destroy(one.public_bytes)
    held = files.held()
    assert ([key.public_key().public_bytes_raw() for key in held.keys], held.retiring) == (
        [two.public_bytes],
        None,
    )


def test_a_request_that_cannot_be_read_is_told_bad(first: Path) -> None:
    files = LogKeyFiles(first)
    files.make_first()
    first.with_suffix(".retire").write_text("not base64!")
    with pytest.raises(KeyFileError, match="remove it"):
        files.held()
