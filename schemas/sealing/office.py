"""The office's signature over facts that others trust, and proof that a publisher holds its key.

Every reader of `dpp.publisher.registered` and `dpp.policy.registered` checks the signature against
the public key pinned in its configuration and passes over what is not signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.canonical import lp
from schemas.envelope import Headers
from schemas.sealing import SealBroken, b64decode, b64encode

SIGNATURE_HEADER: Final = "ce_officesignature"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class OfficeKeys:
    """The office's public keys as a reader pins them: each from a time on, until the next one.

    Written as `KEY` or, once the office has changed its key, as `KEY,NEXT@2027-01-01T00:00:00Z`.
    A record counts if the key of its time has signed it, so a key that was replaced can state
    nothing new.
    """

    first: bytes
    later: tuple[tuple[datetime, bytes], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keys in a setting.

        Raises:
            ValueError: a part is no public key, has no time, or the times do not rise.
        """
        first, *rest = (one.strip() for one in text.split(","))
        later = tuple(_dated(one) for one in rest)
        times = [moment for moment, _ in later]
        if any(one >= other for one, other in pairwise(times)):
            raise ValueError("the office's keys must follow each other in time")
        return cls(_public(first), later)

    @property
    def every(self) -> tuple[bytes, ...]:
        """All of them, the first one first."""
        return (self.first, *(key for _, key in self.later))

    def at(self, moment: datetime) -> bytes:
        """The key that signs at that time (32 bytes)."""
        valid = [key for since, key in self.later if since <= moment]
        return valid[-1] if valid else self.first

    def __str__(self) -> str:
        later = (f",{b64encode(key)}@{since.isoformat()}" for since, key in self.later)
        return b64encode(self.first) + "".join(later)


def _dated(text: str) -> tuple[datetime, bytes]:
    key, _, since = text.partition("@")
    moment = datetime.fromisoformat(since)
    if moment.tzinfo is None:
        raise ValueError("the time of an office key needs its zone, such as Z")
    return moment, _public(key)


def _public(text: str) -> bytes:
    try:
        key = b64decode(text)
    except SealBroken:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("an office key is 32 bytes in unpadded base64url")
    return key


def signed_material(key: bytes, headers: Headers, value: bytes) -> bytes:
    """What the office signs: record key, content type, every attribute but the signature, value."""
    parts: list[bytes] = []
    for name, content in sorted((n, v) for n, v in headers if _covered(n)):
        parts += [name.encode(), content]
    return lp("dpp-office-v1", key, *parts, value)


def _covered(name: str) -> bool:
    covered = name == "content-type" or name.startswith("ce_")
    return covered and name != SIGNATURE_HEADER


def sign(
    private_key: Ed25519PrivateKey, key: bytes, headers: Headers, value: bytes
) -> list[tuple[str, bytes]]:
    """The headers with the office's signature added."""
    signature = private_key.sign(signed_material(key, headers, value))
    return [*headers, (SIGNATURE_HEADER, b64encode(signature).encode())]


def verify(public_key: bytes, key: bytes, headers: Headers, value: bytes) -> None:
    """Checks the office's signature.

    Raises:
        SealBroken: there is none, there are several, or it does not hold.
    """
    signatures = _signatures(headers)
    if len(signatures) != 1:
        raise SealBroken("the record carries no single signature of the office")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            b64decode(signatures[0].decode("ascii", "replace")),
            signed_material(key, headers, value),
        )
    except (InvalidSignature, ValueError):
        raise SealBroken("the office's signature does not hold for this record") from None


def _signatures(headers: Headers) -> Sequence[bytes]:
    return [value for name, value in headers if name == SIGNATURE_HEADER]


def enrolment_material(publisher: str, key_id: str, public_key: bytes) -> bytes:
    """What a publisher signs with the key that it asks to enrol."""
    return lp("dpp-enrolment-v1", publisher, key_id, public_key)
