"""Reads tiles and entry bundles of a tree of one size, while the log may already be larger.

A log may drop a partial file once its full one exists, so whoever looks at an earlier checkpoint
takes the beginning of the full one then. Source: C2SP tlog-tiles, partial tiles.
"""

from collections.abc import Callable, Iterator

from streams.notary import tiles
from streams.notary.directory import LogFileMissing, Read
from streams.notary.tiles import WIDTH, Tile
from streams.notary.tree import HASH_BYTES, Nodes


def tile(read: Read, wanted: Tile) -> bytes:
    """The bytes of a tile in its width.

    Raises:
        LogFileMissing: neither it nor its full form is there.
        LogUnavailable: the log cannot be read.
    """
    full = Tile(wanted.level, wanted.index).path
    return _either(read, wanted.path, full, lambda data: data[: wanted.width * HASH_BYTES])


def bundle(read: Read, index: int, width: int) -> bytes:
    """The bytes of an entry bundle in its width.

    Raises:
        LogFileMissing: neither it nor its full form is there.
        LogUnavailable: the log cannot be read.
    """
    paths = tiles.bundle_path(index, width), tiles.bundle_path(index)
    return _either(read, *paths, lambda data: tiles.head(data, width))


def entries(read: Read, index: int, width: int) -> list[bytes]:
    """The entries of a bundle, exactly `width` of them.

    Raises:
        BundleInvalid: it holds fewer or more, or ends inside one.
        LogFileMissing, LogUnavailable: as `bundle`.
    """
    return tiles.unpack(bundle(read, index, width), width)


def leaves(read: Read, size: int, bundles: range | None = None) -> Iterator[tuple[int, bytes]]:
    """The entries of a log of `size` leaves with their indexes, of these bundles or of all.

    Raises:
        BundleInvalid, LogFileMissing, LogUnavailable: as `entries`.
    """
    end = -(-size // WIDTH)
    wanted = range(end) if bundles is None else range(bundles.start, min(bundles.stop, end))
    for index in wanted:
        yield from enumerate(entries(read, index, tiles.width_at(size, 0, index)), index * WIDTH)


def nodes(read: Read, size: int) -> Nodes:
    """Hashes of perfect subtrees of the tree of `size` leaves; errors as `tile`."""
    return tiles.nodes_from(size, lambda wanted: tile(read, wanted))


def _either(read: Read, path: str, full: str, cut: Callable[[bytes], bytes]) -> bytes:
    try:
        return read(path)
    except LogFileMissing as missing:
        if path == full:
            raise
        try:
            return cut(read(full))
        except LogFileMissing:
            raise missing from None
