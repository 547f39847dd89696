"""Drafts of submissions, put in order and numbered as a pharmacy's software would number them."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from consumers.simulation.plan import (
    Effect,
    ExpectedLine,
    ExpectedReceipt,
    Mutation,
    PlannedSubmission,
)
from consumers.simulation.population import Person
from consumers.simulation.year import Visit, late_limit, new_guid
from schemas.dispensation import REGISTER, SubmittedLine
from schemas.policy import QualityPolicy
from schemas.receipts import Outcome

Numbering = Literal["next", "free", "host"]
"""`next`: the next number. `free`: the next number too, which stays free, since nobody can trust
the record that carries it. `host`: the number of another draft."""


@dataclass(slots=True, eq=False)
class Draft:
    """A submission in the making: sent at `place`, numbered at `slot` of its pharmacy's stream."""

    kind: str
    visit: Visit
    place: float
    slot: float
    id: str
    expected: ExpectedReceipt
    body: bytes = field(repr=False)
    type: str = REGISTER
    effects: tuple[Effect, ...] = ()
    numbering: Numbering = "next"
    host: "Draft | None" = None
    skip: int = 0
    """How many numbers are passed over before this one."""
    mutation: Mutation = "none"
    key: str | None = ""
    """Empty for the pharmacy's own number."""
    number: int = 0


class Planner:
    """Makes drafts and their expectations; `now` is about when they will be published."""

    def __init__(
        self,
        rng: random.Random,
        now: datetime,
        policy: QualityPolicy,
        persons: Sequence[Person],
        strangers: Sequence[str],
    ) -> None:
        self.rng = rng
        self.now = now
        self.policy = policy
        self.persons = persons
        self.strangers = strangers
        self.visits: dict[str, list[Visit]] = {}
        """The ordinary visits of each pharmacy, in order of time."""
        self.drafts: dict[str, list[Draft]] = {}

    def ordinary(self, visit: Visit) -> Draft:
        """The draft of a faultless visit, after the earlier ones of its pharmacy."""
        visits = self.visits.setdefault(visit.pharmacy, [])
        visits.append(visit)
        return self.add(self.accepted("ordinary", visit, float(len(visits))))

    def add(self, draft: Draft) -> Draft:
        """Put a draft into its pharmacy's stream."""
        self.drafts.setdefault(draft.visit.pharmacy, []).append(draft)
        return draft

    def accepted(self, kind: str, visit: Visit, place: float) -> Draft:
        """A registration of the whole visit, all of which is recorded."""
        return Draft(
            kind=kind,
            visit=visit,
            place=place,
            slot=place,
            id=new_guid(self.rng),
            expected=ExpectedReceipt(
                "accepted",
                self.lateness(visit.delivered_at),
                tuple(ExpectedLine(line.dguid, "recorded") for line in visit.lines),
            ),
            body=visit.body.write(),
            effects=tuple(registered(visit, line) for line in visit.lines),
        )

    def refused(self, kind: str, visit: Visit, place: float, *codes: str) -> Draft:
        """A registration that is refused as a whole, with its lines, for faults of the message."""
        draft = self.accepted(kind, visit, place)
        lines = tuple(ExpectedLine(line.dguid, "rejected") for line in visit.lines)
        draft.expected = ExpectedReceipt("rejected", tuple(sorted(codes)), lines)
        draft.effects = ()
        return draft

    def barred(self, kind: str, visit: Visit, place: float, *codes: str) -> Draft:
        """A record that is refused before its body is looked at."""
        draft = self.refused(kind, visit, place)
        draft.expected = ExpectedReceipt("rejected", tuple(sorted(codes)))
        return draft

    def lateness(self, delivered_at: datetime) -> tuple[str, ...]:
        """The warning of a delivery that is published long after it took place."""
        return ("LATE_ARRIVAL",) if delivered_at < late_limit(self.now, self.policy) else ()

    def later(self, host: Draft, most: int = 25) -> float:
        """A place some submissions after the host's."""
        return host.place + self.rng.randint(1, most) + self.rng.uniform(0.2, 0.8)

    def visit_after(self, host: Draft) -> Visit:
        """One of the next visits of the host's pharmacy, for its moment."""
        visits = self.visits[host.visit.pharmacy]
        at = int(host.slot) - 1
        return visits[min(len(visits) - 1, at + self.rng.randint(1, 20))]

    def other_person(self, person: Person) -> Person:
        """Anybody else."""
        while True:
            found = self.rng.choice(self.persons)
            if found.niss != person.niss:
                return found


def registered(visit: Visit, line: SubmittedLine) -> Effect:
    """The first version of a line."""
    return Effect(line.dguid, 1, "registered", visit.person.niss, visit.delivered_at)


def first_line(host: Draft) -> SubmittedLine:
    """The line that most plants touch."""
    return host.visit.lines[0]


def outcome_of(lines: tuple[ExpectedLine, ...]) -> Outcome:
    """The outcome of a message that is in order, by what became of its lines."""
    results = {line.outcome for line in lines}
    if "rejected" not in results:
        return "duplicate" if results == {"duplicate"} else "accepted"
    return "rejected" if results == {"rejected"} else "partial"


def settle(planner: Planner, draft: Draft, lines: tuple[ExpectedLine, ...]) -> None:
    """Expect these lines: what is recorded enters the record, in the order of the lines."""
    draft.expected = ExpectedReceipt(
        outcome_of(lines), planner.lateness(draft.visit.delivered_at), lines
    )
    recorded = zip(draft.visit.lines, lines, strict=True)
    draft.effects = tuple(
        registered(draft.visit, line) for line, after in recorded if after.outcome == "recorded"
    )


def finish(sender: str, epoch: str, drafts: Iterable[Draft]) -> tuple[PlannedSubmission, ...]:
    """The drafts of one pharmacy in the order of sending, numbered, with their gap notices."""
    ordered = list(drafts)
    _number(ordered)
    ordered.sort(key=lambda draft: (draft.place, draft.slot))
    highest = 0
    open_gaps: set[int] = set()
    planned: list[PlannedSubmission] = []
    for draft in ordered:
        noticed = closed = 0
        if draft.numbering == "next":
            if draft.number > highest:
                missing = range(highest + 1, draft.number)
                noticed, highest = int(len(missing) > 0), draft.number
                open_gaps.update(missing)
            else:
                closed = 1
                open_gaps.remove(draft.number)
        planned.append(_planned(sender, epoch, draft, noticed, closed))
    return tuple(planned)


def _number(drafts: list[Draft]) -> None:
    last = 0
    for draft in sorted(drafts, key=lambda draft: (draft.slot, draft.place)):
        if draft.numbering == "next":
            last += 1 + draft.skip
            draft.number = last
        else:
            draft.number = last + 1
    for draft in drafts:
        if draft.numbering == "host" and draft.host is not None:
            draft.number = draft.host.number


def _planned(sender: str, epoch: str, draft: Draft, noticed: int, closed: int) -> PlannedSubmission:
    return PlannedSubmission(
        kind=draft.kind,
        sender=sender,
        key=sender if draft.key == "" else draft.key,
        sequence=draft.number,
        epoch=epoch,
        id=draft.id,
        type=draft.type,
        body=draft.body,
        expected=draft.expected,
        effects=draft.effects,
        mutation=draft.mutation,
        gaps_noticed=noticed,
        gaps_closed=closed,
    )
