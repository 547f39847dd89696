"""Appends leaves to a log's files, and reads back what is there before anybody signs for it.

The writer keeps the right edge of the tree: at every level the hashes of the last, partial tile,
and the entries of the last, partial bundle. A log that was left half-way by a crash is opened at
its last checkpoint; what lies beyond it was never signed for and is written again.
"""

from collections.abc import Sequence
from typing import Final

from streams.notary import tiles, tree
from streams.notary.directory import LogDirectory, LogUnavailable
from streams.notary.notes import Checkpoint
from streams.notary.tiles import WIDTH, BundleInvalid, Tile
from streams.notary.tree import HASH_BYTES

_TILE_BYTES: Final = WIDTH * HASH_BYTES


class LogDamaged(LogUnavailable):
    """The log's files are not what its checkpoint, or the tree over them, says."""


class LogWriter:
    """The log in `directory` as of `checkpoint`; None begins an empty one.

    Raises:
        LogDamaged: the files do not give the checkpoint's root.
    """

    def __init__(self, directory: LogDirectory, checkpoint: Checkpoint | None) -> None:
        self._directory = directory
        self.size = checkpoint.size if checkpoint else 0
        self.root = checkpoint.root if checkpoint else tree.EMPTY_ROOT
        self._edges: list[bytes] = []
        self._bundle: list[bytes] = []
        self._written: list[Tile] = []
        if self._root_of(self.size) != self.root:
            raise LogDamaged(
                f"The tiles in {directory.folder} do not give the root of its checkpoint of "
                f"{self.size} leaves: restore the log from a copy."
            )
        self._load_edge()

    def append(self, entries: Sequence[bytes]) -> None:
        """Adds leaves durably and checks what was written; then `size` and `root` may be signed.

        Raises:
            LogUnavailable: they could not be written; open the log anew.
            LogDamaged: what is there is not what was written, or not what the last root covered.
        """
        before, old_root = self.size, self.root
        self._directory.write(self._grow(entries))
        written = list(tiles.tiles_of(self.size, before))
        for tile in written:
            if tile.level == 0:
                self._check(tile)
        self.root = self._root_of(self.size)
        if self._root_of(before) != old_root:
            raise LogDamaged(f"The first {before} leaves no longer give the root they had.")
        self._written += written

    def published(self) -> None:
        """A checkpoint of this size is out: what only smaller trees need may go."""
        for tile in self._written:
            self._directory.drop_partials(tile)
        self._written.clear()

    def _grow(self, entries: Sequence[bytes]) -> dict[str, bytes]:
        """Takes the leaves into the edge; answers the files that are new."""
        files = self._bundles(entries)
        hashes = b"".join([tree.leaf_hash(entry) for entry in entries])
        level, size = 0, self.size
        self.size += len(entries)
        while hashes:
            if level == len(self._edges):
                self._edges.append(b"")
            edge = self._edges[level] + hashes
            index, parents = size // WIDTH, []
            while len(edge) >= _TILE_BYTES:
                full, edge = edge[:_TILE_BYTES], edge[_TILE_BYTES:]
                files[Tile(level, index).path] = full
                parents.append(tiles.subtree(full))
                index += 1
            if edge:
                files[Tile(level, index, len(edge) // HASH_BYTES).path] = edge
            self._edges[level] = edge
            hashes, level, size = b"".join(parents), level + 1, size // WIDTH
        return files

    def _bundles(self, entries: Sequence[bytes]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        waiting, index = [*self._bundle, *entries], self.size // WIDTH
        while len(waiting) >= WIDTH:
            full, waiting = waiting[:WIDTH], waiting[WIDTH:]
            files[tiles.bundle_path(index)] = tiles.pack(full)
            index += 1
        if waiting:
            files[tiles.bundle_path(index, len(waiting))] = tiles.pack(waiting)
        self._bundle = waiting
        return files

    def _check(self, tile: Tile) -> None:
        """Recomputes the leaf hashes of a tile from the bytes of its entries."""
        hashes = b"".join([tree.leaf_hash(entry) for entry in self._entries(tile)])
        if hashes != self._tile(tile):
            raise LogDamaged(f"{tile.path} does not hold the hashes of its entries.")

    def _entries(self, tile: Tile) -> list[bytes]:
        data = self._directory.read(tiles.bundle_path(tile.index, tile.width))
        try:
            return tiles.unpack(data, tile.width)
        except BundleInvalid as error:
            raise LogDamaged(f"The entries of {tile.path} are damaged: {error}.") from None

    def _load_edge(self) -> None:
        level = 0
        while self.size >> tiles.HEIGHT * level:
            index, width = divmod(self.size >> tiles.HEIGHT * level, WIDTH)
            self._edges.append(self._tile(Tile(level, index, width)) if width else b"")
            level += 1
        index, width = divmod(self.size, WIDTH)
        if width:
            self._check(Tile(0, index, width))
            self._bundle = self._entries(Tile(0, index, width))

    def _root_of(self, size: int) -> bytes:
        return tree.root_of(size, tiles.nodes_from(size, self._tile))

    def _tile(self, tile: Tile) -> bytes:
        data = self._directory.read(tile.path)
        if len(data) != tile.width * HASH_BYTES:
            raise LogDamaged(f"{tile.path} has {len(data)} bytes, not {tile.width} hashes.")
        return data
