"""Sequence numbers of a publisher: which were used, which are missing, and what a replay is.

Each pharmacy numbers its submissions from 1 in an epoch of its own choosing; a reinstalled software
starts another epoch. A number is used once the seal has shown that the publisher wrote it, whatever
became of the content. Source: DESIGN section 6; a message replay is the same (source, id), 4.3.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from schemas.model import Model
from schemas.receipts import GapClosed, GapNoticed, SubmissionRef
from streams.engine.tables import Layout, StateTables

MAX_MISSING: Final = 1000
"""Ranges of missing numbers remembered per epoch; of older ones only where they end."""


class Answered(Model):
    """The member of a receipt that is remembered; reading its findings would cost more."""

    submission: SubmissionRef


@dataclass(frozen=True, slots=True)
class Used:
    """What a number stands for; `receipt` holds the bytes of the answer that it got."""

    id: str
    digest: str
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Epoch:
    """Numbers of one epoch, for ever: the highest, and the missing ranges below it.

    Of the numbers up to `forgotten` it is not known whether they are missing.
    """

    highest: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    forgotten: int = 0

    def is_used(self, number: int) -> bool:
        """Whether the number surely was used."""
        known = self.forgotten < number <= self.highest
        return known and not any(first <= number <= last for first, last in self.missing)


class Numbers:
    """Everything that is remembered of all publishers' numbers.

    `epochs` by publisher and epoch; `used` by publisher, epoch and number, and `ids` by publisher
    and id, both for `horizon`: long after the session that could repeat them.
    """

    def __init__(self, tables: StateTables, horizon: timedelta) -> None:
        self.epochs = tables.table(_EPOCHS)
        self.used = tables.table(_used(horizon))
        self.ids = tables.table(_ids(horizon))


def _text_key(parts: tuple[str, ...]) -> bytes:
    return "\0".join(parts).encode()


def _number_key(key: tuple[str, str, int]) -> bytes:
    publisher, epoch, number = key
    return _text_key((publisher, epoch, "")) + number.to_bytes(8, "big")


def _read_epoch(data: bytes) -> Epoch:
    highest, missing, forgotten = json.loads(data)
    return Epoch(highest, tuple((first, last) for first, last in missing), forgotten)


def _read_used(data: bytes) -> Used:
    ref = Answered.read(data).submission
    if ref.id is None or ref.digest is None:
        raise ValueError("a number was remembered whose receipt does not name it")
    return Used(ref.id, ref.digest, data)


_EPOCHS: Final = Layout[tuple[str, str], Epoch](
    name="epoch",
    key=_text_key,
    write=lambda epoch: json.dumps((epoch.highest, epoch.missing, epoch.forgotten)).encode(),
    read=_read_epoch,
    cached=2048,
)


def _used(horizon: timedelta) -> Layout[tuple[str, str, int], Used]:
    return Layout("number", _number_key, lambda used: used.receipt, _read_used, horizon)


def _ids(horizon: timedelta) -> Layout[tuple[str, str], bool]:
    return Layout("id", _text_key, lambda _known: b"", lambda _data: True, horizon)


class Numbered(NamedTuple):
    """What the seal has shown of a submission, and the digest of its content."""

    publisher: str
    epoch: str
    sequence: int
    id: str
    digest: str


Notice = GapNoticed | GapClosed


@dataclass(frozen=True, slots=True)
class Fresh:
    """A submission that was not seen before, and what its number says about others."""

    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """The same submission again; its answer is the earlier one."""

    used: Used


@dataclass(frozen=True, slots=True)
class Reused:
    """A number or id that stands for another submission.

    `content_only`: number and id agree, the content does not.
    """

    code: Literal["SEQUENCE_REUSED", "ID_REUSED"]
    notices: tuple[Notice, ...] = ()
    content_only: bool = False


def decide(numbers: Numbers, claim: Numbered) -> Fresh | Replay | Reused:
    """What the number and id of a submission make of it."""
    used = numbers.used.get((claim.publisher, claim.epoch, claim.sequence))
    if used is not None:
        if (used.id, used.digest) == (claim.id, claim.digest):
            return Replay(used)
        return Reused("SEQUENCE_REUSED", content_only=used.id == claim.id)
    epoch = numbers.epochs.get((claim.publisher, claim.epoch)) or Epoch()
    if epoch.is_used(claim.sequence):
        # Longer ago than anybody remembers as what.
        return Reused("SEQUENCE_REUSED")
    notices = _notices(epoch, claim)
    if numbers.ids.get((claim.publisher, claim.id)):
        return Reused("ID_REUSED", notices)
    return Fresh(notices)


def _notices(epoch: Epoch, claim: Numbered) -> tuple[Notice, ...]:
    if claim.sequence < epoch.highest:
        closed = GapClosed(publisher=claim.publisher, epoch=claim.epoch, number=claim.sequence)
        return (closed,)
    if claim.sequence == epoch.highest + 1:
        return ()
    gap = GapNoticed(
        publisher=claim.publisher,
        epoch=claim.epoch,
        first=epoch.highest + 1,
        last=claim.sequence - 1,
    )
    return (gap,)


def evolve(numbers: Numbers, publisher: str, ref: SubmissionRef, written: bytes) -> None:
    """Remember what a receipt says of its submission's number; the first use of each wins.

    `written` are the receipt's bytes. A receipt without a trusted number changes nothing.
    """
    if ref.sequence is None or ref.epoch is None or ref.id is None or ref.digest is None:
        return
    number = (publisher, ref.epoch, ref.sequence)
    epoch = numbers.epochs.get((publisher, ref.epoch)) or Epoch()
    if not epoch.is_used(ref.sequence) and numbers.used.get(number) is None:
        numbers.used.put(number, Used(ref.id, ref.digest, written))
        numbers.epochs.put((publisher, ref.epoch), _arrive(epoch, ref.sequence))
    if not numbers.ids.get((publisher, ref.id)):
        numbers.ids.put((publisher, ref.id), True)


def _arrive(epoch: Epoch, number: int) -> Epoch:
    if number <= epoch.highest:
        left = tuple(part for gap in epoch.missing for part in _without(gap, number))
        return _bounded(Epoch(epoch.highest, left, epoch.forgotten))
    gap = ((epoch.highest + 1, number - 1),) if number > epoch.highest + 1 else ()
    return _bounded(Epoch(number, (*epoch.missing, *gap), epoch.forgotten))


def _bounded(epoch: Epoch) -> Epoch:
    over = len(epoch.missing) - MAX_MISSING
    if over <= 0:
        return epoch
    return Epoch(epoch.highest, epoch.missing[over:], epoch.missing[over - 1][1])


def _without(gap: tuple[int, int], number: int) -> tuple[tuple[int, int], ...]:
    first, last = gap
    if not first <= number <= last:
        return (gap,)
    return tuple(part for part in ((first, number - 1), (number + 1, last)) if part[0] <= part[1])
