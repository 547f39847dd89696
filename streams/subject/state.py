"""What the subject stage remembers: the fold of its own facts and receipts, per partition.

Live and at restore the same `evolve` runs over the same bytes, so a restored state equals the one
that was lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never

from schemas.envelope import Headers
from schemas.receipts import SUBJECT_RECEIPT, Issue, Outcome, Receipt
from schemas.subject import (
    SUBJECT_FACTS,
    ConsentGiven,
    ConsentWithdrawn,
    ExclusionLifted,
    ExclusionPut,
    LinkDeclared,
    LinkRevoked,
    MandateAccepted,
    MandateEnded,
    MandateGranted,
    MandateRefused,
    SubjectFact,
)

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


@dataclass(frozen=True, slots=True)
class SubjectState:
    """One generation of a subject; `exclusions` holds the party of each exclusion in force."""

    generation: int
    consent: bool = False
    links: Mapping[str, LinkState] = field(default_factory=dict)
    exclusions: Mapping[str, str] = field(default_factory=dict)
    mandates: Mapping[str, MandateState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """How the first submission under an id was answered, and its keyed digest."""

    digest: str
    offset: int
    outcome: Outcome
    issues: tuple[Issue, ...]


@dataclass(slots=True)
class PartitionState:
    """The state of one partition: subjects by pseudonym, answers by submission id."""

    subjects: dict[str, SubjectState] = field(default_factory=dict)
    answered: dict[str, Answered] = field(default_factory=dict)

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
        kind = dict(headers).get("ce_type", b"").decode()
        if value is not None and kind == SUBJECT_RECEIPT:
            self.apply_receipt(Receipt.read(value))
        elif value is not None and kind in SUBJECT_FACTS:
            self.apply_fact(SUBJECT_FACTS[kind].read(value))
        else:
            raise ValueError("an output is none of the subject stage's: its state would be wrong")

    def apply_fact(self, fact: SubjectFact) -> None:
        """Folds a fact; one of a generation that another followed changes nothing."""
        state = self.of(fact.subject, fact.generation)
        if state.generation == fact.generation:
            self.subjects[fact.subject] = evolve(state, fact)

    def apply_receipt(self, receipt: Receipt) -> None:
        """Remembers the answer to a submission id, the first one only."""
        submission = receipt.submission
        if submission.id is None or submission.digest is None:
            return
        self.answered.setdefault(
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
