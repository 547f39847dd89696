"""Publisher sessions: a session key encapsulated to the backbone and signed by the publisher.

HPKE (RFC 9180) with the post-quantum hybrid MLKEM768-X25519, HKDF-SHA256 and AES-256-GCM; the info
is `dpp-session-v1`, session id, publisher, key id and not-after, and the Ed25519 signature covers
these five and the HPKE output. Source: DESIGN sections 4.1 and 4.3.
"""

from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from schemas.canonical import lp
from schemas.envelope import format_time
from schemas.publisher import SessionOpened
from schemas.sealing import SealBroken, b64decode

SESSION_KEY_BYTES: Final = 32
INTAKE_PRIVATE_BYTES: Final = 96
"""An intake private key: the ML-KEM-768 seed (64 bytes), then the X25519 private key (32)."""
INTAKE_PUBLIC_BYTES: Final = 1216
"""An intake public key: the ML-KEM-768 public key (1,184 bytes), then the X25519 one (32)."""
_MLKEM_SEED_BYTES: Final = 64
_MLKEM_PUBLIC_BYTES: Final = 1184
SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def intake_private_key(raw: bytes) -> MLKEM768X25519PrivateKey:
    """The private intake key in `raw` (96 bytes); 96 random bytes make a new one."""
    return MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(raw[:_MLKEM_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(raw[_MLKEM_SEED_BYTES:]),
    )


def intake_public_bytes(raw_private: bytes) -> bytes:
    """The public half (1,216 bytes) of a private intake key."""
    kem = MLKEM768PrivateKey.from_seed_bytes(raw_private[:_MLKEM_SEED_BYTES])
    curve = X25519PrivateKey.from_private_bytes(raw_private[_MLKEM_SEED_BYTES:])
    return kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()


def intake_public_key(raw: bytes) -> MLKEM768X25519PublicKey:
    """The public intake key in `raw` (1,216 bytes)."""
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_BYTES]),
        X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC_BYTES:]),
    )


def session_info(*, session: str, publisher: str, key_id: str, not_after: datetime) -> bytes:
    """The HPKE info, which is also the first part of what the publisher signs."""
    return lp("dpp-session-v1", session, publisher, key_id, format_time(not_after))


def signed_material(info: bytes, encapsulation: bytes) -> bytes:
    """What the publisher's Ed25519 signature covers."""
    return info + lp(encapsulation)


def verify_session(opened: SessionOpened, public_key: bytes) -> None:
    """Checks the publisher's signature.

    Raises:
        SealBroken: the signature is not that key's over these values.
    """
    material = signed_material(_info(opened), b64decode(opened.encapsulation))
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(b64decode(opened.signature), material)
    except (InvalidSignature, ValueError):
        raise SealBroken("the session is not signed by the key it names") from None


def unseal_session_key(opened: SessionOpened, raw_private: bytes) -> bytes:
    """The session key (32 bytes).

    Raises:
        SealBroken: the encapsulation is not for that intake key or not for these values.
    """
    encapsulation = b64decode(opened.encapsulation)
    try:
        key = SUITE.decrypt(encapsulation, intake_private_key(raw_private), info=_info(opened))
    except (InvalidTag, ValueError):
        raise SealBroken("the session key does not open under the intake key") from None
    if len(key) != SESSION_KEY_BYTES:
        raise SealBroken(f"a session key has {SESSION_KEY_BYTES} bytes")
    return key


def _info(opened: SessionOpened) -> bytes:
    return session_info(
        session=opened.session,
        publisher=opened.publisher,
        key_id=opened.key_id,
        not_after=opened.not_after,
    )
