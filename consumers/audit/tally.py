"""What a log tells of a period, counted: events, outcomes, decisions, erasures, gaps; pure.

A record belongs to the period by its append time. Gaps and erasures are followed from the beginning
of the log to the end of the period, so that what is still open there is known.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from consumers.audit.report import Window
from infra.kafka import Partition, Record
from projections.copies import Copies, source_place
from schemas import events, topics
from schemas.audit import Decided, PharmacyRevealed
from schemas.envelope import Envelope, EnvelopeFault, from_millis, parse
from schemas.model import Model
from schemas.receipts import GapClosed, GapNoticed, Receipt
from schemas.subject import ErasureApproved, ErasureExecuted, ErasureRejected, ErasureRequested

_MODELS: Final = events.by_topic()
_REGISTRATIONS: Final = topics.SUBJECT_RECEIPTS.name


@dataclass(slots=True)
class ErasureSeen:
    """An erasure of one generation of a subject, as far as it is by the end of the period.

    `executed_in_period` says whether its execution lies in it.
    """

    id: str
    subject: str
    generation: int
    phase: str = "requested"
    approvals: int = 0
    executed_in_period: bool = False


@dataclass(slots=True)
class _Gap:
    last: int
    missing: int


@dataclass(slots=True)
class Tally:
    """The counts; `add` takes records in the order of the log."""

    window: Window
    records: int = 0
    unreadable: int = 0
    """Records of the period that are no event of the contract."""
    copies: int = 0
    """Outputs of a stage behind their order, as a fenced writer leaves them: counted once only."""
    by_topic: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    """Outcomes of submissions."""
    registrations: Counter[str] = field(default_factory=Counter)
    """Outcomes of registrations."""
    decisions: Counter[str] = field(default_factory=Counter)
    """Accesses: the basis of a permit, the reason of a deny."""
    erasures: dict[tuple[str, str, int], ErasureSeen] = field(default_factory=dict)
    gaps_noticed: int = 0
    numbers_missing: int = 0
    numbers_arrived: int = 0
    _gaps: dict[tuple[str, str], dict[int, _Gap]] = field(default_factory=dict)
    _passed: dict[Partition, Copies] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Counts one record; what cannot be read is counted as that."""
        at = from_millis(record.timestamp_ms)
        if at >= self.window.end:
            return
        inside = self.window.holds(at)
        envelope = parse(record.headers)
        kind = None
        if not isinstance(envelope, EnvelopeFault):
            kind = envelope.type
            if self._is_copy(record, envelope):
                self.copies += inside
                return
        event = _read(record, kind)
        if inside:
            self.records += 1
            self.by_topic[record.topic] += 1
            if event is None or kind is None:
                self.unreadable += 1
            else:
                self.by_type[kind] += 1
        if event is not None:
            self._count(record.topic, event, inside=inside)

    def open_gaps(self) -> dict[str, int]:
        """Numbers that are still missing at the end of the period, by pharmacy."""
        found: Counter[str] = Counter()
        for (publisher, _), gaps in self._gaps.items():
            found[publisher] += sum(one.missing for one in gaps.values())
        return {publisher: missing for publisher, missing in sorted(found.items()) if missing}

    def _is_copy(self, record: Record, envelope: Envelope) -> bool:
        place = source_place(envelope)
        if place is None:
            return False
        passed = self._passed.setdefault(Partition(record.topic, record.partition), Copies())
        return passed.judge(place, record.key, record.value) != "new"

    def _count(self, topic: str, event: Model, *, inside: bool) -> None:
        match event:
            case Receipt(outcome=outcome):
                counted = self.registrations if topic == _REGISTRATIONS else self.receipts
                counted[outcome] += inside
            case Decided():
                self._decided(event, inside=inside)
            case PharmacyRevealed(access=access):
                self._decided(access, inside=inside)
            case GapNoticed():
                self._noticed(event, inside=inside)
            case GapClosed():
                self._closed(event, inside=inside)
            case ErasureRequested() | ErasureApproved() | ErasureRejected() | ErasureExecuted():
                self._erasing(event, inside=inside)
            case _:
                pass

    def _decided(self, event: Decided, *, inside: bool) -> None:
        why = event.basis if event.decision == "permit" else event.reason
        self.decisions[f"{event.decision}: {why or 'none'}"] += inside

    def _noticed(self, event: GapNoticed, *, inside: bool) -> None:
        gaps = self._gaps.setdefault((event.publisher, event.epoch), {})
        if event.first not in gaps and event.first <= event.last:
            missing = event.last - event.first + 1
            gaps[event.first] = _Gap(event.last, missing)
            self.gaps_noticed += inside
            self.numbers_missing += missing * inside

    def _closed(self, event: GapClosed, *, inside: bool) -> None:
        for first, gap in self._gaps.get((event.publisher, event.epoch), {}).items():
            if first <= event.number <= gap.last and gap.missing:
                gap.missing -= 1
                self.numbers_arrived += inside
                return

    def _erasing(
        self,
        event: ErasureRequested | ErasureApproved | ErasureRejected | ErasureExecuted,
        *,
        inside: bool,
    ) -> None:
        key = (event.erasure, event.subject, event.generation)
        seen = self.erasures.setdefault(key, ErasureSeen(*key))
        match event:
            case ErasureApproved():
                seen.approvals += 1
            case ErasureRejected():
                seen.phase = "rejected"
            case ErasureExecuted():
                seen.phase = "executed"
                seen.executed_in_period = inside
            case ErasureRequested():
                pass


def _read(record: Record, kind: str | None) -> Model | None:
    model = _MODELS.get(record.topic, {}).get(kind or "")
    if model is None or record.value is None:
        return None
    try:
        return model.read(record.value)
    except ValidationError:
        return None
