"""What the subject stage remembers: the fold of its own facts and receipts, per partition.

Live and at restore the same `evolve` runs over the same bytes, so a restored state equals the one
that was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from pydantic import TypeAdapter

from schemas.envelope import Headers
from schemas.receipts import SUBJECT_RECEIPT, Issue, Outcome, Receipt
from schemas.registrations import MergeSide
from schemas.subject import (
    SUBJECT_FACTS,
    ConsentGiven,
    ConsentWithdrawn,
    DeathAnnulled,
    DeathDeclared,
    ErasureApproved,
    ErasureExecuted,
    ErasureFact,
    ErasureRejected,
    ErasureRequested,
    ExclusionLifted,
    ExclusionPut,
    HoldLifted,
    HoldPlaced,
    IdentityMerged,
    LinkDeclared,
    LinkRevoked,
    MandateAccepted,
    MandateEnded,
    MandateGranted,
    MandateRefused,
    MergeRevoked,
    ParentDeclared,
    ParentRevoked,
    SubjectFact,
)
from streams.engine.tables import Layout, StateTables

HORIZON: Final = timedelta(days=366)
"""How long an answer is repeated to whoever submits the same id again."""
FOLD: Final = "2"
"""Changes whenever the same outputs would be remembered otherwise: stores are then rebuilt."""
MandatePhase = Literal["waiting", "active", "over"]


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as declared; a revoked one is kept, so that its id is answered truly."""

    party: str
    link_type: str
    valid_from: datetime
    valid_until: datetime
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class MandateState:
    """A mandate; refused and ended ones are `over`."""

    holder: str
    valid_until: datetime | None
    phase: MandatePhase = "waiting"

    def holds(self, now: datetime) -> bool:
        """Whether its holder may act by it at `now`."""
        return self.phase == "active" and (self.valid_until is None or now < self.valid_until)


@dataclass(frozen=True, slots=True)
class ParentState:
    """A declared parent, not revoked."""

    party: str
    consent_until: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class MergeState:
    """This subject's half of a merge with `other`, not revoked."""

    other: str
    side: MergeSide


@dataclass(frozen=True, slots=True)
class ErasureState:
    """An erasure that was asked for, and the officers who agree; closed once rejected or done."""

    requested_by: str
    approvals: tuple[str, ...] = ()
    open: bool = True


@dataclass(frozen=True, slots=True)
class SubjectState:
    """One generation of a subject; `exclusions` holds the party of each exclusion in force.

    `death` is the id of the registration of a death that was not annulled; `holds` are legal holds
    that stand. Of an `erased` generation nothing but its erasures is left.
    """

    generation: int
    consent: bool = False
    links: Mapping[str, LinkState] = field(default_factory=dict)
    exclusions: Mapping[str, str] = field(default_factory=dict)
    mandates: Mapping[str, MandateState] = field(default_factory=dict)
    parents: Mapping[str, ParentState] = field(default_factory=dict)
    merges: Mapping[str, MergeState] = field(default_factory=dict)
    death: str | None = None
    erasures: Mapping[str, ErasureState] = field(default_factory=dict)
    holds: tuple[str, ...] = ()
    erased: bool = False

    @property
    def replaced_by(self) -> str | None:
        """The subject whose number is used in place of this one's, by this half of a merge."""
        found = [one.other for one in self.merges.values() if one.side == "replaced"]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Answered:
    """How the first submission under an id was answered, and its keyed digest."""

    digest: str
    offset: int
    outcome: Outcome
    issues: tuple[Issue, ...]


_SUBJECT: Final = TypeAdapter(SubjectState)
_ANSWERED: Final = TypeAdapter(Answered)
SUBJECTS: Final = Layout[str, SubjectState](
    name="subject",
    key=str.encode,
    write=_SUBJECT.dump_json,
    read=_SUBJECT.validate_json,
    cached=4096,
)
ANSWERED: Final = Layout[str, Answered](
    name="answered",
    key=str.encode,
    write=_ANSWERED.dump_json,
    read=_ANSWERED.validate_json,
    horizon=HORIZON,
)


class PartitionState:
    """The state of one partition: subjects by pseudonym, for ever; answers by submission id."""

    def __init__(self, tables: StateTables) -> None:
        self._tables = tables
        self.subjects = tables.table(SUBJECTS)
        self.answered = tables.table(ANSWERED)

    def at(self, moment: datetime) -> None:
        """What follows is decided or folded as of this append time."""
        self._tables.at(moment)

    def of(self, subject: str, generation: int) -> SubjectState:
        """What is known of that generation; of an erased one nothing is left."""
        known = self.subjects.get(subject)
        if known is None or known.generation < generation:
            return SubjectState(generation)
        return known

    def apply(self, headers: Headers, value: bytes | None) -> None:
        """Folds one output of this stage, as its headers and value stand in the topic.

        Raises:
            ValueError: it is none of this stage's.
        """
        attributes = dict(headers)
        kind = attributes.get("ce_type", b"").decode()
        if value is None or (kind != SUBJECT_RECEIPT and kind not in SUBJECT_FACTS):
            raise ValueError("an output is none of the subject stage's: its state would be wrong")
        self.at(datetime.fromisoformat(attributes["ce_time"].decode()))
        if kind == SUBJECT_RECEIPT:
            self.apply_receipt(Receipt.read(value))
        else:
            self.apply_fact(SUBJECT_FACTS[kind].read(value))

    def apply_fact(self, fact: SubjectFact) -> None:
        """Folds a fact; one of a generation that another followed changes nothing."""
        state = self.of(fact.subject, fact.generation)
        if state.generation == fact.generation:
            self.subjects.put(fact.subject, evolve(state, fact))

    def apply_receipt(self, receipt: Receipt) -> None:
        """Remembers the answer to a submission id, the first one only."""
        submission = receipt.submission
        if submission.id is None or submission.digest is None:
            return
        if self.answered.get(submission.id) is None:
            self.answered.put(
                submission.id,
                Answered(submission.digest, submission.offset, receipt.outcome, receipt.issues),
            )


