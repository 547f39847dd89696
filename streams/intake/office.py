"""Records that the FarmaFlux office signs: enrolments, the backbone's keys, policy versions."""

import uuid
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.envelope import Envelope
from schemas.model import Model
from schemas.policy import POLICY_REGISTERED, PolicyVersion
from schemas.publisher import BACKBONE, PUBLISHER_FACTS, PublisherFact, PublisherKey
from schemas.sealing import SealBroken, b64decode
from schemas.sealing.office import enrolment_material, sign
from streams.intake.keys import SigningKey
from streams.intake.session import WireRecord

_TYPES = {model: name for name, model in PUBLISHER_FACTS.items()}


class EnrolmentRefused(Exception):
    """The request does not prove that the publisher holds the key it asks to enrol."""


def check_proof(publisher: str, key: PublisherKey) -> None:
    """Checks that whoever asks holds the private half of `key`.

    Raises:
        EnrolmentRefused: the proof does not hold; ask the publisher for a new request.
    """
    try:
        public = b64decode(key.public_key)
        material = enrolment_material(publisher, key.key_id, public)
        Ed25519PublicKey.from_public_bytes(public).verify(b64decode(key.proof), material)
    except (InvalidSignature, SealBroken, ValueError):
        raise EnrolmentRefused(
            f"The request of publisher {publisher} does not prove that it holds its key: "
            "ask for a new one, made with dpp keygen."
        ) from None


def publisher_record(office: SigningKey, fact: PublisherFact, now: datetime) -> WireRecord:
    """The signed record of `dpp.publisher.registered` that states `fact`.

    Raises:
        EnrolmentRefused: an enrolment or key without proof.
    """
    publisher = getattr(fact, "publisher", BACKBONE)
    key = getattr(fact, "key", None)
    if isinstance(key, PublisherKey):
        check_proof(publisher, key)
    return _signed(office, publisher, _TYPES[type(fact)], fact, now)


def policy_record(office: SigningKey, version: PolicyVersion, now: datetime) -> WireRecord:
    """The signed record of `dpp.policy.registered` that states a policy version."""
    return _signed(office, version.name, POLICY_REGISTERED, version, now)


def _signed(office: SigningKey, key: str, type_: str, fact: Model, now: datetime) -> WireRecord:
    value = fact.write()
    headers = Envelope(id=str(uuid.uuid4()), source="/office", type=type_, time=now).headers()
    signed = sign(office.private, key.encode(), headers, value)
    return WireRecord(key.encode(), tuple(signed), value)
