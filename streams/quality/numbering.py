"""Sequence numbers of a publisher: which were used, which are missing, and what a replay is.

Each pharmacy numbers its submissions from 1 in an epoch of its own choosing; a reinstalled software
starts another epoch. A number is used once the seal has shown that the publisher wrote it, whatever
became of the content. Source: DESIGN section 6; a message replay is the same (source, id), 4.3.
"""

from dataclasses import dataclass, field
from typing import Literal

from schemas.model import Model
from schemas.receipts import GapClosed, GapNoticed, SubmissionRef


@dataclass(frozen=True, slots=True)
class Used:
    """What a number stands for; `receipt` holds the bytes of the answer that it got."""

    id: str
    digest: str
    receipt: bytes


@dataclass(slots=True)
class Epoch:
    """Numbers of one epoch: the used ones, the highest, and the missing ranges below it."""

    highest: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    used: dict[int, Used] = field(default_factory=dict)


@dataclass(slots=True)
class Numbers:
    """Everything that is remembered of one publisher; `ids` says where an id was first used."""

    epochs: dict[str, Epoch] = field(default_factory=dict)
    ids: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Numbered:
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


def decide(numbers: Numbers | None, claim: Numbered) -> Fresh | Replay | Reused:
    """What the number and id of a submission make of it."""
    epoch = numbers.epochs.get(claim.epoch) if numbers else None
    used = epoch.used.get(claim.sequence) if epoch else None
    if used is not None:
        if (used.id, used.digest) == (claim.id, claim.digest):
            return Replay(used)
        return Reused("SEQUENCE_REUSED", content_only=used.id == claim.id)
    notices = _notices(epoch or Epoch(), claim)
    if numbers is not None and claim.id in numbers.ids:
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


class Answered(Model):
    """The member of a receipt that is remembered; reading its findings would cost more."""

    submission: SubmissionRef


def evolve(numbers: Numbers, ref: SubmissionRef, written: bytes) -> None:
    """Remember what a receipt says of its submission's number; the first use of each wins.

    `written` are the receipt's bytes. A receipt without a trusted number changes nothing.
    """
    if ref.sequence is None or ref.epoch is None or ref.id is None or ref.digest is None:
        return
    epoch = numbers.epochs.setdefault(ref.epoch, Epoch())
    if ref.sequence not in epoch.used:
        epoch.used[ref.sequence] = Used(ref.id, ref.digest, written)
        _arrive(epoch, ref.sequence)
    numbers.ids.setdefault(ref.id, (ref.epoch, ref.sequence))


def _arrive(epoch: Epoch, number: int) -> None:
    if number > epoch.highest:
        if number > epoch.highest + 1:
            epoch.missing.append((epoch.highest + 1, number - 1))
        epoch.highest = number
        return
    epoch.missing = [part for gap in epoch.missing for part in _without(gap, number)]


def _without(gap: tuple[int, int], number: int) -> tuple[tuple[int, int], ...]:
    first, last = gap
    if not first <= number <= last:
        return (gap,)
    return tuple(part for part in ((first, number - 1), (number + 1, last)) if part[0] <= part[1])
