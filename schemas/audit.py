"""The record of every access decision: enough to derive decision and answer again.

In clear stand pseudonyms, role, purpose, outcome and positions. What was asked is sealed under the
subject secret, who asked under the reader secret. Source: DESIGN section 8; audit reference 2.1.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.canonical import lp
from schemas.identifiers import Guid
from schemas.model import Base64Url, Instant, Model, Pseudonym, ShortText
from schemas.sealing import b64encode

ACCESS_DECIDED: Final = "be.dpp.access.decided.v1"
OPERATIONS_READ: Final = "be.dpp.access.operations-read.v1"
PHARMACY_REVEALED: Final = "be.dpp.access.pharmacy-revealed.v1"
EMERGENCY_DECIDED: Final = "be.dpp.access.emergency-decided.v1"
AUDIT_READ: Final = "be.dpp.access.audit-read.v1"
REGISTRATIONS_READ: Final = "be.dpp.access.registrations-read.v1"
LOG_READ: Final = "be.dpp.access.log-read.v1"
LOG_AUDITED: Final = "be.dpp.access.log-audited.v1"

DenyReason = Literal[
    "no_consent",
    "no_link",
    "excluded",
    "profession_not_allowed",
    "no_mandate",
    "not_own_data",
    "role_not_allowed",
    "erased",
]
Basis = Literal["own_data", "mandate", "consent_and_link", "own_registrations"]
Emergency = Literal["emergency"]
"""Purpose and basis of a read in an emergency, which has an event type of its own."""
EMERGENCY: Final[Emergency] = "emergency"
Detail = Literal["deceased", "merge_pending", "parent", "emergency"]
"""What a reason or a basis is more exactly. The words above are closed, since readers of earlier
revisions know no others: a finer one stands beside the one that it is a case of. `emergency` is the
consent and link of a link that was declared in an emergency."""
Purpose = Literal["history", "own_history", "access_log", "registrations", "own_lines"]


class Window(Model):
    """A half-open period [start, end)."""

    start: Instant
    end: Instant


class PositionUsed(Model):
    """How far a projection had applied a partition when the decision was made."""

    projection: ShortText
    topic: ShortText
    partition: Annotated[int, Field(ge=0)]
    position: Annotated[int, Field(ge=0)]


class ReaderIdentity(Model):
    """Who asked; sealed under the reader secret."""

    person: ShortText
    organisation: ShortText | None = None
    name: ShortText | None = None
    token_issuer: ShortText
    token_id: ShortText


class RequestParameters(Model):
    """What was asked; sealed under the subject secret."""

    endpoint: ShortText
    window: Window | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    cursor: bool = False
    motivation: ShortText | None = None
    asked: Window | None = None
    """The part of `window` that was asked for, if not all of it."""
    dguid: Guid | None = None
    """The one line that was asked for."""
    motivation_type: ShortText | None = None
    evidence: ShortText | None = None
    """Type of proof that the patient asked for it."""
    evidence_reference: ShortText | None = None
    versions: Literal["latest", "all"] | None = None
    """Which versions were asked for, if not only those that stand."""
    as_of: Instant | None = None
    """As of which moment it was asked; a cut given by positions is in the event's own."""
    revoked_only: bool | None = None
    """Of `latest` only what was revoked."""


class Decided(Model):
    """What the record of every decision about one read holds, whatever its type.

    Its sealed members are bound as those of an `AccessDecided` whose `ce_id` is the event's.
    """

    decision: Literal["permit", "deny"]
    reason: DenyReason | None = None
    basis: Basis | Emergency | None = None
    detail: ShortText | None = None
    """A `Detail`, where there is one."""
    basis_refs: tuple[ShortText, ...] = ()
    """Ids of the link, mandate, parent or consent fact that the decision rests on."""
    subject: Pseudonym | None = None
    generation: Annotated[int, Field(ge=1)] | None = None
    reader: Pseudonym
    role: ShortText
    profession: ShortText | None = None
    organisation: Pseudonym | None = None
    on_behalf_of: Pseudonym | None = None
    purpose: Purpose | Emergency
    decided_at: Instant
    window: Window | None = None
    policy_version: ShortText
    decider_version: ShortText | None = None
    """Of the code that decided."""
    positions: tuple[PositionUsed, ...] = ()
    rows: Annotated[int, Field(ge=0)] = 0
    digest: Base64Url | None = None
    sealed_parameters: Base64Url | None = None
    sealed_reader: Base64Url


