"""Up to where of a log something is looked at: so many leaves, or up to a moment; pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from infra.kafka import Partition
from streams.notary.leaf import Placed

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class CutInvalid(ValueError):
    """A text names no place in a log; its message says what would."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The first `size` leaves, and of them those appended before a moment; None is no limit."""

    size: int | None = None
    before: datetime | None = None

    def holds(self, index: int, timestamp_ms: int) -> bool:
        """Whether a leaf lies before the cut, by its index and append time."""
        if self.size is not None and index >= self.size:
            return False
        if self.before is None:
            return True
        return timestamp_ms < (self.before - _EPOCH).total_seconds() * 1000

    def __str__(self) -> str:
        if self.size is not None:
            return f"leaf {self.size}"
        return "the end" if self.before is None else self.before.isoformat()


EVERYTHING: Final = Cut()


def parse(text: str) -> Cut:
    """A number of leaves, or a time with its offset from UTC.

    Raises:
        CutInvalid: it is neither.
    """
    if text.isascii() and text.isdigit():
        return Cut(size=int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - only to be refused below
    if moment.tzinfo is None:
        raise CutInvalid(
            "name a number of leaves, or a time with its offset, like 2026-11-01T00:00:00+01:00"
        )
    return Cut(before=moment.astimezone(UTC))


@dataclass(slots=True)
class Border:
    """Where a cut runs through each partition, as far as leaves were shown to it.

    The first record at or after a moment ends its partition, even if a later one bears an earlier
    time: that is how a moment becomes positions everywhere (docs/design/projections.md).
    """

    cut: Cut
    next: dict[Partition, int] = field(default_factory=dict)
    """The offset behind the last record that lies before the cut."""
    beyond: dict[Partition, int] = field(default_factory=dict)
    """The first record that does not."""

    def admits(self, index: int, record: Placed) -> bool:
        """Whether the record of a leaf lies before the cut; leaves come in order."""
        place = Partition(record.topic, record.partition)
        if place in self.beyond:
            return False
        if not self.cut.holds(index, record.timestamp_ms):
            self.beyond[place] = record.offset
            return False
        self.next[place] = record.offset + 1
        return True
