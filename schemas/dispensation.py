"""What pharmacies submit, and the facts that the record keeps of it.

A submission names what the pharmacy wants (`register`, `correct`, `revoke`); a fact states what
the record took over, one per line and version. Bodies of submissions bind structure only: whether
a number passes its check digit is quality control's to say, with a code and a path, and not a
parser's. Source of the content: domain reference, section 6; forms: DESIGN sections 4.2 and 6.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.identifiers import Guid, PharmacyNumber
from schemas.model import Base64Url, Instant, Model, Month, Pseudonym, ShortText, Text

REGISTER: Final = "be.dpp.dispensation.register.v1"
CORRECT: Final = "be.dpp.dispensation.correct.v1"
REVOKE: Final = "be.dpp.dispensation.revoke.v1"
REGISTERED: Final = "be.dpp.dispensation.registered.v1"
CORRECTED: Final = "be.dpp.dispensation.corrected.v1"
REVOKED: Final = "be.dpp.dispensation.revoked.v1"

MAX_SUBMISSION_BYTES: Final = 48 * 1024
MAX_OUTPUT_BYTES: Final = 60 * 1024
MAX_LINES: Final = 100

Version = Annotated[int, Field(ge=1, le=1_000_000)]
Scan = Annotated[str, Field(min_length=1, max_length=256)]
"""A barcode as the scanner gave it; U+001D (GS) stands for FNC1."""
DayMoment = Literal["morning", "noon", "evening", "bedtime"]


class SubmittedPatient(Model):
    """The one patient of a submission; birth date (YYYY-MM-DD) and sex are best effort."""

    niss: ShortText
    birth_date: ShortText | None = None
    sex: Literal["female", "male"] | None = None


class MedicinalProduct(Model):
    """A pack or another product with a national product code (CNK, 7 digits)."""

    kind: Literal["cnk"] = "cnk"
    cnk: ShortText


class Compound(Model):
    """One ingredient of a magistral preparation, in the order of the recipe."""

    order: Annotated[int, Field(ge=1, le=200)]
    cnk: ShortText | None = None
    name: ShortText | None = None
    prefix: ShortText | None = None
    quantity: ShortText | None = None


class MagistralPreparation(Model):
    """A medicine compounded by the pharmacist: from ingredients, a formulary, or in words."""

    kind: Literal["magistral"] = "magistral"
    compounds: tuple[Compound, ...] | None = None
    formula_cnk: ShortText | None = None
    text: Text | None = None
    galenic_form: ShortText | None = None
    quantity: ShortText | None = None


class UnregisteredProduct(Model):
    """A product without any code, described in words."""

    kind: Literal["unregistered"] = "unregistered"
    description: Text


Product = Annotated[
    MedicinalProduct | MagistralPreparation | UnregisteredProduct, Field(discriminator="kind")
]


class Posology(Model):
    """How the patient is to take the product, in the words of the pharmacy."""

    text: Text


class Regimen(Model):
    """How the patient is to take the product, in figures; with words (`Posology`) or instead.

    `quantity` is a decimal number of `unit`s at a time, such as `0.5` tablet; `begin` and `end` are
    days (YYYY-MM-DD), both included. Source: SMC administrationInstructions.
    """

    quantity: ShortText
    unit: ShortText
    times_per_day: Annotated[int, Field(ge=1, le=48)] | None = None
    moments: tuple[DayMoment, ...] | None = None
    every_days: Annotated[int, Field(ge=1, le=366)] | None = None
    as_needed: bool | None = None
    begin: ShortText | None = None
    end: ShortText | None = None
    route: ShortText | None = None


class Prescription(Model):
    """Present when the line was dispensed on a prescription."""

    prescriber: ShortText | None = None
    """NIHDI number."""
    rid: ShortText | None = None
    on_substance_name: bool = False


class SubmittedLine(Model):
    """One dispensed product. Negative `units` return the line that `returns` names.

    `expiry` is YYYY-MM-DD, YYYY-MM or, as in a barcode, YYMMDD. `scan` is the pack's GS1 barcode:
    it gives batch, expiry and GTIN where they are not given, and is itself not kept.
    """

    dguid: ShortText
    product: Product
    units: int
    posology: Posology | None = None
    prescription: Prescription | None = None
    returns: ShortText | None = None
    batch: ShortText | None = None
    expiry: ShortText | None = None
    motivation: Text | None = None
    regimen: Regimen | None = None
    gtin: ShortText | None = None
    scan: Scan | None = None


class CorrectedLine(SubmittedLine):
    """A full replacement of a line; `replaces` is the version that the pharmacy holds current."""

    replaces: Version


class _Visit(Model):
    sguid: ShortText
    patient: SubmittedPatient
    delivered_at: Instant


class RegisterBody(_Visit):
    """One visit: a patient, a moment, and the lines dispensed."""

    lines: Annotated[tuple[SubmittedLine, ...], Field(min_length=1)]


class CorrectBody(_Visit):
    """Corrections of lines of one visit."""

    lines: Annotated[tuple[CorrectedLine, ...], Field(min_length=1)]


class RevokeBody(Model):
    """The withdrawal of one line, which must name its visit and patient as they stand."""

    sguid: ShortText
    patient: SubmittedPatient
    dguid: ShortText
    replaces: Version
    reason: Text | None = None


SubmissionBody = RegisterBody | CorrectBody | RevokeBody


class LineContent(Model):
    """What a fact seals of a line: everything that a person could care about.

    Its RFC 8785 form is also what the line digest covers.
    """

    sguid: Guid
    pharmacy: PharmacyNumber
    delivered_at: Instant
    product: Product
    units: int
    posology: Posology | None = None
    prescription: Prescription | None = None
    returns: Guid | None = None
    batch: ShortText | None = None
    expiry: ShortText | None = None
    motivation: Text | None = None
    regimen: Regimen | None = None
    gtin: ShortText | None = None


class LineSummary(Model):
    """The members of a `LineContent` by which projections find a line; reads the same bytes."""

    delivered_at: Instant
    product: Product
    units: int
    returns: Guid | None = None
    batch: ShortText | None = None


class RevocationContent(Model):
    """What the fact of a revocation seals."""

    sguid: Guid
    reason: Text | None = None


class Supersedes(Model):
    """What a correction or revocation replaces; month and subject may differ from its own."""

    version: Version
    month: Month
    subject: Pseudonym


class _RecordFact(Model):
    pharmacy: PharmacyNumber
    dguid: Guid
    version: Version
    subject: Pseudonym
    generation: Annotated[int, Field(ge=1)]
    period: ShortText
    """Opaque id of the period secret."""
    digest: Base64Url
    """Keyed digest of the line (`schemas.sealing.facts.line_digest`)."""
    sealed: Base64Url
    """nonce || ciphertext || tag of a `LineContent` or `RevocationContent`."""


class RegisteredFact(_RecordFact):
    """A line entered the record; its version is 1."""

    status: Literal["registered"] = "registered"
    score: Annotated[int, Field(ge=0, le=100)]
    warnings: tuple[ShortText, ...] = ()


class CorrectedFact(_RecordFact):
    """A line was replaced as a whole."""

    status: Literal["corrected"] = "corrected"
    score: Annotated[int, Field(ge=0, le=100)]
    warnings: tuple[ShortText, ...] = ()
    supersedes: Supersedes


class RevokedFact(_RecordFact):
    """A line was withdrawn by the pharmacy that registered it."""

    status: Literal["revoked"] = "revoked"
    supersedes: Supersedes


SUBMISSION_BODIES: Final[dict[str, type[SubmissionBody]]] = {
    REGISTER: RegisterBody,
    CORRECT: CorrectBody,
    REVOKE: RevokeBody,
}
RECORD_FACTS: Final[dict[str, type[RegisteredFact | CorrectedFact | RevokedFact]]] = {
    REGISTERED: RegisteredFact,
    CORRECTED: CorrectedFact,
    REVOKED: RevokedFact,
}
