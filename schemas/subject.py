"""Consent, links, exclusions, mandates, parents, death, merges, erasures: what came of it.

A fact names parties by keyed pseudonyms in clear and seals names, numbers and evidence under the
subject secret. Source: domain reference, section 9; DESIGN 4.2.
"""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Base64Url, Instant, Model, Pseudonym, ShortText
from schemas.registrations import (
    Author,
    AuthorRole,
    ErasureAuthor,
    ErasureGround,
    ErasureRole,
    Evidence,
    LinkType,
    MandateType,
    MergeSide,
    Party,
    PartyKind,
    RegistrationId,
)

CONSENT_GIVEN: Final = "be.dpp.subject.consent-given.v1"
CONSENT_WITHDRAWN: Final = "be.dpp.subject.consent-withdrawn.v1"
LINK_DECLARED: Final = "be.dpp.subject.link-declared.v1"
LINK_REVOKED: Final = "be.dpp.subject.link-revoked.v1"
EXCLUSION_PUT: Final = "be.dpp.subject.exclusion-put.v1"
EXCLUSION_LIFTED: Final = "be.dpp.subject.exclusion-lifted.v1"
MANDATE_GRANTED: Final = "be.dpp.subject.mandate-granted.v1"
MANDATE_ACCEPTED: Final = "be.dpp.subject.mandate-accepted.v1"
MANDATE_REFUSED: Final = "be.dpp.subject.mandate-refused.v1"
MANDATE_ENDED: Final = "be.dpp.subject.mandate-ended.v1"
PARENT_DECLARED: Final = "be.dpp.subject.parent-declared.v1"
PARENT_REVOKED: Final = "be.dpp.subject.parent-revoked.v1"
DEATH_DECLARED: Final = "be.dpp.subject.death-declared.v1"
DEATH_ANNULLED: Final = "be.dpp.subject.death-annulled.v1"
IDENTITY_MERGED: Final = "be.dpp.subject.identity-merged.v1"
MERGE_REVOKED: Final = "be.dpp.subject.merge-revoked.v1"
ERASURE_REQUESTED: Final = "be.dpp.subject.erasure-requested.v1"
ERASURE_APPROVED: Final = "be.dpp.subject.erasure-approved.v1"
ERASURE_REJECTED: Final = "be.dpp.subject.erasure-rejected.v1"
ERASURE_EXECUTED: Final = "be.dpp.subject.erasure-executed.v1"
HOLD_PLACED: Final = "be.dpp.subject.hold-placed.v1"
HOLD_LIFTED: Final = "be.dpp.subject.hold-lifted.v1"


class SubjectContent(Model):
    """What a subject fact seals: numbers, names and evidence."""

    author: Author
    evidence: Evidence | None = None
    party: Party | None = None
    child_born: date | None = None
    """Of a parent's declaration."""


class ErasureContent(Model):
    """What a fact of an erasure seals; `explanation` is of a request, a rejection or a hold."""

    author: ErasureAuthor
    evidence: Evidence | None = None
    explanation: ShortText | None = None


class _SubjectFact(Model):
    subject: Pseudonym
    generation: Annotated[int, Field(ge=1)]
    author_role: AuthorRole
    author: Pseudonym
    sealed: Base64Url
    """nonce || ciphertext || tag of a `SubjectContent`."""


class ConsentGiven(_SubjectFact):
    """Consent holds from here on."""


class ConsentWithdrawn(_SubjectFact):
    """Consent holds no longer."""


class LinkDeclared(_SubjectFact):
    """`party` has a therapeutic link in [valid_from, valid_until)."""

    link: RegistrationId
    party: Pseudonym
    party_kind: PartyKind
    link_type: LinkType
    valid_from: Instant
    valid_until: Instant


class LinkRevoked(_SubjectFact):
    """The link ended before its time."""

    link: RegistrationId


class ExclusionPut(_SubjectFact):
    """`party` is shut out; this beats every other right but the subject's own."""

    exclusion: RegistrationId
    party: Pseudonym
    party_kind: PartyKind


class ExclusionLifted(_SubjectFact):
    """The exclusion is over."""

    exclusion: RegistrationId


class MandateGranted(_SubjectFact):
    """Offered to `holder`; waits for acceptance."""

    mandate: RegistrationId
    holder: Pseudonym
    holder_kind: PartyKind
    mandate_type: MandateType
    valid_until: Instant | None = None


class MandateAccepted(_SubjectFact):
    """Active from here on."""

    mandate: RegistrationId


class MandateRefused(_SubjectFact):
    """Never active."""

    mandate: RegistrationId


