"""Every way to tamper with a log's files, and what its auditor says: one table, as in the docs."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from consumers.audit.verify import Memory, verify
from streams.notary import notes, tiles, tree
from streams.notary.directory import LogDirectory
from streams.notary.notes import Checkpoint
from streams.notary.tiles import Tile
from tests.support.audit_log import LOG, entry, grow

SEEN, SIZE = 300, 1_100
"""Leaves when the auditor last looked, and now."""
ENTRIES: Final = [entry(number) for number in range(SIZE)]
PAGE: Final = Path(__file__).parents[4] / "docs" / "auditing" / "tampering.md"
Tamper = Callable[[Path], None]


def altered(path: str, change: Callable[[bytes], bytes]) -> Tamper:
    def tamper(folder: Path) -> None:
        file = folder / path
        file.write_bytes(change(file.read_bytes()))

    return tamper


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def repacked(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda data: tiles.pack(change(tiles.unpack(data, 256)))


def swapped(entries: list[bytes]) -> list[bytes]:
    return [*entries[:7], entries[8], entries[7], *entries[9:]]


def dropped(entries: list[bytes]) -> list[bytes]:
    return [*entries[:9], *entries[10:]]


def swapped_with_hashes(folder: Path) -> None:
    altered(tiles.bundle_path(2), repacked(swapped))(folder)
    hashes = [tree.leaf_hash(one) for one in swapped(ENTRIES[512:768])]
    (folder / Tile(0, 2).path).write_bytes(b"".join(hashes))


def gone(path: str) -> Tamper:
    return lambda folder: (folder / path).unlink()


def with_its_key(entries: Sequence[bytes]) -> Tamper:
    """Whoever has stolen the log's key signs a whole log of these leaves."""

    def tamper(folder: Path) -> None:
        shutil.rmtree(folder)
        grow(folder, entries)

    return tamper


def checkpoint_alone(folder: Path) -> None:
    """The files stay; an older checkpoint, truly signed, is put back."""
    old = folder.parent / "old"
    grow(old, ENTRIES[:200])
    shutil.copy(old / "checkpoint", folder / "checkpoint")


FORKED = [*ENTRIES[:250], *(entry(one, value=b"forged") for one in range(250, SIZE))]
LATER = [*ENTRIES[:500], *(entry(one, value=b"forged") for one in range(500, SIZE))]
TAMPERED: Final[dict[str, tuple[Tamper, str]]] = {
    "a bit of an entry flipped": (altered(tiles.bundle_path(2), flipped(1_000)), "entry"),
    "a bit of an entry's length flipped": (altered(tiles.bundle_path(2), flipped(1)), "entry"),
    "a bit of a leaf hash flipped": (altered(Tile(0, 2).path, flipped(70)), "tile"),
    "a bit of a tile above flipped": (altered(Tile(1, 0, 4).path, flipped(70)), "tile"),
    "a bit of the checkpoint flipped": (altered("checkpoint", flipped(20)), "checkpoint"),
    "two entries swapped": (altered(tiles.bundle_path(1), repacked(swapped)), "entry"),
    "two entries swapped with their hashes": (swapped_with_hashes, "root"),
    "an entry dropped": (
        altered(tiles.bundle_path(1), repacked(lambda a: a[:9] + a[10:])),
        "entry",
    ),
    "an entry added": (altered(tiles.bundle_path(1), repacked(lambda a: [*a, a[0]])), "entry"),
    "a bundle cut": (altered(tiles.bundle_path(3), lambda data: data[:-5]), "entry"),
    "a tile cut": (altered(Tile(0, 3).path, lambda data: data[:-32]), "entry"),
    "a bundle removed": (gone(tiles.bundle_path(3)), "missing"),
    "a tile removed": (gone(Tile(1, 0, 4).path), "missing"),
    "the checkpoint removed": (gone("checkpoint"), "missing"),
    "an old checkpoint put back": (checkpoint_alone, "rollback"),
    "an old copy restored": (with_its_key(ENTRIES[:200]), "rollback"),
    "the tail cut, signed with the stolen key": (with_its_key(ENTRIES[:299]), "rollback"),
    "a fork signed with the stolen key": (with_its_key(FORKED), "fork"),
    "a leaf replaced, signed with the stolen key": (with_its_key(FORKED[:SEEN]), "fork"),
    "a record logged twice": (with_its_key([*ENTRIES[:SEEN], ENTRIES[3]]), "order"),
    "something else than a record logged": (with_its_key([*ENTRIES[:SEEN], b"x"]), "leaf"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    folder = tmp_path_factory.mktemp("made") / "log"
    first = grow(folder, ENTRIES[:SEEN])
    grow(folder, ENTRIES[SEEN:], first)
    return folder, first


@pytest.fixture
def folder(made: tuple[Path, Checkpoint], tmp_path: Path) -> Path:
    return shutil.copytree(made[0], tmp_path / "log")


def audited(folder: Path, seen: Checkpoint) -> str | None:
    fault = verify(LogDirectory(folder).read, LOG, Memory([seen])).fault
    return None if fault is None else fault.kind


def test_a_log_that_nobody_touched_is_in_order(folder: Path, made: tuple[Path, Checkpoint]) -> None:
    assert audited(folder, made[1]) is None
    assert notes.open_checkpoint((folder / "checkpoint").read_bytes(), LOG).size == SIZE


@pytest.mark.parametrize("what", TAMPERED)
def test_it_is_noticed_and_named(folder: Path, made: tuple[Path, Checkpoint], what: str) -> None:
    tamper, kind = TAMPERED[what]
    tamper(folder)
    assert audited(folder, made[1]) == kind


def test_what_was_rewritten_behind_all_that_anybody_kept_needs_a_witness(
    folder: Path, made: tuple[Path, Checkpoint]
) -> None:
    """The limit of what an auditor can see who has not looked since; see the docs."""
    with_its_key(LATER)(folder)
    assert audited(folder, made[1]) is None


def test_the_page_lists_every_way_with_what_is_said() -> None:
    text = PAGE.read_text()
    for what, (_, kind) in TAMPERED.items():
        assert f"| {what} | `verify`: `{kind}` |" in text
