"""A log on disk grows, is opened again at its last checkpoint, and says when it was damaged."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.notary import tiles, tree
from streams.notary.directory import LogDirectory, LogUnavailable
from streams.notary.notes import Checkpoint
from streams.notary.tiles import Tile
from streams.notary.writer import LogDamaged, LogWriter

LEAVES = [b"leaf %d" % number for number in range(1_500)]


def root(size: int) -> bytes:
    hashes = [tree.leaf_hash(leaf) for leaf in LEAVES[:size]]

    def nodes(height: int, index: int) -> bytes:
        return tiles.subtree(b"".join(hashes[index << height : (index + 1) << height]))

    return tree.root_of(size, nodes)


def log(folder: Path, *sizes: int) -> LogWriter:
    writer = LogWriter(LogDirectory(folder), None)
    for size in sizes:
        writer.append(LEAVES[writer.size : size])
        writer.published()
    return writer


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_however_it_grows_the_root_is_that_of_its_leaves(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    writer = LogWriter(LogDirectory(tmp_path_factory.mktemp("log")), None)
    for step in steps:
        writer.append(LEAVES[writer.size : min(writer.size + step, 1_500)])
        writer.published()
        assert writer.root == root(writer.size)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 300, 512, 1_400])
def test_a_log_goes_on_where_its_checkpoint_says(tmp_path: Path, size: int) -> None:
    first = log(tmp_path, size)
    second = LogWriter(LogDirectory(tmp_path), Checkpoint("", size, first.root))
    second.append(LEAVES[size:1_500])
    assert (second.size, second.root) == (1_500, root(1_500))


def test_what_a_crash_left_beyond_the_checkpoint_is_written_again(tmp_path: Path) -> None:
    first = log(tmp_path, 300)
    checkpoint = Checkpoint("", 300, first.root)
    first.append([b"never signed for"] * 400)
    second = LogWriter(LogDirectory(tmp_path), checkpoint)
    second.append(LEAVES[300:1_000])
    assert second.root == root(1_000)


def test_partial_tiles_go_once_the_full_one_is_published(tmp_path: Path) -> None:
    writer = log(tmp_path, 10, 200)
    assert (tmp_path / "tile/0/000.p").is_dir()
    writer.append(LEAVES[200:256])
    assert (tmp_path / "tile/0/000.p").is_dir()
    writer.published()
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not (tmp_path / "tile/entries/000.p").exists()
    assert (tmp_path / "tile/0/000").stat().st_size == 256 * 32


def test_only_whole_files_are_left(tmp_path: Path) -> None:
    log(tmp_path, 10, 700)
    assert [one for one in tmp_path.rglob("*") if one.name.endswith(".new")] == []


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("path", ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/0/000"])
def test_a_flipped_bit_at_the_edge_is_noticed_when_the_log_is_opened_bad(
    tmp_path: Path, path: str
) -> None:
    writer = log(tmp_path, 300)
    flip(tmp_path / path)
    if path == "tile/0/000":
        # The root is told by the tile above; the leaf tile is for verifiers to recompute.
        LogWriter(LogDirectory(tmp_path), Checkpoint("", 300, writer.root))
        return
    with pytest.raises(LogDamaged):
        LogWriter(LogDirectory(tmp_path), Checkpoint("", 300, writer.root))


def test_a_bit_that_flips_on_the_way_to_disk_is_not_signed_for_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = LogDirectory(tmp_path)
    writer = LogWriter(directory, None)
    write = directory.write

    def flipping(files: dict[str, bytes]) -> None:
        write(files)
        flip(tmp_path / tiles.bundle_path(0, 20))

    monkeypatch.setattr(directory, "write", flipping)
    with pytest.raises(LogDamaged, match=r"hashes of its entries|are damaged"):
        writer.append(LEAVES[:20])


def test_a_disk_that_is_full_is_told_bad(tmp_path: Path) -> None:
    (tmp_path / "tile").write_bytes(b"a file where a folder belongs")
    with pytest.raises(LogUnavailable, match="cannot be written"):
        log(tmp_path, 10)


def test_a_missing_tile_is_told_by_its_path_bad(tmp_path: Path) -> None:
    writer = log(tmp_path, 300)
    (tmp_path / Tile(0, 1, 44).path).unlink()
    with pytest.raises(LogUnavailable, match=r"has no file tile/0/001\.p/44"):
        LogWriter(LogDirectory(tmp_path), Checkpoint("", 300, writer.root))
