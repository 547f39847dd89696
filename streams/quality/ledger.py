"""A patient's lines in one pharmacy, as a submission finds them and as its own lines change them.

Content is opened only when a rule compares it, with secrets that were gathered before; so deciding
stays pure, and a submission that returns nothing opens at most the lines of its own day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.dispensation import CORRECTED, REGISTERED, LineContent
from schemas.keyvault import PeriodSecret
from schemas.sealing import facts
from streams.quality import state as states
from streams.quality.content import Delivered
from streams.quality.gathered import Visit
from streams.quality.lifecycle import LineState
from streams.quality.state import Held, QualityState


@dataclass(slots=True)
class Ledger:
    """The lines of the visit's pharmacy; `enter` adds those of the submission one by one."""

    visit: Visit
    state: QualityState
    _entered: dict[str, tuple[LineState, Delivered]] = field(default_factory=dict)
    _listed: tuple[Held, ...] | None = None

    def line(self, dguid: str) -> LineState | None:
        """Where a line stands."""
        if dguid in self._entered:
            return self._entered[dguid][0]
        return states.line_of(self.state, self.visit.pharmacy, dguid)

    def enter(self, dguid: str, line: LineState, content: Delivered) -> None:
        """Take in a line of the submission that enters the record."""
        self._entered[dguid] = (line, content)

    def content(self, dguid: str) -> Delivered | None:
        """What a line of the visit's patient says; None if it was revoked or its keys are gone."""
        if dguid in self._entered:
            return self._entered[dguid][1]
        line = states.line_of(self.state, self.visit.pharmacy, dguid)
        return None if line is None else self._open(dguid, line)

    def others(self, dguid: str, period: str | None = None) -> Iterator[Delivered]:
        """What the patient's other lines that stand say; those of one period, if it is named."""
        for held in self._held():
            other = held.dguid not in self._entered and held.dguid != dguid
            if other and (period is None or held.period == period):
                content = self.content(held.dguid)
                if content is not None:
                    yield content
        for named, (line, content) in self._entered.items():
            if named != dguid and (period is None or line.period == period):
                yield content

    def _held(self) -> tuple[Held, ...]:
        """The patient's lines before this submission."""
        if self._listed is None:
            visit = self.visit
            self._listed = states.held_by(self.state, visit.pharmacy, visit.subject.subject)
        return self._listed

    def _open(self, dguid: str, line: LineState) -> LineContent | None:
        subject = self.visit.subject
        theirs = (line.subject, line.generation) == (subject.subject, subject.generation)
        if line.status == "revoked" or not theirs:
            return None
        period = self.visit.gathered.periods[line.period]
        if not isinstance(period, PeriodSecret):
            return None
        associated = facts.record_associated_data(
            type_=REGISTERED if line.status == "registered" else CORRECTED,
            pharmacy=self.visit.pharmacy,
            dguid=dguid,
            version=line.version,
            subject=line.subject,
            generation=line.generation,
            period=line.period,
        )
        keys = self.visit.keys(period, line.version)
        return LineContent.read(facts.unseal(keys, line.ce_id, associated, line.sealed))
