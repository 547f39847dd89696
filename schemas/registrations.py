"""Consent, links, exclusions, mandates, parents, death, merges, erasures: what is asked for.

A registration is sealed by the registrar and keyed by the subject pseudonym, so everything about
one subject has one order. Source: domain reference, section 9; DESIGN 4.2.
"""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Instant, Model, ShortText

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
