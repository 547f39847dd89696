"""A small signed log on disk, and every way in which somebody may tamper with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams.notary import handover, leaf, notes
from streams.notary.directory import CHECKPOINT, LogDirectory
from streams.notary.handover import HANDOVERS
from streams.notary.leaf import Leaf
from streams.notary.notes import Checkpoint, Note
from streams.notary.writer import LogWriter

ORIGIN: Final = "dpp.example/log"
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG: Final = notes.verifier(ORIGIN, KEY)
NEXT_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
NEXT: Final = notes.verifier(ORIGIN, NEXT_KEY)
"""The key that follows, where the log's key is handed over."""


def entry(number: int, *, value: bytes = b"sealed") -> bytes:
    """Leaf `number`: records of two partitions in turn."""
    return leaf.encode(
        Leaf(
            topic="dpp.access.audited",
            partition=number % 2,
            offset=number // 2 * 3,
            timestamp_ms=1_795_000_000_000 + number,
            key=b"subject",
            headers=(("ce_id", b"%d" % number),),
            value=value + b" %d" % number,
        )
    )


def signed(size: int, root: bytes, *more: Ed25519PrivateKey, key: Ed25519PrivateKey = KEY) -> bytes:
    """A checkpoint as the log publishes it; `more` sign beside its key."""
    text = Checkpoint(ORIGIN, size, root).text
    return str(Note(text, tuple(notes.sign(text, ORIGIN, one) for one in (key, *more)))).encode()


def grow(
    folder: Path,
    entries: Sequence[bytes],
    checkpoint: Checkpoint | None = None,
    *more: Ed25519PrivateKey,
    key: Ed25519PrivateKey = KEY,
) -> Checkpoint:
    """Appends entries to the log in `folder` and publishes a checkpoint."""
    directory = LogDirectory(folder)
    writer = LogWriter(directory, checkpoint)
    writer.append(entries)
    directory.write({CHECKPOINT: signed(writer.size, writer.root, *more, key=key)})
    writer.published()
    return Checkpoint(ORIGIN, writer.size, writer.root)


def hand_over(
    folder: Path,
    last: Checkpoint,
    former: Ed25519PrivateKey = KEY,
    successor: Ed25519PrivateKey = NEXT_KEY,
) -> None:
    """Adds the handover after a checkpoint to the log in `folder`."""
    file = folder / HANDOVERS
    before = file.read_bytes() if file.exists() else b""
    note = handover.signed(last, former, successor)
    LogDirectory(folder).write({HANDOVERS: handover.joined(before, note)})
