"""A log is recomputed from its bytes; whatever is altered is noticed and the first leaf named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.audit.verify import Memory, Verification, memory_from, saved_memory, verify
from streams.notary import tiles, tree
from streams.notary.directory import LogDirectory
from streams.notary.notes import Checkpoint
from streams.notary.tiles import Tile
from tests.support.audit_log import LOG, ORIGIN, entry, grow, signed

SIZE = 1_100
ENTRIES = [entry(number) for number in range(SIZE)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "log"
    first = grow(folder, ENTRIES[:300])
    grow(folder, ENTRIES[300:], first)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may tamper with."""
    return shutil.copytree(made, tmp_path / "log")


def verified(folder: Path, memory: Memory | None = None) -> Verification:
    return verify(LogDirectory(folder).read, LOG, memory or Memory())


def flip(file: Path, at: int, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def rewrite(folder: Path, entries: list[bytes]) -> bytes:
    """A whole log over these entries in place of the one that is there; its root."""
    shutil.rmtree(folder)
    return grow(folder, entries).root


def test_a_log_that_nobody_touched_holds(folder: Path) -> None:
    found = verified(folder)
    assert found.holds
    assert found.checkpoint is not None
    assert (found.checkpoint.size, found.since) == (SIZE, 0)


def test_the_second_run_reads_only_what_is_new(folder: Path) -> None:
    memory = Memory()
    first = verified(folder, memory)
    memory = memory_from(json.loads(json.dumps(saved_memory(memory))))
    assert first.checkpoint is not None
    grow(folder, [entry(number) for number in range(SIZE, 1_500)], first.checkpoint)
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return LogDirectory(folder).read(path)

    found = verify(read, LOG, memory)
    assert found.holds
    assert found.since == 1_024
    assert tiles.bundle_path(3) not in asked
    assert tiles.bundle_path(4) in asked
    assert [one.size for one in memory.kept] == [SIZE, 1_500]


def test_a_flipped_bit_of_any_entry_names_its_leaf(folder: Path) -> None:
    for number in (0, 255, 256, 777, SIZE - 1):
        index, at = divmod(number, 256)
        file = folder / tiles.bundle_path(index, tiles.width_at(SIZE, 0, index))
        before = file.read_bytes()
        start = sum(2 + len(one) for one in ENTRIES[index * 256 : number])
        for place in (0, 1, 2, len(ENTRIES[number])):
            flip(file, start + place, 3)
            found = verified(folder)
            assert found.fault is not None
            assert (found.fault.kind, found.fault.leaf) == ("entry", number), place
            file.write_bytes(before)
        assert at == number % 256


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_noticed(
    made: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = shutil.copytree(made, tmp_path_factory.mktemp("copy") / "log")
    current = {"checkpoint"} | {
        path
        for tile in tiles.tiles_of(SIZE)
        for path in (tile.path, tiles.bundle_path(tile.index, tile.width))
        if tile.level == 0 or path == tile.path
    }
    file = folder / data.draw(st.sampled_from(sorted(current)))
    flip(file, data.draw(st.integers(0, file.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    assert not verified(folder).holds


def test_an_altered_hash_is_told_from_an_altered_entry(folder: Path) -> None:
    flip(folder / Tile(0, 2).path, 5 * 32)
    found = verified(folder)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.leaf, found.fault.path) == ("tile", 517, "tile/0/002")


def test_an_altered_tile_above_the_leaves_is_named(folder: Path) -> None:
    flip(folder / Tile(1, 0, 4).path, 40)
    found = verified(folder)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.path) == ("tile", "tile/1/000.p/4")


def test_an_entry_altered_together_with_its_hash_is_found_by_the_tiles_above(folder: Path) -> None:
    other = [*ENTRIES[512:600], entry(600, value=b"other"), *ENTRIES[601:768]]
    (folder / tiles.bundle_path(2)).write_bytes(tiles.pack(other))
    hashes = b"".join(tree.leaf_hash(one) for one in other)
    (folder / Tile(0, 2).path).write_bytes(hashes)
    found = verified(folder)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.leaf) == ("root", 512)


LISTS: list[tuple[str, Callable[[list[bytes]], list[bytes]]]] = [
    ("two leaves swapped", lambda all_: [*all_[:9], all_[10], all_[9], *all_[11:]]),
    ("a leaf dropped", lambda all_: [*all_[:9], *all_[10:]]),
    ("a leaf added", lambda all_: [*all_[:9], entry(5_000), *all_[9:]]),
    ("a leaf doubled", lambda all_: [*all_[:9], all_[8], *all_[9:]]),
    ("the tail cut", lambda all_: all_[:-1]),
    ("a leaf replaced", lambda all_: [*all_[:9], entry(9, value=b"x"), *all_[10:]]),
]


@pytest.mark.parametrize(("what", "tamper"), LISTS, ids=[what for what, _ in LISTS])
def test_whoever_rewrites_the_log_without_its_key_is_noticed(
    folder: Path, what: str, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    checkpoint = (folder / "checkpoint").read_bytes()
    rewrite(folder, tamper(list(ENTRIES)))
    (folder / "checkpoint").write_bytes(checkpoint)
    assert not verified(folder).holds, what


@pytest.mark.parametrize(("what", "tamper"), LISTS, ids=[what for what, _ in LISTS])
def test_whoever_rewrites_the_log_with_its_key_is_noticed_by_an_auditor_with_a_memory(
    folder: Path, what: str, tamper: Callable[[list[bytes]], list[bytes]]
) -> None:
    memory = Memory()
    assert verified(folder, memory).holds
    rewrite(folder, tamper(list(ENTRIES)))
    found = verified(folder, Memory(kept=memory.kept))
    assert found.fault is not None, what
    assert found.fault.kind in ("fork", "rollback", "order")


def test_an_old_copy_is_a_rollback(folder: Path, tmp_path: Path) -> None:
    memory = Memory()
    assert verified(folder, memory).holds
    grow(tmp_path / "old", ENTRIES[:300])
    found = verified(tmp_path / "old", memory)
    assert found.fault is not None
    assert found.fault.kind == "rollback"
    assert "once had a checkpoint of 1100" in found.fault.sentence


def test_a_fork_is_told_with_the_size_up_to_which_both_agree(folder: Path) -> None:
    memory = Memory(kept=[])
    for size in (300, 700):
        hashes = [tree.leaf_hash(one) for one in ENTRIES[:size]]

        def nodes(height: int, index: int, hashes: list[bytes] = hashes) -> bytes:
            return tiles.subtree(b"".join(hashes[index << height : (index + 1) << height]))

        memory.kept.append(Checkpoint(ORIGIN, size, tree.root_of(size, nodes)))
    rewrite(folder, [*ENTRIES[:500], *(entry(one, value=b"fork") for one in range(500, SIZE))])
    found = verified(folder, memory)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.leaf) == ("fork", 300)


def test_a_record_that_is_logged_twice_is_named(folder: Path) -> None:
    rewrite(folder, [*ENTRIES[:400], ENTRIES[20], *ENTRIES[400:]])
    found = verified(folder)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.leaf) == ("order", 400)


def test_an_entry_that_is_no_record_is_named(folder: Path) -> None:
    rewrite(folder, [*ENTRIES[:7], b"no record"])
    found = verified(folder)
    assert found.fault is not None
    assert (found.fault.kind, found.fault.leaf) == ("leaf", 7)


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/001", "tile/0/002", "tile/1/000.p/4"])
def test_a_missing_file_is_named(folder: Path, path: str) -> None:
    (folder / path).unlink()
    found = verified(folder)
    assert found.fault is not None
    assert found.fault.kind == "missing"
    assert path in found.fault.sentence


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_truncated_file_is_noticed(folder: Path, cut: int) -> None:
    for path in ("tile/entries/001", "tile/0/002", "tile/1/000.p/4", "checkpoint"):
        before = (folder / path).read_bytes()
        (folder / path).write_bytes(before[:cut])
        assert not verified(folder).holds, path
        (folder / path).write_bytes(before)
    assert verified(folder).holds


def test_a_checkpoint_of_another_key_is_refused(folder: Path) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    (folder / "checkpoint").write_bytes(signed(SIZE, bytes(32), key=other))
    found = verified(folder)
    assert found.fault is not None
    assert found.fault.kind == "checkpoint"


@pytest.mark.parametrize(
    "damage",
    [
        {"recount": {"size": 5, "levels": []}},
        {"recount": {"size": 256, "levels": [""]}},
        {"recount": {}},
        {"positions": []},
        {"checkpoints": [["x", 1]]},
    ],
)
def test_a_memory_that_was_damaged_is_not_trusted_bad(folder: Path, damage: dict[str, Any]) -> None:
    memory = Memory()
    verified(folder, memory)
    with pytest.raises((ValueError, TypeError, KeyError)):
        memory_from({**saved_memory(memory), **damage})
