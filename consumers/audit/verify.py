"""Recomputes a log from its entries, and says whether it is what its checkpoints promise.

It needs the log's files and public keys and nothing else. Everything is recomputed: leaf hashes
from the bytes of the entries, every tile, every root. The first bad leaf is told by comparing with
the leaf tiles, and which of the two was altered by which of them leads to the signed root.
Source: DESIGN section 9; RFC 6962; C2SP tlog-tiles and tlog-checkpoint.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from consumers.audit.recount import Recount
from infra.kafka import Partition
from streams.notary import handover, leaf, reading, tiles, tree
from streams.notary.directory import CHECKPOINT, LogFileMissing, Read
from streams.notary.handover import HANDOVERS, HandoverInvalid, Handovers, RetiredKeySigned
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import Checkpoint, NoteInvalid, Verifier
from streams.notary.opening import Demand, open_log
from streams.notary.tiles import WIDTH, Tile
from streams.notary.tree import HASH_BYTES

FaultKind = Literal[
    "checkpoint",
    "handover",
    "retired",
    "rollback",
    "missing",
    "entry",
    "tile",
    "order",
    "fork",
    "root",
    "leaf",
]
Progress = Callable[[str, int, int], None]
STEP: Final = "leaves recomputed"
_TELL_EVERY: Final = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it must be: its kind, a sentence, and the leaf or file it is at."""

    kind: FaultKind
    sentence: str
    leaf: int | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. `since` leaves were verified before; `fault` is the first one, or None."""

    checkpoint: Checkpoint | None
    note: bytes
    since: int
    fault: Fault | None = None

    @property
    def holds(self) -> bool:
        """Whether the log is what its checkpoints promise."""
        return self.fault is None


class _Found(Exception):
    """Ends the walk at the first fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.sentence)
        self.fault = fault


@dataclass(slots=True)
class Memory:
    """What an auditor keeps between runs: earlier checkpoints, and how far the log was recomputed.

    `positions` are the next offsets of each partition, by which a record that stands twice is told;
    `handovers` those of its key that the log has shown.
    """

    kept: list[Checkpoint] = field(default_factory=list)
    recount: Recount = field(default_factory=Recount)
    positions: dict[Partition, int] = field(default_factory=dict)
    handovers: Handovers = ()


def verify(
    read: Read,
    log: Verifier,
    memory: Memory,
    *,
    witnesses: Sequence[Verifier] = (),
    needed: int = 0,
    progress: Progress = lambda _step, _done, _total: None,
) -> Verification:
    """Verifies the log that `read` gives, from where `memory` ends; total over every content.

    `memory` moves on only if everything holds.

    Raises:
        LogUnavailable: the log cannot be asked; a file that it has not is a fault instead.
    """
    note, checkpoint, since = b"", None, memory.recount.size
    try:
        note = read(CHECKPOINT)
        demand = Demand(log, witnesses, needed)
        opened = open_log(read, demand, note, seen=memory.handovers)
        note, checkpoint = opened.note, opened.checkpoint
        fault = check_growth(checkpoint, memory)
        if fault is not None:
            return Verification(checkpoint, note, since, fault)
        walk = _Walk(read, checkpoint, memory, progress)
        walk.run()
    except NoteInvalid as error:
        return Verification(None, note, since, note_fault(error))
    except LogFileMissing as error:
        return Verification(checkpoint, note, since, Fault("missing", str(error)))
    except _Found as found:
        return Verification(checkpoint, note, since, found.fault)
    if checkpoint not in memory.kept:
        memory.kept.append(checkpoint)
    memory.handovers = opened.handovers
    walk.remember(memory)
    return Verification(checkpoint, note, since)


def note_fault(error: NoteInvalid) -> Fault:
    """What is wrong with a log's checkpoint or with the succession of its keys."""
    match error:
        case RetiredKeySigned():
            return Fault("retired", f"The checkpoint: {error}.")
        case HandoverInvalid():
            return Fault("handover", f"The handovers: {error}.", None, HANDOVERS)
        case _:
            return Fault("checkpoint", f"The checkpoint: {error}.")


