"""Tiles and bundles: their paths, which of them a growing log writes, and what reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.notary import tiles, tree
from streams.notary.tiles import BundleInvalid, Tile

HASHES = [tree.leaf_hash(b"%d" % number) for number in range(70_000)]
LEVELS = [HASHES]
while len(LEVELS[-1]) >= tiles.WIDTH:
    below = LEVELS[-1]
    full = range(0, len(below) - tiles.WIDTH + 1, tiles.WIDTH)
    LEVELS.append([tiles.subtree(b"".join(below[at : at + tiles.WIDTH])) for at in full])


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
    ],
)
def test_a_path_has_groups_of_three_digits(tile: Tile, path: str) -> None:
    assert tile.path == path


def test_a_bundle_lies_beside_the_tiles() -> None:
    assert tiles.bundle_path(1_234_067) == "tile/entries/x001/x234/067"
    assert tiles.bundle_path(5, 7) == "tile/entries/005.p/7"


def test_the_example_of_the_specification() -> None:
    """70,000 leaves: 273 full tiles and one of 112, one full and one of 17, one of 1."""
    found = list(tiles.tiles_of(70_000))
    assert len([one for one in found if one.level == 0 and one.width == 256]) == 273
    assert Tile(0, 273, 112) in found
    assert [one for one in found if one.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert [one for one in found if one.level == 2] == [Tile(2, 0, 1)]
    assert max(one.level for one in found) == 2


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_a_log_that_grows_writes_what_is_new_and_nothing_else(one: int, other: int) -> None:
    since, size = sorted((one, other))
    assert set(tiles.tiles_of(size, since)) == set(tiles.tiles_of(size)) - set(
        tiles.tiles_of(since)
    )


@given(st.integers(1, 70_000), st.data())
def test_roots_and_proofs_come_out_of_tiles(size: int, data: st.DataObject) -> None:
    def read(tile: Tile) -> bytes:
        assert tile.width == tiles.width_at(size, tile.level, tile.index) > 0
        level = LEVELS[tile.level]
        return b"".join(level[tile.index * 256 : tile.index * 256 + tile.width])

    nodes = tiles.nodes_from(size, read)
    index = data.draw(st.integers(0, size - 1))
    root = tree.root_of(size, nodes)
    proof = tree.inclusion_proof(index, size, nodes)
    tree.check_inclusion(index, size, HASHES[index], proof, root)


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert tiles.unpack(tiles.pack(entries), len(entries)) == entries


def test_an_entry_of_the_largest_size_fits_and_a_larger_one_is_refused_bad() -> None:
    largest = bytes(tiles.MAX_ENTRY_BYTES)
    assert tiles.unpack(tiles.pack([largest]), 1) == [largest]
    with pytest.raises(BundleInvalid, match="65535"):
        tiles.pack([largest + b"x"])


@given(st.binary(max_size=200), st.integers(0, 256))
def test_any_bytes_are_a_bundle_or_refused_bad(data: bytes, width: int) -> None:
    try:
        entries = tiles.unpack(data, width)
    except BundleInvalid:
        return
    assert tiles.pack(entries) == data


def test_a_bundle_cut_short_or_of_another_width_is_refused_bad() -> None:
    data = tiles.pack([b"a", b"bc"])
    with pytest.raises(BundleInvalid, match="inside an entry"):
        tiles.unpack(data[:-1], 2)
    with pytest.raises(BundleInvalid, match="has 2 entries, not 3"):
        tiles.unpack(data, 3)


@given(st.integers(0, 10**12), st.integers(0, 63), st.integers(1, tiles.WIDTH))
def test_every_path_is_parsed_back_to_its_place(index: int, level: int, width: int) -> None:
    assert tiles.parse_path(Tile(level, index, width).path) == (Tile(level, index, width), False)
    assert tiles.parse_path(tiles.bundle_path(index, width)) == (Tile(0, index, width), True)


@pytest.mark.parametrize(
    "path",
    [
        *("checkpoint", "tile/0/000/", "tile/64/000", "tile/00/000", "tile/0/1", "tile/0/0001"),
        *("tile/0/x000/001", "tile/0/x001/x234", "tile/0/000.p/0", "tile/0/000.p/256"),
        *("tile/0/000.p/01", "tile/entries/../../secret", "tile/entries/000.p/", "tile/entry/000"),
        *("tile/0/000\n", "tile/0/\u0661\u0661\u0661"),
    ],
)
def test_a_path_that_no_log_has_is_none_bad(path: str) -> None:
    assert tiles.parse_path(path) is None


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 30))
def test_the_head_of_a_bundle_is_the_bundle_of_its_first_entries(
    entries: list[bytes], width: int
) -> None:
    assert tiles.head(tiles.pack(entries), width) == tiles.pack(entries[:width])