def evolve(state: SubjectState, fact: SubjectFact) -> SubjectState:
    """The subject's state after a fact of the same generation."""
    match fact:
        case ConsentGiven() | ConsentWithdrawn():
            return replace(state, consent=isinstance(fact, ConsentGiven))
        case LinkDeclared() | LinkRevoked():
            return replace(state, links=_links(state.links, fact))
        case ExclusionPut() | ExclusionLifted():
            return replace(state, exclusions=_exclusions(state.exclusions, fact))
        case MandateGranted() | MandateAccepted() | MandateRefused() | MandateEnded():
            return replace(state, mandates=_mandates(state.mandates, fact))
        case (
            ParentDeclared()
            | ParentRevoked()
            | DeathDeclared()
            | DeathAnnulled()
            | IdentityMerged()
            | MergeRevoked()
        ):
            return _evolve_person(state, fact)
        case (
            ErasureRequested()
            | ErasureApproved()
            | ErasureRejected()
            | ErasureExecuted()
            | HoldPlaced()
            | HoldLifted()
        ):
            return _evolve_erasure(state, fact)
        case _:
            assert_never(fact)


def _links(
    links: Mapping[str, LinkState], fact: LinkDeclared | LinkRevoked
) -> Mapping[str, LinkState]:
    if isinstance(fact, LinkRevoked):
        return {**links, fact.link: replace(links[fact.link], revoked=True)}
    declared = LinkState(fact.party, fact.link_type, fact.valid_from, fact.valid_until)
    return {**links, fact.link: declared}


def _exclusions(
    exclusions: Mapping[str, str], fact: ExclusionPut | ExclusionLifted
) -> Mapping[str, str]:
    if isinstance(fact, ExclusionPut):
        return {**exclusions, fact.exclusion: fact.party}
    return {name: party for name, party in exclusions.items() if name != fact.exclusion}


def _mandates(
    mandates: Mapping[str, MandateState],
    fact: MandateGranted | MandateAccepted | MandateRefused | MandateEnded,
) -> Mapping[str, MandateState]:
    if isinstance(fact, MandateGranted):
        return {**mandates, fact.mandate: MandateState(fact.holder, fact.valid_until)}
    phase: MandatePhase = "active" if isinstance(fact, MandateAccepted) else "over"
    return {**mandates, fact.mandate: replace(mandates[fact.mandate], phase=phase)}


def _evolve_person(
    state: SubjectState,
    fact: ParentDeclared
    | ParentRevoked
    | DeathDeclared
    | DeathAnnulled
    | IdentityMerged
    | MergeRevoked,
) -> SubjectState:
    match fact:
        case ParentDeclared() | ParentRevoked():
            return replace(state, parents=_parents(state.parents, fact))
        case DeathDeclared():
            return _ended_by_death(state, fact.death)
        case DeathAnnulled():
            return replace(state, death=None)
        case IdentityMerged() | MergeRevoked():
            return replace(state, merges=_merges(state.merges, fact))
        case _:
            assert_never(fact)


def _parents(
    parents: Mapping[str, ParentState], fact: ParentDeclared | ParentRevoked
) -> Mapping[str, ParentState]:
    if isinstance(fact, ParentDeclared):
        declared = ParentState(fact.party, fact.consent_until, fact.valid_until)
        return {**parents, fact.parent: declared}
    return {name: one for name, one in parents.items() if name != fact.parent}


def _merges(
    merges: Mapping[str, MergeState], fact: IdentityMerged | MergeRevoked
) -> Mapping[str, MergeState]:
    if isinstance(fact, IdentityMerged):
        return {**merges, fact.merge: MergeState(fact.other, fact.side)}
    return {name: one for name, one in merges.items() if name != fact.merge}


def _ended_by_death(state: SubjectState, death: str) -> SubjectState:
    return replace(
        state,
        consent=False,
        links={name: replace(link, revoked=True) for name, link in state.links.items()},
        mandates={name: replace(one, phase="over") for name, one in state.mandates.items()},
        death=death,
    )


def _evolve_erasure(state: SubjectState, fact: ErasureFact) -> SubjectState:
    match fact:
        case ErasureRequested():
            asked = ErasureState(fact.author)
            return replace(state, erasures={**state.erasures, fact.erasure: asked})
        case HoldPlaced():
            return replace(state, holds=(*state.holds, fact.hold))
        case HoldLifted():
            return replace(state, holds=tuple(one for one in state.holds if one != fact.hold))
        case ErasureApproved():
            known = state.erasures[fact.erasure]
            agreed = replace(known, approvals=(*known.approvals, fact.author))
            return replace(state, erasures={**state.erasures, fact.erasure: agreed})
        case ErasureRejected() | ErasureExecuted():
            closed = replace(state.erasures[fact.erasure], open=False)
            erasures = {**state.erasures, fact.erasure: closed}
            if isinstance(fact, ErasureRejected):
                return replace(state, erasures=erasures)
            return SubjectState(state.generation, erasures=erasures, erased=True)
        case _:
            assert_never(fact)
