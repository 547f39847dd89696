"""What one poll becomes: events opened and folded, and how far it brings each partition."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from infra.kafka import Partition, Record
from projections.copies import Copies, Verdict
from projections.events import Event, Unfoldable, open_record
from projections.opening import VAULT_DIFFERS
from projections.shells import Projection
from projections.store import Failure, Move, Place, SourcePlace
from schemas.envelope import EnvelopeFault, parse

NEVER_SET_ASIDE: Final = frozenset({VAULT_DIFFERS})
"""Reasons that say something of the whole installation, not of one event."""
SLICE: Final = 100
"""Records that are folded without a pause, in which a commit beside it can go on by one step."""
_NO_LIMIT: Final = 2**63 - 1


@dataclass(slots=True)
class Batch:
    """The row changes of a poll; with `ended`, only of what came before that record.

    `sources` are the last stage outputs of each partition among the events.
    """

    changes: list[Any] = field(default_factory=list)
    events: int = 0
    shredded: int = 0
    dropped: list[tuple[Verdict, Record]] = field(default_factory=list)
    set_aside: list[Failure] = field(default_factory=list)
    sources: dict[int, SourcePlace] = field(default_factory=dict)
    ended: tuple[Record, str] | None = None


MaySetAside = Callable[[Record, int], bool]
"""Whether an event with wrong content may be left out, as the so-many-th of this batch."""


def strict(_: Record, _number: int) -> bool:
    """Nothing may be left out."""
    return False


def failure_of(record: Record, category: str) -> Failure:
    """Why this record was not taken over, without a word of content."""
    envelope = parse(record.headers)
    kind = None if isinstance(envelope, EnvelopeFault) else envelope.type
    return Failure(category, record.topic, record.partition, record.offset, kind)


async def fold_batch(
    projection: Projection,
    copies: Mapping[int, Copies],
    polled: Mapping[Partition, Sequence[Record]],
    may_set_aside: MaySetAside = strict,
) -> Batch:
    """Folds everything polled up to the first event that may not be left out."""
    batch = Batch()
    records = [record for records in polled.values() for record in records]
    for start in range(0, len(records), SLICE):
        slice_ = records[start : start + SLICE]
        events = _admit(projection, copies, slice_, batch, may_set_aside)
        await _fold_into(batch, projection, events, may_set_aside)
        if batch.ended is not None:
            break
        await asyncio.sleep(0)
    _forget_what_came_after(batch, polled)
    return batch


async def _fold_into(
    batch: Batch, projection: Projection, events: Sequence[Event], may_set_aside: MaySetAside
) -> None:
    start = 0
    while True:
        folded = await projection.fold(events[start:])
        batch.changes += folded.changes
        batch.events += folded.events
        batch.shredded += folded.shredded
        start += folded.events
        if folded.failure is None:
            break
        if not _leave_out(batch, events[start].record, folded.failure, may_set_aside):
            break
        start += 1
    for event in events[:start]:
        if event.source is not None:
            batch.sources[event.record.partition] = event.source


def _admit(
    projection: Projection,
    copies: Mapping[int, Copies],
    records: Sequence[Record],
    batch: Batch,
    may_set_aside: MaySetAside,
) -> list[Event]:
    """Events that are new, in order; copies of what was passed are noted."""
    admitted = []
    for record in records:
        try:
            event = open_record(record, from_stage=projection.from_stage)
        except Unfoldable as error:
            if _leave_out(batch, record, error.category, may_set_aside):
                continue
            break
        if event.source is not None:
            verdict = copies[record.partition].judge(event.source, record.key, record.value)
            if verdict != "new":
                batch.dropped.append((verdict, record))
                continue
        admitted.append(event)
    return admitted


def _leave_out(batch: Batch, record: Record, category: str, may_set_aside: MaySetAside) -> bool:
    if category not in NEVER_SET_ASIDE and may_set_aside(record, len(batch.set_aside) + 1):
        batch.set_aside.append(failure_of(record, category))
        return True
    batch.ended = (record, category)
    return False


def _forget_what_came_after(batch: Batch, polled: Mapping[Partition, Sequence[Record]]) -> None:
    """An event that ends a batch may lie before others that were set aside already."""
    if batch.ended is not None:
        passed = passed_partitions(polled, batch.ended)
        batch.set_aside = [
            one
            for one in batch.set_aside
            if one.partition in passed
            and (one.position or 0) < limit_of(one.partition or 0, batch.ended)
        ]


def moves(
    batch: Batch,
    polled: Mapping[Partition, Sequence[Record]],
    positions: Mapping[Partition, int],
    places: Mapping[int, Place],
) -> list[Move]:
    """The step of each partition: to the reader's position, or to the event that ended it."""
    passed = passed_partitions(polled, batch.ended)
    steps = []
    for one, reached in positions.items():
        place = places[one.partition]
        if one in polled and one.partition not in passed:
            continue
        position = min(reached, limit_of(one.partition, batch.ended))
        if position != place.position:
            to = Place(position, batch.sources.get(one.partition) or place.source)
            steps.append(Move(one.partition, place.position, to))
    return sorted(steps, key=lambda move: move.partition)


def limit_of(partition: int, ended: tuple[Record, str] | None) -> int:
    """The offset before which a partition may be counted as applied."""
    if ended is None or ended[0].partition != partition:
        return _NO_LIMIT
    return ended[0].offset


def passed_partitions(
    polled: Mapping[Partition, Sequence[Record]], ended: tuple[Record, str] | None
) -> set[int]:
    """The polled partitions that were worked on: those after the one that ended are not."""
    passed = set()
    for one in polled:
        passed.add(one.partition)
        if ended is not None and ended[0].partition == one.partition:
            break
    return passed
