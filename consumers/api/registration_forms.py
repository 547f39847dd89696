"""Bodies of registrations: one form for each kind, told apart by `kind`."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from consumers.api.forms import (
    EvidenceForm,
    Explanation,
    Form,
    Moment,
    Number,
    PartyForm,
    RegistrationId,
)
from schemas.registrations import ErasureGround, LinkType, MandateType


class _RegistrationForm(Form):
    patient: Number | None = None
    """Whom it is about; oneself when a patient leaves it out."""
    evidence: EvidenceForm | None = None
    acting_as: Literal["self", "parent", "mandate_holder"] | None = None
    """What a citizen is to the patient; `self` for a number of one's own that was replaced.

    Left out it is `self` about oneself, and `mandate_holder` about anybody else.
    """
    basis: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """What lets the author speak for the patient, in words."""


class GiveConsentForm(_RegistrationForm):
    """The patient agrees that caregivers share the record."""

    kind: Literal["give_consent"]


class WithdrawConsentForm(_RegistrationForm):
    """The patient takes the agreement back."""

    kind: Literal["withdraw_consent"]


class DeclareLinkForm(_RegistrationForm):
    """A therapeutic link with a professional or an organisation."""

    kind: Literal["declare_link"]
    party: PartyForm
    link_type: LinkType
    starts_at: Moment | None = None


class RevokeLinkForm(_RegistrationForm):
    """Ends a link before its time."""

    kind: Literal["revoke_link"]
    link: RegistrationId


class PutExclusionForm(_RegistrationForm):
    """Shuts out a professional or an organisation."""

    kind: Literal["put_exclusion"]
    party: PartyForm


class LiftExclusionForm(_RegistrationForm):
    """Takes an exclusion back."""

    kind: Literal["lift_exclusion"]
    exclusion: RegistrationId


class GrantMandateForm(_RegistrationForm):
    """Lets somebody act for the patient, once they accept."""

    kind: Literal["grant_mandate"]
    holder: PartyForm
    mandate_type: MandateType = "prescription"
    valid_until: Moment | None = None


class AcceptMandateForm(_RegistrationForm):
    """The holder agrees to act; `patient` is the one who granted it."""

    kind: Literal["accept_mandate"]
    mandate: RegistrationId


class RefuseMandateForm(_RegistrationForm):
    """The holder declines to act."""

    kind: Literal["refuse_mandate"]
    mandate: RegistrationId


class EndMandateForm(_RegistrationForm):
    """Either side stops the mandate."""

    kind: Literal["end_mandate"]
    mandate: RegistrationId


class DeclareParentForm(_RegistrationForm):
    """An authentic source names a parent of the patient."""

    kind: Literal["declare_parent"]
    parent: PartyForm
    child_born: date


class RevokeParentForm(_RegistrationForm):
    """Somebody is no parent of the patient who may act."""

    kind: Literal["revoke_parent"]
    parent: RegistrationId


class DeclareDeathForm(_RegistrationForm):
    """The patient has died."""

    kind: Literal["declare_death"]


class AnnulDeathForm(_RegistrationForm):
    """The death was registered by mistake."""

    kind: Literal["annul_death"]
    death: RegistrationId


class MergeIdentityForm(_RegistrationForm):
    """The number `replaced` is given up for that of `patient`: both are one person."""

    kind: Literal["merge_identity"]
    replaced: Number


class RevokeMergeForm(_RegistrationForm):
    """The merge of `replaced` into `patient` was a mistake."""

    kind: Literal["revoke_merge"]
    replaced: Number
    merge: RegistrationId


class RequestErasureForm(_RegistrationForm):
    """Everything about the patient is to become unreadable, for a ground of GDPR article 17."""

    kind: Literal["request_erasure"]
    ground: ErasureGround
    explanation: Explanation


class ApproveErasureForm(_RegistrationForm):
    """A privacy officer agrees; two have to."""

    kind: Literal["approve_erasure"]
    erasure: RegistrationId


class RejectErasureForm(_RegistrationForm):
    """A privacy officer declines."""

    kind: Literal["reject_erasure"]
    erasure: RegistrationId
    explanation: Explanation


class ExecuteErasureForm(_RegistrationForm):
    """Carries an approved erasure out, for good."""

    kind: Literal["execute_erasure"]
    erasure: RegistrationId


class PlaceHoldForm(_RegistrationForm):
    """A legal hold, under which nothing about the patient is erased."""

    kind: Literal["place_hold"]
    explanation: Explanation


class LiftHoldForm(_RegistrationForm):
    """The legal hold is over."""

    kind: Literal["lift_hold"]
    hold: RegistrationId


SingleForm = (
    GiveConsentForm
    | WithdrawConsentForm
    | DeclareLinkForm
    | RevokeLinkForm
    | PutExclusionForm
    | LiftExclusionForm
    | GrantMandateForm
    | AcceptMandateForm
    | RefuseMandateForm
    | EndMandateForm
    | DeclareParentForm
    | RevokeParentForm
    | DeclareDeathForm
    | AnnulDeathForm
)
"""What becomes one registration; a merge becomes two."""
MergeForm = MergeIdentityForm | RevokeMergeForm
ErasureForm = (
    RequestErasureForm
    | ApproveErasureForm
    | RejectErasureForm
    | ExecuteErasureForm
    | PlaceHoldForm
    | LiftHoldForm
)
"""What is registered under every number of the patient."""
RegistrationForm = Annotated[SingleForm | MergeForm | ErasureForm, Field(discriminator="kind")]