class MandateEnded(_SubjectFact):
    """Stopped by either side."""

    mandate: RegistrationId


class ParentDeclared(_SubjectFact):
    """`party` may act for the subject until `valid_until`, and consent until `consent_until`.

    Both lie at the start of the month in which the subject reaches the age, so that they tell no
    day of birth.
    """

    parent: RegistrationId
    party: Pseudonym
    consent_until: Instant
    valid_until: Instant


class ParentRevoked(_SubjectFact):
    """No longer a parent who may act."""

    parent: RegistrationId


class DeathDeclared(_SubjectFact):
    """Consent, links and mandates of the subject are over."""

    death: RegistrationId


class DeathAnnulled(_SubjectFact):
    """The subject lives."""

    death: RegistrationId


class IdentityMerged(_SubjectFact):
    """The subject and `other` are one person, once both halves of the merge stand."""

    merge: RegistrationId
    other: Pseudonym
    side: MergeSide


class MergeRevoked(_SubjectFact):
    """This half of the merge stands no longer."""

    merge: RegistrationId


class _ErasureFact(Model):
    subject: Pseudonym
    generation: Annotated[int, Field(ge=1)]
    author_role: ErasureRole
    author: Pseudonym
    sealed: Base64Url
    """nonce || ciphertext || tag of an `ErasureContent`."""


class ErasureRequested(_ErasureFact):
    """Waits for two privacy officers."""

    erasure: RegistrationId
    ground: ErasureGround


class ErasureApproved(_ErasureFact):
    """`author` agrees."""

    erasure: RegistrationId


class ErasureRejected(_ErasureFact):
    """It will not be done."""

    erasure: RegistrationId


class ErasureExecuted(_ErasureFact):
    """This generation of the subject is over: its secret is destroyed, its rows are removed."""

    erasure: RegistrationId


class HoldPlaced(_ErasureFact):
    """Blocks erasure."""

    hold: RegistrationId


class HoldLifted(_ErasureFact):
    """Blocks erasure no longer."""

    hold: RegistrationId


ErasureFact = (
    ErasureRequested | ErasureApproved | ErasureRejected | ErasureExecuted | HoldPlaced | HoldLifted
)
"""Facts of the erasure workflow."""
SubjectFact = (
    ConsentGiven
    | ConsentWithdrawn
    | LinkDeclared
    | LinkRevoked
    | ExclusionPut
    | ExclusionLifted
    | MandateGranted
    | MandateAccepted
    | MandateRefused
    | MandateEnded
    | ParentDeclared
    | ParentRevoked
    | DeathDeclared
    | DeathAnnulled
    | IdentityMerged
    | MergeRevoked
    | ErasureFact
)

SUBJECT_FACTS: Final[dict[str, type[SubjectFact]]] = {
    CONSENT_GIVEN: ConsentGiven,
    CONSENT_WITHDRAWN: ConsentWithdrawn,
    LINK_DECLARED: LinkDeclared,
    LINK_REVOKED: LinkRevoked,
    EXCLUSION_PUT: ExclusionPut,
    EXCLUSION_LIFTED: ExclusionLifted,
    MANDATE_GRANTED: MandateGranted,
    MANDATE_ACCEPTED: MandateAccepted,
    MANDATE_REFUSED: MandateRefused,
    MANDATE_ENDED: MandateEnded,
    PARENT_DECLARED: ParentDeclared,
    PARENT_REVOKED: ParentRevoked,
    DEATH_DECLARED: DeathDeclared,
    DEATH_ANNULLED: DeathAnnulled,
    IDENTITY_MERGED: IdentityMerged,
    MERGE_REVOKED: MergeRevoked,
    ERASURE_REQUESTED: ErasureRequested,
    ERASURE_APPROVED: ErasureApproved,
    ERASURE_REJECTED: ErasureRejected,
    ERASURE_EXECUTED: ErasureExecuted,
    HOLD_PLACED: HoldPlaced,
    HOLD_LIFTED: HoldLifted,
}
SUBJECT_FACT_TYPES: Final[dict[type[SubjectFact], str]] = {
    model: name for name, model in SUBJECT_FACTS.items()
}


class Notice(Model):
    """Something a patient should be told; `about` is the id of the fact or decision behind it."""

    subject: Pseudonym
    notice: Literal[
        "consent_given", "consent_withdrawn", "first_access", "emergency_access", "mandate_waiting"
    ]
    about: ShortText
    party: Pseudonym | None = None


NOTICE: Final = "be.dpp.subject.noticed.v1"
