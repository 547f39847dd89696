"""Finds the leaf of a record by its place in Kafka, without reading the whole log.

A sparse index: for every block of leaves, the last offset of each partition in it. In the log the
offsets of one partition only grow, so one block can hold a record, and is searched. The index is a
fold of the log; its file (a line of JSON for each block) only saves reading it again.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from infra.kafka import Partition
from streams.notary import leaf, reading
from streams.notary.directory import Read
from streams.notary.tiles import WIDTH

BLOCK: Final = 16
"""Bundles of a block: 4,096 leaves, some ten milliseconds of searching."""
_BLOCK_LEAVES: Final = BLOCK * WIDTH


class Places:
    """The index of the log that `read` gives, kept in `file`; use it from one thread at a time."""

    def __init__(self, read: Read, file: Path) -> None:
        self._read = read
        self._file = file
        self._blocks = 0
        self._lasts: dict[Partition, tuple[list[int], list[int]]] = {}
        self._load()

    def find(self, place: Partition, offset: int, size: int) -> tuple[int, bytes] | None:
        """Index and bytes of the leaf of a record, if it is among the first `size`.

        Raises:
            LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged.
        """
        while (self._blocks + 1) * _BLOCK_LEAVES <= size:
            self._add(self._lasts_of(self._blocks, size), keep=True)
        offsets, blocks = self._lasts.get(place, ([], []))
        at = bisect_left(offsets, offset)
        # Behind the last offset of every whole block, it can only be in the unfinished one.
        block = blocks[at] if at < len(offsets) else self._blocks
        for number, entry in self._leaves(block, size):
            if leaf.place(entry) == (*place, offset):
                return number, entry
        return None

    def _lasts_of(self, block: int, size: int) -> dict[Partition, int]:
        lasts: dict[Partition, int] = {}
        for _, entry in self._leaves(block, size):
            topic, partition, offset = leaf.place(entry)
            lasts[Partition(topic, partition)] = offset
        return lasts

    def _leaves(self, block: int, size: int) -> Iterator[tuple[int, bytes]]:
        return reading.leaves(self._read, size, range(block * BLOCK, (block + 1) * BLOCK))

    def _add(self, lasts: dict[Partition, int], *, keep: bool) -> None:
        for place, offset in lasts.items():
            offsets, blocks = self._lasts.setdefault(place, ([], []))
            offsets.append(offset)
            blocks.append(self._blocks)
        if keep:
            self._keep(lasts)
        self._blocks += 1

    def _keep(self, lasts: dict[Partition, int]) -> None:
        flat = [[*place, offset] for place, offset in lasts.items()]
        line = json.dumps([self._blocks, flat], separators=(",", ":")).encode() + b"\n"
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as output:
                output.write(line)

    def _load(self) -> None:
        """What the file holds up to its first line that does not follow: several may append."""
        with suppress(OSError, ValueError, TypeError), self._file.open("rb") as lines:
            for line in lines:
                block, flat = json.loads(line)
                if block > self._blocks:
                    return
                if block == self._blocks:
                    lasts = {Partition(topic, number): offset for topic, number, offset in flat}
                    self._add(lasts, keep=False)
