"""Consent, links, exclusions, mandates, parents, death, merges, erasures: registrations, facts.

A registration is sealed by the registrar and keyed by the subject pseudonym, so everything about
one subject has one order. A fact names parties by keyed pseudonyms in clear and seals names,
numbers and evidence under the subject secret. Source: domain reference, section 9; DESIGN 4.2.
"""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Base64Url, Instant, Model, Pseudonym, ShortText

GIVE_CONSENT: Final = "be.dpp.subject.give-consent.v1"
WITHDRAW_CONSENT: Final = "be.dpp.subject.withdraw-consent.v1"
DECLARE_LINK: Final = "be.dpp.subject.declare-link.v1"
REVOKE_LINK: Final = "be.dpp.subject.revoke-link.v1"
PUT_EXCLUSION: Final = "be.dpp.subject.put-exclusion.v1"
LIFT_EXCLUSION: Final = "be.dpp.subject.lift-exclusion.v1"
GRANT_MANDATE: Final = "be.dpp.subject.grant-mandate.v1"
ACCEPT_MANDATE: Final = "be.dpp.subject.accept-mandate.v1"
REFUSE_MANDATE: Final = "be.dpp.subject.refuse-mandate.v1"
END_MANDATE: Final = "be.dpp.subject.end-mandate.v1"
DECLARE_PARENT: Final = "be.dpp.subject.declare-parent.v1"
REVOKE_PARENT: Final = "be.dpp.subject.revoke-parent.v1"
DECLARE_DEATH: Final = "be.dpp.subject.declare-death.v1"
ANNUL_DEATH: Final = "be.dpp.subject.annul-death.v1"
MERGE_IDENTITY: Final = "be.dpp.subject.merge-identity.v1"
REVOKE_MERGE: Final = "be.dpp.subject.revoke-merge.v1"
REQUEST_ERASURE: Final = "be.dpp.subject.request-erasure.v1"
APPROVE_ERASURE: Final = "be.dpp.subject.approve-erasure.v1"
REJECT_ERASURE: Final = "be.dpp.subject.reject-erasure.v1"
EXECUTE_ERASURE: Final = "be.dpp.subject.execute-erasure.v1"
PLACE_HOLD: Final = "be.dpp.subject.place-hold.v1"
LIFT_HOLD: Final = "be.dpp.subject.lift-hold.v1"

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

PartyKind = Literal["professional", "organisation", "citizen"]
AuthorRole = Literal[
    "patient",
    "mandate_holder",
    "caregiver",
    "pharmacist",
    "admission_desk",
    "insurer",
    "parent",
]
ErasureRole = Literal[AuthorRole, "privacy_officer"]
"""Roles in the erasure workflow; an officer has a part in nothing else."""
LinkType = Literal[
    "pharmacy", "consultation", "gmd", "referral", "hospital", "emergency", "no_card"
]
ProofType = Literal[
    "eidreading",
    "isireading",
    "eidsigning",
    "eidencoding_housecall",
    "eidencoding_nocard",
    "eidencoding_techproblem",
    "authenticsource",
    "patientmanagement",
]
MandateType = Literal["prescription"]
ErasureGround = Literal[
    "no_longer_needed", "consent_withdrawn", "objection", "unlawful", "legal_obligation"
]
"""GDPR article 17(1), points a to e."""
MergeSide = Literal["replaced", "surviving"]
"""Which of the two numbers a subject is in a merge: the one given up, or the one kept."""
RegistrationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
"""`id` of the submission that declared a link, exclusion or mandate; it names that thing."""


class Party(Model):
    """Somebody named in a registration: by NIHDI, by NIHDI/pharmacy/CBE number, or by NISS."""

    party_kind: PartyKind
    number: ShortText
    name: ShortText | None = None


class _Author(Model):
    person: Party
    organisation: Party | None = None
    profession: ShortText | None = None
    basis: ShortText | None = None
    token_issuer: ShortText
    token_id: ShortText


class Author(_Author):
    """Who declared it, in which role, and what lets them speak for the subject.

    `token_issuer` and `token_id` say which authentication the registrar relied on; the stage
    trusts the registrar for authentication only. `profession` is a caregiver's, as authenticated.
    """

    role: AuthorRole


class ErasureAuthor(_Author):
    """Who takes a step of an erasure: one of those, or a privacy officer."""

    role: ErasureRole


class Evidence(Model):
    """What was shown: a proof type and a reference, such as the number of a card."""

    proof: ProofType
    reference: ShortText | None = None


class _Registration(Model):
    author: Author
    evidence: Evidence | None = None


class GiveConsent(_Registration):
    """The subject agrees that caregivers share the record: all of it or nothing."""


class WithdrawConsent(_Registration):
    """The subject takes the agreement back, at once and everywhere."""


