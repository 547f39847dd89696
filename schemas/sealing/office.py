"""The office's signature over facts that others trust, and proof that a publisher holds its key.

Every reader of `dpp.publisher.registered` and `dpp.policy.registered` checks the signature against
the public key pinned in its configuration and passes over what is not signed.
"""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.canonical import lp
from schemas.envelope import Headers
from schemas.sealing import SealBroken, b64decode, b64encode

SIGNATURE_HEADER: Final = "ce_officesignature"


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
