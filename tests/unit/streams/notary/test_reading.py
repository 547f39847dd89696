"""A tree of an earlier size is read from a log that has grown and dropped its partial files."""

from collections.abc import Callable

import pytest

from streams.notary import reading, tiles
from streams.notary.directory import LogFileMissing
from streams.notary.tiles import Tile

HASHES = bytes(range(256)) * 32
ENTRIES = [b"%d" % number for number in range(256)]
FILES = {"tile/0/000": HASHES, "tile/entries/000": tiles.pack(ENTRIES)}


def read(path: str) -> bytes:
    if path not in FILES:
        raise LogFileMissing(f"no {path}")
    return FILES[path]


def test_the_beginning_of_the_full_file_stands_for_a_partial_one() -> None:
    assert reading.tile(read, Tile(0, 0, 7)) == HASHES[: 7 * 32]
    assert reading.entries(read, 0, 7) == ENTRIES[:7]


def test_a_full_file_is_itself() -> None:
    assert reading.tile(read, Tile(0, 0)) == HASHES
    assert reading.entries(read, 0, 256) == ENTRIES


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda: reading.tile(read, Tile(1, 0, 3)), "tile/1/000.p/3"),
        (lambda: reading.tile(read, Tile(1, 0)), "tile/1/000"),
        (lambda: reading.bundle(read, 1, 3), "tile/entries/001.p/3"),
        (lambda: reading.bundle(read, 1, 256), "tile/entries/001"),
    ],
)
def test_what_is_missing_in_both_forms_is_told_by_the_one_asked_for_bad(
    ask: Callable[[], bytes], path: str
) -> None:
    with pytest.raises(LogFileMissing, match=f"no {path}$"):
        ask()
