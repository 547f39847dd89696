"""Facts: sealed deterministically under subject and period secrets.

AES-256-GCM-SIV stays safe even if something is sealed twice, and the nonce comes from the fact's
id, so that the same input log yields the same output bytes. Source: DESIGN section 4.2.
"""

import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from schemas.canonical import jcs, lp
from schemas.sealing import SealBroken, b64decode, b64encode

_NONCE_BYTES: Final = 12
_HEADS: Final = 16_384
"""More than pharmacies in Belgium and types of their facts."""
_RECORD_SEAL: Final = lp("dpp-record-seal-v1")
_RECORD_NONCE: Final = lp("dpp-record-nonce-v1")
_LINE_DIGEST: Final = lp("dpp-line-digest-v1")
_MESSAGE_DIGEST: Final = lp("dpp-message-digest-v1")
_UNNAMED_DIGEST: Final = lp("dpp-unnamed-digest-v1")
AccessLabel = Literal["access", "reader"]


@dataclass(frozen=True, slots=True)
class FactKeys:
    """Sealing key and nonce key of one fact, or of several that share them."""

    seal: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    cipher: AESGCMSIV = field(init=False, repr=False, compare=False)
    """Under the sealing key; made once, since that takes as long as opening a fact."""

    def __post_init__(self) -> None:
        """Readies the cipher."""
        object.__setattr__(self, "cipher", AESGCMSIV(self.seal))


def _derive(secret: bytes, *parts: bytes | str) -> bytes:
    return hmac.digest(secret, lp(*parts), "sha256")


def record_keys(subject_secret: bytes, period_secret: bytes, version: int) -> FactKeys:
    """Keys of version `version` of a dispensation line delivered in that period."""
    bound = lp(period_secret, str(version))
    return FactKeys(
        seal=hmac.digest(subject_secret, _RECORD_SEAL + bound, "sha256"),
        nonce=hmac.digest(subject_secret, _RECORD_NONCE + bound, "sha256"),
    )


def access_keys(secret: bytes, label: AccessLabel) -> FactKeys:
    """Keys of subject facts and audit events (`access`), and of reader identities (`reader`)."""
    return FactKeys(
        seal=_derive(secret, f"dpp-{label}-seal-v1"),
        nonce=_derive(secret, f"dpp-{label}-nonce-v1"),
    )


def record_associated_data(
    *,
    type_: str,
    pharmacy: str,
    dguid: str,
    version: int,
    subject: str,
    generation: int,
    period: str,
) -> bytes:
    """What the seal of a record fact binds besides its content."""
    return lp(type_, pharmacy, dguid, str(version), subject, str(generation), period)


class RecordSealer:
    """Seals and opens facts of dispensation lines that differ in their DGUID only.

    Lines of one visit mostly do: what they share is derived once. The result is that of `seal` and
    `unseal` with `record_associated_data`.
    """

    def __init__(
        self,
        keys: FactKeys,
        *,
        type_: str,
        pharmacy: str,
        version: int,
        subject: str,
        generation: int,
        period: str,
    ) -> None:
        self._keys = keys
        # Sequences of parts are concatenated like the parts.
        self._head = _head(type_, pharmacy)
        self._tail = lp(str(version), subject, str(generation), period)

    def seal(self, ce_id: str, dguid: str, content: bytes) -> str:
        """base64url of nonce || ciphertext || tag."""
        return seal(self._keys, ce_id, self._bound(dguid), content)

    def unseal(self, ce_id: str, dguid: str, sealed: bytes) -> bytes:
        """The content of nonce || ciphertext || tag.

        Raises:
            SealBroken: altered, moved, or sealed under other keys.
        """
        return unseal_bytes(self._keys, ce_id, self._bound(dguid), sealed)

    def _bound(self, dguid: str) -> bytes:
        return self._head + lp(dguid) + self._tail


@lru_cache(maxsize=_HEADS)
def _head(type_: str, pharmacy: str) -> bytes:
    return lp(type_, pharmacy)


def access_associated_data(*, type_: str, subject: str, generation: int) -> bytes:
    """What the seal of a subject fact, audit event or reader identity binds."""
    return lp(type_, subject, str(generation))


def seal(keys: FactKeys, ce_id: str, associated: bytes, content: bytes) -> str:
    """base64url of nonce || ciphertext || tag."""
    nonce = _nonce(keys, ce_id)
    return b64encode(nonce + keys.cipher.encrypt(nonce, content, associated))


def unseal(keys: FactKeys, ce_id: str, associated: bytes, sealed: str) -> bytes:
    """The content of what `seal` wrote.

    Raises:
        SealBroken: altered, moved, or sealed under other keys.
    """
    return unseal_bytes(keys, ce_id, associated, b64decode(sealed))


def unseal_bytes(keys: FactKeys, ce_id: str, associated: bytes, sealed: bytes) -> bytes:
    """The content as it was sealed, from nonce || ciphertext || tag.

    The nonce must be that of `ce_id`, so a seal does not open under the id of another fact.

    Raises:
        SealBroken: altered, moved, or sealed under other keys.
    """
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    if not hmac.compare_digest(nonce, _nonce(keys, ce_id)):
        raise SealBroken("the sealed content belongs to another fact")
    try:
        return keys.cipher.decrypt(nonce, ciphertext, associated)
    except (InvalidTag, ValueError):
        raise SealBroken("the sealed content does not open under its keys") from None


def _nonce(keys: FactKeys, ce_id: str) -> bytes:
    return hmac.digest(keys.nonce, ce_id.encode(), "sha256")[:_NONCE_BYTES]


def line_digest(subject_secret: bytes, line: object) -> str:
    """Keyed digest of a normalised line (JSON values), comparable across days."""
    return b64encode(hmac.digest(subject_secret, _LINE_DIGEST + lp(jcs(line)), "sha256"))


def message_digest(subject_secret: bytes, body: bytes) -> str:
    """Keyed digest of a submission's body as the publisher wrote it."""
    return b64encode(hmac.digest(subject_secret, _MESSAGE_DIGEST + lp(body), "sha256"))


def unnamed_digest(intake_private_key: bytes, body: bytes) -> str:
    """Keyed digest of a submission's body that names no subject, as the publisher wrote it.

    The key is the private intake key that its session is for: the same under every session for
    that key, and once the key is destroyed nobody can check a guess, or open the submission.
    """
    return b64encode(hmac.digest(intake_private_key, _UNNAMED_DIGEST + lp(body), "sha256"))


def blind_index(index_key: bytes, kind: str, value: str) -> str:
    """Keyed hash by which a projection finds a value that it may not hold."""
    return b64encode(_derive(index_key, "dpp-blind-index-v1", kind, value))