class DeclareLink(_Registration):
    """A therapeutic link; without `starts_at` it starts when the registration is appended."""

    party: Party
    link_type: LinkType
    starts_at: Instant | None = None


class RevokeLink(_Registration):
    """Ends a link before its time."""

    link: RegistrationId


class PutExclusion(_Registration):
    """The subject shuts out a professional or an organisation."""

    party: Party


class LiftExclusion(_Registration):
    """Takes an exclusion back."""

    exclusion: RegistrationId


class GrantMandate(_Registration):
    """The subject lets somebody act for them; it unlocks nothing until the holder accepts."""

    holder: Party
    mandate_type: MandateType = "prescription"
    valid_until: Instant | None = None


class AcceptMandate(_Registration):
    """The holder agrees to act."""

    mandate: RegistrationId


class RefuseMandate(_Registration):
    """The holder declines to act."""

    mandate: RegistrationId


class EndMandate(_Registration):
    """Either side stops the mandate."""

    mandate: RegistrationId


class DeclareParent(_Registration):
    """An authentic source names a parent of the subject, and the day the subject was born."""

    parent: Party
    child_born: date


class RevokeParent(_Registration):
    """Somebody is no parent, or no longer one who may act."""

    parent: RegistrationId


class DeclareDeath(_Registration):
    """The subject has died: consent, links and mandates end, and so does routine access."""


class AnnulDeath(_Registration):
    """The death was registered by mistake; what it ended is registered anew."""

    death: RegistrationId


class MergeIdentity(_Registration):
    """One half of a merge: two numbers (BIS and NISS) are one person.

    The other half, with the same `merge`, is registered about `other`.
    """

    merge: RegistrationId
    other: Party
    side: MergeSide


class RevokeMerge(_Registration):
    """Takes one half of a merge back; as long as the other half stands, nobody reads."""

    merge: RegistrationId


class _ErasureStep(Model):
    author: ErasureAuthor
    evidence: Evidence | None = None


class RequestErasure(_ErasureStep):
    """Asks that all about the subject becomes unreadable, for a ground of GDPR article 17.

    A person with several numbers is erased under all of them, with the same `erasure`.
    """

    erasure: RegistrationId
    ground: ErasureGround
    explanation: ShortText


class ApproveErasure(_ErasureStep):
    """A privacy officer agrees; two of them have to, neither of whom asked for it."""

    erasure: RegistrationId


class RejectErasure(_ErasureStep):
    """A privacy officer declines: a duty to keep the record outweighs the request."""

    erasure: RegistrationId
    explanation: ShortText


class ExecuteErasure(_ErasureStep):
    """From here on there is no way back: the keeper destroys the subject's secret."""

    erasure: RegistrationId


class PlaceHold(_ErasureStep):
    """A legal hold: nothing about the subject may be erased while it stands."""

    hold: RegistrationId
    explanation: ShortText


class LiftHold(_ErasureStep):
    """The reason to hold is gone."""

    hold: RegistrationId


ErasureStep = (
    RequestErasure | ApproveErasure | RejectErasure | ExecuteErasure | PlaceHold | LiftHold
)
"""Steps of the erasure workflow."""
Registration = (
    GiveConsent
    | WithdrawConsent
    | DeclareLink
    | RevokeLink
    | PutExclusion
    | LiftExclusion
    | GrantMandate
    | AcceptMandate
    | RefuseMandate
    | EndMandate
    | DeclareParent
    | RevokeParent
    | DeclareDeath
    | AnnulDeath
    | MergeIdentity
    | RevokeMerge
    | ErasureStep
)


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

REGISTRATIONS: Final[dict[str, type[Registration]]] = {
    GIVE_CONSENT: GiveConsent,
    WITHDRAW_CONSENT: WithdrawConsent,
    DECLARE_LINK: DeclareLink,
    REVOKE_LINK: RevokeLink,
    PUT_EXCLUSION: PutExclusion,
    LIFT_EXCLUSION: LiftExclusion,
    GRANT_MANDATE: GrantMandate,
    ACCEPT_MANDATE: AcceptMandate,
    REFUSE_MANDATE: RefuseMandate,
    END_MANDATE: EndMandate,
    DECLARE_PARENT: DeclareParent,
    REVOKE_PARENT: RevokeParent,
    DECLARE_DEATH: DeclareDeath,
    ANNUL_DEATH: AnnulDeath,
    MERGE_IDENTITY: MergeIdentity,
    REVOKE_MERGE: RevokeMerge,
    REQUEST_ERASURE: RequestErasure,
    APPROVE_ERASURE: ApproveErasure,
    REJECT_ERASURE: RejectErasure,
    EXECUTE_ERASURE: ExecuteErasure,
    PLACE_HOLD: PlaceHold,
    LIFT_HOLD: LiftHold,
}
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