def check_growth(checkpoint: Checkpoint, memory: Memory) -> Fault | None:
    """Whether a checkpoint is smaller than, or differs from, one that was kept."""
    for kept in memory.kept:
        if kept.size > checkpoint.size:
            return Fault(
                "rollback",
                f"The log has {checkpoint.size} leaves, and once had a checkpoint of "
                f"{kept.size}: it was put back.",
            )
        if kept.size == checkpoint.size and kept.root != checkpoint.root:
            return Fault("fork", f"Two checkpoints of {kept.size} leaves have different roots.")
    return None


class _Walk:
    """One pass over the leaves that are new."""

    def __init__(
        self, read: Read, checkpoint: Checkpoint, memory: Memory, progress: Progress
    ) -> None:
        self._read = read
        self._checkpoint = checkpoint
        self._progress = progress
        self._tree = Recount.restored(memory.recount.saved())
        self._kept = {one.size: one for one in memory.kept}
        self._positions = dict(memory.positions)
        self._settled = dict(memory.positions)
        self._suspect: Fault | None = None
        self._good = memory.recount.size

    def run(self) -> None:
        size = self._checkpoint.size
        for index in range(self._tree.size // WIDTH, -(-size // WIDTH)):
            self._tile(Tile(0, index, tiles.width_at(size, 0, index)))
            if index % _TELL_EVERY == 0:
                self._progress(STEP, self._tree.size, size)
        self._progress(STEP, size, size)
        self._conclude()
        self._check_upper_tiles()

    def remember(self, memory: Memory) -> None:
        """Moves the auditor's memory to the last full tile: a partial one is read again."""
        memory.recount = Recount.restored(self._tree.saved())
        memory.positions = self._settled

    def _tile(self, tile: Tile) -> None:
        entries = list(_entries_of(reading.bundle(self._read, tile.index, tile.width)))
        hashes = [tree.leaf_hash(entry) for entry in entries]
        stored = reading.tile(self._read, tile)
        told = [stored[at : at + HASH_BYTES] for at in range(0, len(stored), HASH_BYTES)]
        self._compare(tile, hashes, told)
        self._check_order(tile, entries)
        self._tree.add(b"".join(hashes))
        self._check_kept(tile)
        if tile.width == WIDTH:
            self._settled = dict(self._positions)

    def _compare(self, tile: Tile, hashes: list[bytes], told: list[bytes]) -> None:
        """Notes the first leaf whose entry and tile disagree; which is wrong shows at the end."""
        if hashes == told and len(hashes) == tile.width:
            return
        first = tile.index * WIDTH
        pairs = zip(hashes, told, strict=False)
        same = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
        at = min(len(hashes), len(told)) if same is None else same
        fault = Fault(
            "entry",
            f"Leaf {first + at} is not what was logged: its entry and its hash disagree.",
            first + at,
            tiles.bundle_path(tile.index, tile.width),
        )
        if len(hashes) != tile.width or len(told) != tile.width:
            raise _Found(fault)
        self._suspect = self._suspect or fault

    def _check_order(self, tile: Tile, entries: list[bytes]) -> None:
        for at, entry in enumerate(entries):
            number = tile.index * WIDTH + at
            try:
                topic, partition, offset = leaf.place(entry)
            except LeafInvalid as error:
                self._suspect = self._suspect or Fault(
                    "leaf", f"Leaf {number} is no record: {error}.", number
                )
                return
            place = Partition(topic, partition)
            if offset < self._positions.get(place, 0) and self._suspect is None:
                self._suspect = Fault(
                    "order",
                    f"Leaf {number} repeats or goes behind offset {offset} of {topic}"
                    f"[{partition}], which the log has passed.",
                    number,
                )
            self._positions[place] = offset + 1

    def _check_kept(self, tile: Tile) -> None:
        first = tile.index * WIDTH
        for size in range(first + 1, first + tile.width + 1):
            kept = self._kept.get(size)
            if kept is None or self._suspect is not None:
                continue
            if self._tree.root(size) != kept.root:
                raise _Found(
                    Fault(
                        "fork",
                        f"The first {size} leaves do not give the root of the checkpoint that was "
                        f"kept; the first {self._good} still do.",
                        self._good,
                    )
                )
            self._good = size

    def _conclude(self) -> None:
        size, suspect = self._checkpoint.size, self._suspect
        if self._tree.root(size) != self._checkpoint.root:
            raise _Found(suspect or self._forged(size))
        if suspect is None:
            return
        if suspect.kind == "entry" and suspect.leaf is not None:
            # The entries lead to the signed root, so it is the tile that was altered.
            index = suspect.leaf // WIDTH
            path = Tile(0, index, tiles.width_at(size, 0, index)).path
            sentence = f"{path} does not hold the hash of leaf {suspect.leaf}."
            raise _Found(Fault("tile", sentence, suspect.leaf, path))
        raise _Found(suspect)

    def _forged(self, size: int) -> Fault:
        """Entries and leaf tiles agree, but not with the root: the tiles above tell where."""
        first = next((at for at in self._differing_tiles()), None)
        start = self._good if first is None else max(self._good, first * WIDTH)
        return Fault(
            "root",
            f"The {size} leaves do not give the checkpoint's root: leaf {start} or one of those "
            "behind it was altered together with its hash.",
            start,
        )

    def _differing_tiles(self) -> Iterator[int]:
        """Indexes of leaf tiles whose root is not what the tile above them says."""
        for tile in tiles.tiles_of(self._checkpoint.size):
            if tile.level == 1:
                stored = reading.tile(self._read, tile)
                counted = self._tree.upper(tile)
                for at in range(0, len(counted), HASH_BYTES):
                    if stored[at : at + HASH_BYTES] != counted[at : at + HASH_BYTES]:
                        yield tile.index * WIDTH + at // HASH_BYTES

    def _check_upper_tiles(self) -> None:
        for tile in tiles.tiles_of(self._checkpoint.size):
            if tile.level and reading.tile(self._read, tile) != self._tree.upper(tile):
                sentence = f"{tile.path} does not hold the hashes of the tiles below it."
                raise _Found(Fault("tile", sentence, None, tile.path))


def _entries_of(data: bytes) -> Iterator[bytes]:
    """The entries of a bundle as far as their lengths can be followed."""
    at = 0
    while at + 2 <= len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        if at > len(data):
            return
        yield data[start:at]


def memory_from(saved: Mapping[str, object]) -> Memory:
    """What `saved_memory` kept.

    Raises:
        ValueError, KeyError, TypeError: it is not that.
    """
    kept, positions = saved["checkpoints"], saved["positions"]
    recount = saved["recount"]
    if not (isinstance(kept, list) and isinstance(positions, dict) and isinstance(recount, dict)):
        raise ValueError("not what an auditor kept")  # noqa: TRY004 - one error for all of it
    return Memory(
        [Checkpoint(origin, size, bytes.fromhex(root)) for origin, size, root in kept],
        Recount.restored(recount),
        {
            Partition(topic, int(number)): offset
            for topic, offsets in positions.items()
            for number, offset in offsets.items()
        },
        _handovers(saved.get("handovers", [])),
    )


def saved_memory(memory: Memory) -> dict[str, object]:
    """What `memory_from` reads, as JSON can hold it."""
    positions: dict[str, dict[str, int]] = {}
    for place, offset in sorted(memory.positions.items()):
        positions.setdefault(place.topic, {})[str(place.partition)] = offset
    kept = [[one.origin, one.size, one.root.hex()] for one in memory.kept]
    return {
        "checkpoints": kept,
        "recount": memory.recount.saved(),
        "positions": positions,
        "handovers": [one.text for one in memory.handovers],
    }


def _handovers(saved: object) -> Handovers:
    if not isinstance(saved, list):
        raise ValueError("not what an auditor kept")  # noqa: TRY004 - one error for all of it
    try:
        return tuple(handover.from_text(str(text)) for text in saved)
    except HandoverInvalid:
        raise ValueError("not what an auditor kept") from None
