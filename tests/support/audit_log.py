"""A small signed log on disk, and every way in which somebody may tamper with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams.notary import leaf, notes
from streams.notary.directory import CHECKPOINT, LogDirectory
from streams.notary.leaf import Leaf
from streams.notary.notes import Checkpoint, Note
from streams.notary.writer import LogWriter

ORIGIN: Final = "dpp.example/log"
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG: Final = notes.verifier(ORIGIN, KEY)


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


def signed(size: int, root: bytes, *, key: Ed25519PrivateKey = KEY) -> bytes:
    """A checkpoint as the log publishes it."""
    text = Checkpoint(ORIGIN, size, root).text
    return str(Note(text, (notes.sign(text, ORIGIN, key),))).encode()


def grow(
    folder: Path, entries: Sequence[bytes], checkpoint: Checkpoint | None = None
) -> Checkpoint:
    """Appends entries to the log in `folder` and publishes a checkpoint."""
    directory = LogDirectory(folder)
    writer = LogWriter(directory, checkpoint)
    writer.append(entries)
    directory.write({CHECKPOINT: signed(writer.size, writer.root)})
    writer.published()
    return Checkpoint(ORIGIN, writer.size, writer.root)
