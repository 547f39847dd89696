"""Which events between two places of a log changed rows, and how: the log folded in memory.

It needs the log, and for what is sealed the key vault; neither Kafka nor the database. Everything
before the first place is folded too, since an event's change depends on the row that it meets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consumers.audit import changed, erased
from consumers.audit.changed import Changed, EventAt
from consumers.audit.cuts import Border, Cut
from consumers.audit.logged import STRETCH_LEAVES, Indexed, stretches
from consumers.progress import Progress
from infra.kafka import Partition, Record
from projections.batch import failure_of, fold_batch
from projections.copies import Copies
from projections.memory import Change, Tables
from projections.shells import Projection
from projections.store import Failure
from schemas.envelope import EnvelopeFault, parse
from schemas.topics import SUBJECT_REGISTERED
from streams.notary.directory import Read

STEP = "leaves folded"


@dataclass(frozen=True, slots=True)
class Asked:
    """Changes between two places of the log, of one subject or of all."""

    start: Cut
    end: Cut
    subject: str | None = None


@dataclass(slots=True)
class Difference:
    """What was found; `erased` counts changes of people who are erased, which are not told.

    `left_out` are events that could not be folded: where the key vault is another one's
    (`period_unknown`), the projection ends there.
    """

    changes: list[Changed] = field(default_factory=list)
    erased: int = 0
    left_out: list[Failure] = field(default_factory=list)


async def diff(
    read: Read, size: int, projections: Sequence[Projection], asked: Asked, progress: Progress
) -> Difference:
    """Folds the first `size` leaves, which were verified, and tells what changed in between.

    Raises:
        LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged.
        VaultUnavailable: try again.
    """
    parts = [_Part(one, asked.subject) for one in projections]
    start, end = Border(asked.start), Border(asked.end)
    gone: dict[str, int] = {}
    done = 0
    topics = {one.topic for one in projections} | {SUBJECT_REGISTERED.name}
    async for stretch in stretches(read, size, topics):
        before, between = _divided(stretch, start, end)
        for _, record in stretch:
            erased.note(gone, record)
        for part in parts:
            await part.fold(before, tell=False)
            await part.fold(between, tell=True)
        done = min(done + STRETCH_LEAVES, size)
        progress(STEP, done, size)
    found = Difference(left_out=[one for part in parts for one in part.left_out])
    for part in parts:
        # What outlives an erasure (the access log, the register of erasures) is told of everybody.
        kept, hidden = changed.without_erased(part.changes, gone if part.forgets else {})
        found.changes += kept
        found.erased += hidden
    found.changes.sort(key=lambda one: (one.event.leaf, one.projection, one.table))
    return found


def _divided(
    stretch: Sequence[Indexed], start: Border, end: Border
) -> tuple[list[Indexed], list[Indexed]]:
    """What lies before the first place, and what between the two."""
    before: list[Indexed] = []
    between: list[Indexed] = []
    for index, record in stretch:
        if start.admits(index, record):
            before.append((index, record))
        elif end.admits(index, record):
            between.append((index, record))
    return before, between


class _Part:
    """One projection in memory."""

    def __init__(self, projection: Projection, subject: str | None) -> None:
        self._projection = projection
        self._subject = subject
        self._tables = Tables(projection.primary_keys)
        self._copies: dict[int, Copies] = {}
        self.changes: list[Changed] = []
        self.left_out: list[Failure] = []
        self._stopped = False

    @property
    def forgets(self) -> bool:
        """Whether an erasure takes a subject's rows away."""
        return self._projection.forgets

    async def fold(self, records: Sequence[Indexed], *, tell: bool) -> None:
        """Applies records of its topic; with `tell` every row that changes is kept."""
        if self._stopped:
            return
        divided: dict[Partition, list[Indexed]] = {}
        for index, record in records:
            if record.topic == self._projection.topic:
                place = Partition(record.topic, record.partition)
                divided.setdefault(place, []).append((index, record))
        for place, own in divided.items():
            copies = {place.partition: self._copies.setdefault(place.partition, Copies())}
            polled = {place: [record for _, record in own]}
            batch = await fold_batch(self._projection, copies, polled, lambda *_: True)
            self.left_out += batch.set_aside
            at = {record.offset: (index, record) for index, record in own}
            for one in batch.changes:
                if self._subject is None or changed.concerns(one, self._subject):
                    self._apply(one, at, tell=tell)
            if batch.ended is not None:
                self.left_out.append(failure_of(*batch.ended))
                self._stopped = True
                return

    def _apply(self, change: Change, at: dict[int, Indexed], *, tell: bool) -> None:
        tables, projection = self._tables, self._projection
        tables.journal = [] if tell else None
        tables.apply([change])
        for touched in tables.journal or ():
            event = _event(*at[changed.position_of(change)])
            keys = projection.primary_keys[touched.table]
            found = changed.told(touched, event, projection.name, keys, projection.key_derived)
            if found is not None:
                self.changes.append(found)


def _event(index: int, record: Record) -> EventAt:
    envelope = parse(record.headers)
    if isinstance(envelope, EnvelopeFault):
        raise TypeError("an event without an envelope was folded")
    return EventAt(
        index,
        record.topic,
        record.partition,
        record.offset,
        envelope.id,
        envelope.type,
        envelope.time,
    )
