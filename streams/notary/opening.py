"""Opens a log for a reader who pins one of its keys: its checkpoint, and the handovers behind it.

The checkpoint is read before the handovers: what it needs of them was there before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.notary import handover, notes, reading, tree
from streams.notary.directory import CHECKPOINT, LogFileMissing, Read
from streams.notary.handover import HANDOVERS, HandoverInvalid, Handovers, LogKeys
from streams.notary.notes import Checkpoint, Verifier


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """A log at one moment; `note` is its checkpoint as published."""

    note: bytes
    checkpoint: Checkpoint
    keys: LogKeys
    handovers: Handovers
    """The handovers that the log shows, up to its checkpoint; of another succession than the
    pinned key's only those seen before."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Which key of the log a reader pins, and how many of which witnesses must have cosigned."""

    log: Verifier
    witnesses: Sequence[Verifier] = ()
    needed: int = 0


def open_log(
    read: Read, demand: Demand, note: bytes | None = None, *, seen: Handovers = ()
) -> OpenedLog:
    """The log that `read` gives, if its checkpoint is signed by whose turn it is.

    `note`: its checkpoint, if it was read already. `seen`: handovers that it has shown before.

    Raises:
        RetiredKeySigned: a former key has signed beyond its handover.
        HandoverInvalid: the handovers are malformed, not those seen before, or of another history.
        NoteInvalid: the checkpoint is malformed, or not signed by all that it needs.
        LogFileMissing, LogUnavailable: files are missing, or the log does not answer.
    """
    note = read(CHECKPOINT) if note is None else note
    shown = handovers_of(read, demand.log.name)
    same = shown[: len(seen)] == seen
    keys = LogKeys.of(demand.log, shown if same else seen)
    checkpoint = _opened(note, keys, demand)
    if not same:
        raise HandoverInvalid("the log hides or has changed a handover of its key that it showed")
    last = keys.handovers[-1].last if keys.handovers else None
    if last is not None and last.size > checkpoint.size:
        # It may have grown between the two readings.
        note = read(CHECKPOINT)
        checkpoint = _opened(note, keys, demand)
        _check_not_put_back(note, checkpoint, keys)
    if not keys.handovers:
        return OpenedLog(note, checkpoint, keys, seen)
    reached = tuple(one for one in shown if one.last.size <= checkpoint.size)
    _check_history(read, checkpoint, reached[len(seen) :])
    return OpenedLog(note, checkpoint, keys, reached)


def handovers_of(read: Read, origin: str) -> Handovers:
    """The handovers that a log shows; none if it has no such file.

    Raises:
        HandoverInvalid: they do not hold.
        LogUnavailable: the log does not answer.
    """
    try:
        return handover.parse(read(HANDOVERS), origin)
    except LogFileMissing:
        return ()


def _opened(note: bytes, keys: LogKeys, demand: Demand) -> Checkpoint:
    return handover.open_checkpoint(note, keys, demand.witnesses, needed=demand.needed)


def _check_not_put_back(note: bytes, checkpoint: Checkpoint, keys: LogKeys) -> None:
    """A copy may show a handover before the checkpoint that it follows, while both keys sign."""
    last = keys.handovers[-1]
    both = notes.parse_note(note).signed_by([last.successor])
    if last.last.size > checkpoint.size and not both:
        raise HandoverInvalid(
            f"the log has {checkpoint.size} leaves, and its key was handed over at "
            f"{last.last.size}: it was put back"
        )


def _check_history(read: Read, checkpoint: Checkpoint, handovers: Handovers) -> None:
    """Each handover was of this log: its tiles give the root that was handed over."""
    nodes = reading.nodes(read, checkpoint.size)
    for one in handovers:
        if tree.root_of(one.last.size, nodes) != one.last.root:
            raise HandoverInvalid(
                f"the key was handed over at {one.last.size} leaves of another history"
            )
