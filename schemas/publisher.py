"""Who may publish, the sessions they open, and the backbone's own public keys.

Facts of `dpp.publisher.registered` carry the office's signature (`schemas.sealing.office`); those
of `dpp.publisher.sessions` carry the publisher's. Source: DESIGN sections 3 and 4.1.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Base64Url, Instant, Model, ShortText

ENROLLED: Final = "be.dpp.publisher.enrolled.v1"
KEY_ADDED: Final = "be.dpp.publisher.key-added.v1"
KEY_WITHDRAWN: Final = "be.dpp.publisher.key-withdrawn.v1"
CONTRACT_ENDED: Final = "be.dpp.publisher.contract-ended.v1"
BACKBONE_KEY_PUBLISHED: Final = "be.dpp.publisher.backbone-key-published.v1"
BACKBONE_KEY_RETIRED: Final = "be.dpp.publisher.backbone-key-retired.v1"
SESSION_OPENED: Final = "be.dpp.publisher.session-opened.v1"

REGISTRAR: Final = "registrar"
"""Publisher id of the API, which submits registrations about subjects."""
BACKBONE: Final = "backbone"
"""Publisher id under which the backbone's public keys are facts."""
MAX_SESSION_HOURS: Final = 24

PublisherKind = Literal["pharmacy", "registrar"]
KeyPurpose = Literal["intake", "log", "witness"]


class PublisherKey(Model):
    """An Ed25519 public key (32 bytes) and the proof that the publisher holds its private half."""

    key_id: ShortText
    public_key: Base64Url
    proof: Base64Url
    """Signature of that key over `schemas.sealing.office.enrolment_material`."""


class Contract(Model):
    """What a publisher may submit (CloudEvents types of submissions), from when, until when."""

    event_types: Annotated[tuple[ShortText, ...], Field(min_length=1)]
    valid_from: Instant
    valid_until: Instant | None = None


class Enrolled(Model):
    """A publisher was admitted with its first key."""

    publisher: ShortText
    publisher_kind: PublisherKind
    key: PublisherKey
    contract: Contract


class KeyAdded(Model):
    """A publisher may open sessions with one more key."""

    publisher: ShortText
    key: PublisherKey


class KeyWithdrawn(Model):
    """A key opens no more sessions, and sessions opened with it end."""

    publisher: ShortText
    key_id: ShortText
    reason: ShortText


class ContractEnded(Model):
    """The publisher may submit nothing from `ends_at` on."""

    publisher: ShortText
    ends_at: Instant
    reason: ShortText


class BackboneKeyPublished(Model):
    """A public key of the backbone: `intake` (ML-KEM-768 + X25519), `log`, `witness` (Ed25519)."""

    key_id: ShortText
    purpose: KeyPurpose
    public_key: Base64Url


class BackboneKeyRetired(Model):
    """No new session, checkpoint or cosignature uses this key."""

    key_id: ShortText
    purpose: KeyPurpose


PublisherFact = (
    Enrolled | KeyAdded | KeyWithdrawn | ContractEnded | BackboneKeyPublished | BackboneKeyRetired
)
PUBLISHER_FACTS: Final[dict[str, type[PublisherFact]]] = {
    ENROLLED: Enrolled,
    KEY_ADDED: KeyAdded,
    KEY_WITHDRAWN: KeyWithdrawn,
    CONTRACT_ENDED: ContractEnded,
    BACKBONE_KEY_PUBLISHED: BackboneKeyPublished,
    BACKBONE_KEY_RETIRED: BackboneKeyRetired,
}


class SessionOpened(Model):
    """A session key for at most 24 h, encapsulated to an intake key and signed by the publisher.

    The first use of a session id wins. `intake_key` says which private key opens the
    encapsulation; it needs no binding of its own, since any other key fails to open it.
    """

    session: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    publisher: ShortText
    key_id: ShortText
    not_after: Instant
    intake_key: ShortText
    encapsulation: Base64Url
    signature: Base64Url