class AccessDecided(Decided):
    """One decision about one read.

    `rows` and `digest` describe the answer: the digest is SHA-256 over the sorted (dguid, version)
    pairs in the exact form of `schemas.canonical.lp`, base64url.
    """

    basis: Basis | None = None
    purpose: Purpose


class EmergencyDecided(Decided):
    """A caregiver asked for a history in an emergency; the motivation is sealed within.

    The answer is described as in an `AccessDecided`, and the sealed members are bound as there.
    """

    basis: Emergency | None = None
    purpose: Emergency = EMERGENCY


class PharmacyRevealed(Model):
    """A pharmacist asked which pharmacy dispensed one line; the motivation is sealed within.

    `access` is the decision as of every read. Its sealed members are bound as those of an
    `AccessDecided` whose `ce_id` is this event's.
    """

    access: AccessDecided


def lines_digest(lines: Iterable[tuple[str, int]]) -> str:
    """The digest of an answer's lines: (dguid, version) pairs in any order."""
    parts = [part for dguid, version in sorted(lines) for part in (dguid, str(version))]
    return b64encode(hashlib.sha256(lp(*parts)).digest())


class OperationsParameters(Model):
    """What an operator asked for."""

    endpoint: ShortText
    window: Window | None = None
    pharmacy: ShortText | None = None
    code: ShortText | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    cursor: bool = False


class OperationsContent(Model):
    """Who asked and what was asked; sealed under the reader secret."""

    reader: ReaderIdentity
    parameters: OperationsParameters


class OperationsRead(Model):
    """One operator's read of operating data: of no subject, so it stands under the reader alone.

    `rows` and `digest` describe the answer: SHA-256 over the sorted places of what was shown, each
    as (partition, offset, line) in the exact form of `schemas.canonical.lp`, base64url.
    """

    reader: Pseudonym
    role: ShortText
    purpose: ShortText
    read_at: Instant
    positions: tuple[PositionUsed, ...] = ()
    rows: Annotated[int, Field(ge=0)] = 0
    digest: Base64Url
    sealed: Base64Url
    """An `OperationsContent`."""


class AuditRead(Model):
    """An auditor looked at a part of the log; it names no subject, and holds counts only."""

    reader: Pseudonym
    """Keyed pseudonym of who answers for the audit, like that of a party."""
    role: Literal["auditor"] = "auditor"
    purpose: Literal["rederive"] = "rederive"
    stage: ShortText
    read_at: Instant
    window: Window
    """Append times of the submissions that were looked at."""
    submissions: Annotated[int, Field(ge=0)]
    differences: Annotated[int, Field(ge=0)]


class RegistrationsRead(Model):
    """An auditor was told what stood about a subject: pseudonyms and times, nothing sealed."""

    subject: Pseudonym
    reader: Pseudonym
    """Keyed pseudonym of who answers for the audit."""
    role: Literal["auditor"] = "auditor"
    read_at: Instant
    stood_at: Instant | None = None
    """As of which moment, or"""
    position: Annotated[int, Field(ge=0)] | None = None
    """as of which position of the subject's partition; neither: as of now."""
    rows: Annotated[int, Field(ge=0)]


class LogRead(Model):
    """An auditor was given entries of the transparency log; it names no subject."""

    reader: Pseudonym
    """Keyed pseudonym of the auditor at the issuer of their token."""
    role: Literal["auditor"] = "auditor"
    read_at: Instant
    first_leaf: Annotated[int, Field(ge=0)]
    leaves: Annotated[int, Field(ge=1, le=256)]
    """How many leaves, from the first on."""
    sealed_reader: Base64Url
    """A `ReaderIdentity`."""


class LogAudited(Model):
    """An auditor reads the transparency log's own files, or Kafka beside it; it names no subject.

    One record holds for what is read within a day of it, from a leaf on.
    """

    reader: Pseudonym
    """Keyed pseudonym of who answers for the audit, like that of a party."""
    role: Literal["auditor"] = "auditor"
    purpose: ShortText
    """The command: `verify`, `follow`, `compare`, `prove` or `report`."""
    read_at: Instant
    first_leaf: Annotated[int, Field(ge=0)]
    kafka: bool
    """Whether the records of the logged topics are read too."""
