"""Where hashes and entries of a log lie: tiles and entry bundles (C2SP tlog-tiles).

A tile of level L and index N holds up to 256 consecutive hashes of perfect subtrees of height
8 * L; the rightmost one of a level may be partial. An entry bundle holds the entries of the tile
of level 0 with the same index, each behind its length.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from streams.notary.tree import HASH_BYTES, Nodes, node_hash

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_ENTRY_BYTES: Final = 0xFFFF
_GROUP: Final = 1000
_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


class BundleInvalid(Exception):
    """Bytes of an entry bundle are not as its index and width promise."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A place: level, index, and how many hashes the tile has (256 when full)."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix, such as `tile/0/x001/234.p/56`."""
        return f"tile/{self.level}/{_number(self.index)}{_partial(self.width)}"


def bundle_path(index: int, width: int = WIDTH) -> str:
    """The path of an entry bundle below the log's prefix."""
    return f"tile/entries/{_number(index)}{_partial(width)}"


def parse_path(path: str) -> tuple[Tile, bool] | None:
    """The tile at a path below the log's prefix, or the level-0 tile of the bundle there.

    The second says whether it is the bundle; None if no log has such a path.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level, number, width = found.groups()
    index = int(number.replace("x", "").replace("/", ""))
    of_bundle = level == "entries"
    tile = Tile(0 if of_bundle else int(level), index, int(width or WIDTH))
    canonical = bundle_path(index, tile.width) if of_bundle else tile.path
    return (tile, of_bundle) if path == canonical else None


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles of a tree that a tree of `since` leaves does not have in the same width."""
    level, now, before = 0, size, since
    while now:
        for index in range(before // WIDTH, -(-now // WIDTH)):
            width = min(WIDTH, now - index * WIDTH)
            if index * WIDTH + width > before:
                yield Tile(level, index, width)
        level, now, before = level + 1, now // WIDTH, before // WIDTH


def width_at(size: int, level: int, index: int) -> int:
    """How many hashes the tile at a place has in a tree of `size` leaves; 0 if it has none."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def nodes_from(size: int, read: Callable[[Tile], bytes]) -> Nodes:
    """Hashes of perfect subtrees of a tree of `size` leaves, out of its tiles' bytes.

    `read` gives a tile of at least the width asked for; its errors pass through.
    """

    def nodes(height: int, index: int) -> bytes:
        level, inside = divmod(height, HEIGHT)
        first = index << inside
        tile = first // WIDTH
        data = read(Tile(level, tile, width_at(size, level, tile)))
        start = first % WIDTH
        return subtree(data[start * HASH_BYTES : (start + (1 << inside)) * HASH_BYTES])

    return nodes


def subtree(data: bytes) -> bytes:
    """Root of the perfect subtree over concatenated hashes, whose count is a power of two."""
    hashes = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def pack(entries: list[bytes]) -> bytes:
    """An entry bundle's bytes.

    Raises:
        BundleInvalid: an entry has more than 65,535 bytes, which its length cannot say.
    """
    try:
        return b"".join([part for entry in entries for part in (len(entry).to_bytes(2), entry)])
    except OverflowError:
        raise BundleInvalid(f"an entry has more than {MAX_ENTRY_BYTES} bytes") from None


def unpack(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle, exactly `width` of them.

    Raises:
        BundleInvalid: it holds fewer or more, or ends inside one.
    """
    entries: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        if start > end or at > end:
            raise BundleInvalid("the bundle ends inside an entry")
        entries.append(data[start:at])
    if len(entries) != width:
        raise BundleInvalid(f"the bundle has {len(entries)} entries, not {width}")
    return entries


def head(data: bytes, width: int) -> bytes:
    """The first `width` entries of a bundle as a bundle, or all of it if it has fewer."""
    at = 0
    for _ in range(width):
        if at + 2 > len(data):
            break
        at += 2 + int.from_bytes(data[at : at + 2])
    return data[:at]


def _number(index: int) -> str:
    """Groups of three digits, all but the last behind an `x`: 1234067 is `x001/x234/067`."""
    groups = [f"{index % _GROUP:03}"]
    while index >= _GROUP:
        index //= _GROUP
        groups.append(f"x{index % _GROUP:03}")
    return "/".join(reversed(groups))


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
