"""Bodies of requests: strict about members and texts, silent about the input in errors."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from projections.history_statements import Versions
from projections.positions import Otherwise
from schemas.registrations import PartyKind, ProofType


def _only_text(value: object) -> object:
    if not isinstance(value, str | datetime):
        raise ValueError("must be RFC 3339 text")  # noqa: TRY004 - pydantic reports ValueError
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_only_text)]
Number = Annotated[str, Field(min_length=1, max_length=32)]
Cursor = Annotated[str, Field(min_length=1, max_length=2048)]
Limit = Annotated[int, Field(ge=1, le=500, strict=True)]
Explanation = Annotated[str, Field(min_length=1, max_length=128)]
MotivationType = Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]
AtcGroup = Annotated[str, Field(pattern=r"^[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?$")]
"""An ATC code, or a group of them: 1, 3, 4, 5 or 7 characters."""
RegistrationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]


class Form(BaseModel):
    """Base of every request body; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PageForm(Form):
    """A page of one's own data."""

    cursor: Cursor | None = None
    limit: Limit | None = None


class PositionForm(Form):
    """One of an answer's `positions`."""

    projection: Annotated[str, Field(min_length=1, max_length=64)]
    topic: Annotated[str, Field(min_length=1, max_length=128)]
    partition: Annotated[int, Field(ge=0, le=100_000, strict=True)]
    position: Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class CutForm(Form):
    """As of a moment of the past, or as of the `positions` of an earlier answer.

    Of positions those of `history` count: whether something may be seen is decided as of now.
    """

    time: Moment | None = None
    positions: Annotated[tuple[PositionForm, ...], Field(max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.time is None) == (self.positions is None):
            raise ValueError("give a time or positions")
        return self


class FreshForm(Form):
    """Wait up to so many seconds for every delivery that is in the log now.

    If they are not applied by then: an error (503), or an answer that says in `behind` how much it
    may lack. Registrations are always waited for, and their absence is always an error.
    """

    seconds: Annotated[float, Field(ge=0, le=10)]
    otherwise: Otherwise = "error"


class HistoryForm(PageForm):
    """A page of a history.

    `versions` are what stands (`current`), that and what was revoked (`latest`), the latter alone
    (`revoked`), or `all`.
    `since` and `until` ask for a part of the window that may be read, and never widen it.
    """

    versions: Versions = "current"
    since: Moment | None = None
    until: Moment | None = None
    as_of: CutForm | None = None
    fresh: FreshForm | None = None


class LimitForm(Form):
    """How many lines per person."""

    limit: Limit | None = None


class EmptyForm(Form):
    """Nothing needs to be said."""


class StoodForm(Form):
    """What is registered about oneself, now or as it stood at a moment."""

    stood_at: Moment | None = None


class PatientPageForm(HistoryForm):
    """A page of the history of the patient with this NISS or BIS number."""

    patient: Number


class EmergencyForm(PatientPageForm):
    """A page of a patient's history in an emergency, and why it is one."""

    motivation_type: MotivationType
    """One of the types of the access policy."""
    motivation: Explanation


class ReceiptsForm(Form):
    """Receipts behind a cursor, oldest first."""

    after: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None
    limit: Limit | None = None


class ReceiptProofForm(Form):
    """The receipt, or notice, of which a proof is wanted."""

    receipt: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
    """Its `cursor`."""


class AccessProofForm(Form):
    """The entry of one's access log of which a proof is wanted."""

    access: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
    """Its `id`."""


class OwnQualityForm(Form):
    """A period; the last week if none is given."""

    since: Moment | None = None
    until: Moment | None = None


class QualityForm(OwnQualityForm):
    """The same of all pharmacies or of one."""

    pharmacy: Number | None = None


class OwnRefusalsForm(PageForm):
    """Refused lines of a period (the last week if none is given), all or of one code."""

    code: Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,64}$")] | None = None
    since: Moment | None = None
    until: Moment | None = None


class RefusalsForm(OwnRefusalsForm):
    """The same of all pharmacies or of one."""

    pharmacy: Number | None = None


class SurveillanceForm(Form):
    """Use of the record in a period of at most 31 days; the last 28 if none is given.

    It counts by whole Belgian days, and may begin 62 days back.
    """

    since: Moment | None = None
    until: Moment | None = None
    contacts: bool = True
    """Look up who was met, for findings of the kind `no_contact`; the others are told at once."""


class PartyForm(Form):
    """Somebody named: a professional by NIHDI, an organisation by number, a citizen by NISS."""

    party_kind: PartyKind
    number: Number
    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class EvidenceForm(Form):
    """What was shown."""

    proof: ProofType
    reference: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class OpenRecallForm(Form):
    """A product, or one batch of it, delivered in a period, and why it is recalled."""

    cnk: Annotated[str, Field(pattern=r"^[0-9]{7}$")]
    batch: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    delivered_from: Moment | None = None
    delivered_until: Moment | None = None
    reference: Annotated[str, Field(min_length=1, max_length=128)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class RecallForm(Form):
    """One recall."""

    recall: RegistrationId


class RecallLinesForm(RecallForm):
    """One's own lines of a recall, behind a DGUID."""

    after: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    limit: Limit | None = None


class ConsumptionForm(Form):
    """One product, or one group of products by the beginning of an ATC code."""

    cnk: Annotated[str, Field(pattern=r"^[0-9]{7}$")] | None = None
    atc: AtcGroup | None = None


class RevealForm(Form):
    """One line of a patient, and the patient's signed request to know its pharmacy."""

    patient: Number
    dguid: Annotated[str, Field(min_length=1, max_length=64)]
    motivation_type: MotivationType
    """One of the types of the access policy."""
    motivation: Annotated[str, Field(min_length=1, max_length=128)]
    evidence: EvidenceForm
