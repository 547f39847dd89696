"""A tree counted anew from leaf hashes, one tile after the other, without the log's own tiles.

It keeps the hashes of full tiles at every level (32 bytes for 256 leaves), so that roots of earlier
sizes, and what each of the log's tiles must hold, can be told at the end.
"""

import base64
from collections.abc import Mapping, Sequence

from streams.notary import tiles, tree
from streams.notary.tiles import HEIGHT, WIDTH, Tile
from streams.notary.tree import HASH_BYTES


class Recount:
    """A tree that grows; `size` counts its leaves."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[bytearray] = [bytearray()]
        self._tile = b""
        self._tile_index = 0

    def add(self, hashes: bytes) -> None:
        """The leaf hashes of the next tile; only the last tile may be partial."""
        self._tile, self._tile_index = hashes, self.size // WIDTH
        self.size += len(hashes) // HASH_BYTES
        if len(hashes) < WIDTH * HASH_BYTES:
            return
        level, root = 0, tiles.subtree(hashes)
        while True:
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += root
            if len(self._levels[level]) % (WIDTH * HASH_BYTES):
                return
            root = tiles.subtree(bytes(self._levels[level][-WIDTH * HASH_BYTES :]))
            level += 1

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves, which end in the tile that was added last."""
        return tree.root_of(size, self._node)

    def upper(self, tile: Tile) -> bytes:
        """What a tile of level 1 or above must hold in this tree."""
        start = tile.index * WIDTH * HASH_BYTES
        return bytes(self._levels[tile.level - 1][start : start + tile.width * HASH_BYTES])

    def _node(self, height: int, index: int) -> bytes:
        level, inside = divmod(height, HEIGHT)
        first, count = index << inside, 1 << inside
        if level == 0:
            first -= self._tile_index * WIDTH
            return tiles.subtree(self._tile[first * HASH_BYTES : (first + count) * HASH_BYTES])
        level_hashes = self._levels[level - 1]
        return tiles.subtree(bytes(level_hashes[first * HASH_BYTES : (first + count) * HASH_BYTES]))

    def saved(self) -> dict[str, object]:
        """What `restored` goes on from: the full tiles, as JSON can hold them."""
        full = [base64.b64encode(level).decode() for level in self._levels]
        return {"size": self.size - self.size % WIDTH, "levels": full}

    @classmethod
    def restored(cls, saved: Mapping[str, object]) -> "Recount":
        """The tree of `saved`.

        Raises:
            ValueError: its numbers do not fit each other.
        """
        size, levels = saved.get("size"), saved.get("levels")
        if not isinstance(size, int) or not isinstance(levels, Sequence):
            raise ValueError("not a saved count")  # noqa: TRY004 - one error for whatever is off
        made = cls()
        made.size = size
        made._levels = [bytearray(base64.b64decode(str(level))) for level in levels]
        wanted = [size >> HEIGHT * (number + 1) for number in range(len(made._levels))]
        if size % WIDTH or wanted != [len(level) // HASH_BYTES for level in made._levels]:
            raise ValueError("not a saved count")
        return made
