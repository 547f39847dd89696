"""Up to which offset each partition is in the log: a fold of the leaves, kept in a small file.

The file only saves work. One that is missing, torn, or of a larger log than the checkpoint is left
aside, and the leaves are read instead.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from infra import files
from infra.kafka import Partition
from streams.notary import leaf, reading, tiles
from streams.notary.directory import Read
from streams.notary.tiles import WIDTH

_FORM: Final = 1
NextOffsets = dict[Partition, int]
"""The first offset of each partition that is not in the log."""


def advance(positions: NextOffsets, entries: Iterable[bytes]) -> None:
    """Moves the positions past the records of these leaves.

    Raises:
        LeafInvalid: an entry is no leaf.
    """
    for entry in entries:
        topic, partition, offset = leaf.place(entry)
        place = Partition(topic, partition)
        positions[place] = max(positions.get(place, 0), offset + 1)


def load(file: Path, size: int, read: Read) -> NextOffsets:
    """The positions of a log of `size` leaves.

    Raises:
        LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged.
    """
    since, positions = 0, NextOffsets()
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = json.loads(file.read_bytes())
        if kept["form"] == _FORM and kept["size"] <= size:
            positions = {
                Partition(topic, int(number)): int(offset)
                for topic, offsets in kept["positions"].items()
                for number, offset in offsets.items()
            }
            since = kept["size"]
    for index in range(since // WIDTH, -(-size // WIDTH)):
        width = tiles.width_at(size, 0, index)
        advance(positions, reading.entries(read, index, width))
    return positions


def save(file: Path, size: int, positions: NextOffsets) -> None:
    """Keeps the positions of a log of `size` leaves."""
    by_topic: dict[str, dict[str, int]] = {}
    for place, offset in sorted(positions.items()):
        by_topic.setdefault(place.topic, {})[str(place.partition)] = offset
    text = json.dumps({"form": _FORM, "size": size, "positions": by_topic})
    file.parent.mkdir(parents=True, exist_ok=True)
    files.replace(file, text.encode())
