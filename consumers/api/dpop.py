"""DPoP proofs: the sender of a token shows, for each request, the key that it was issued to.

A proof names method and address of the one request, the token, and a moment; it is good once, and
only for about a minute. Source: RFC 9449, sections 4.3, 7, 8 and 9.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from joserfc.jwk import Key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumers.api.jose import BadSignature, NotJose, claims_of, peek, public_key
from schemas.canonical import lp
from schemas.sealing import b64encode

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "PS256", "RS256", "Ed25519", "EdDSA")
TYPE: Final = "dpop+jwt"
MAX_AGE_SECONDS: Final = 60
SKEW_SECONDS: Final = 5
"""How far a client's clock may run ahead."""
NONCE_SECONDS: Final = 300
"""How often the server's nonce changes; the one before is taken too."""
_PORTS: Final = {"https": 443, "http": 80}


class BadProof(Exception):
    """The proof shows nothing; `reason` is for the security log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NonceWanted(BadProof):
    """The proof needs the server's nonce of now."""

    def __init__(self) -> None:
        super().__init__("dpop_nonce")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds; (`thumbprint`, `id`) may be used once until `expires_at`."""

    thumbprint: str
    id: str
    expires_at: int


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    jti: Annotated[str, Field(min_length=1, max_length=128)]
    htm: Annotated[str, Field(min_length=1, max_length=16)]
    htu: Annotated[str, Field(min_length=1, max_length=2048)]
    iat: int
    ath: Annotated[str, Field(min_length=1, max_length=64)]
    nonce: Annotated[str, Field(max_length=128)] | None = None


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces that every process of the API makes and knows without keeping any."""

    key: bytes

    def current(self, now: datetime) -> str:
        """What a proof made now should carry."""
        return self._of(int(now.timestamp()) // NONCE_SECONDS)

    def takes(self, nonce: str | None, now: datetime) -> bool:
        """Whether it is the one of now or the one before."""
        number = int(now.timestamp()) // NONCE_SECONDS
        given = (nonce or "").encode()
        return any(
            hmac.compare_digest(given, self._of(one).encode()) for one in (number, number - 1)
        )

    def _of(self, number: int) -> str:
        material = lp("dpp-dpop-nonce-v1", str(number))
        return b64encode(hmac.digest(self.key, material, hashlib.sha256)[:16])


def check_proof(
    proof: str,
    *,
    method: str,
    url: str,
    token: str,
    thumbprint: str,
    now: datetime,
    nonces: Nonces | None = None,
) -> Proof:
    """The proof for one request with one token, whose `cnf.jkt` is `thumbprint`.

    Raises:
        BadProof: it shows nothing.
        NonceWanted: `nonces` are asked for, and it has none that counts.
    """
    try:
        header, _ = peek(proof)
        key = public_key(header.get("jwk"))
    except NotJose:
        raise BadProof("dpop_malformed") from None
    if header.get("typ") != TYPE:
        raise BadProof("dpop_type")
    shown = _thumbprint(key)
    if not hmac.compare_digest(shown.encode(), thumbprint.encode()):
        raise BadProof("dpop_key")
    claims = _claims(proof, key)
    if claims.htm != method or not _same_address(claims.htu, url):
        raise BadProof("dpop_other_request")
    if not hmac.compare_digest(claims.ath.encode(), token_hash(token).encode()):
        raise BadProof("dpop_other_token")
    if nonces is not None and not nonces.takes(claims.nonce, now):
        raise NonceWanted
    moment = now.timestamp()
    # With the server's nonce the client's clock proves nothing more: it may be off by the nonce.
    slack = NONCE_SECONDS if nonces is not None else SKEW_SECONDS
    if not moment - MAX_AGE_SECONDS - slack < claims.iat <= moment + slack:
        raise BadProof("dpop_time")
    return Proof(shown, claims.jti, claims.iat + MAX_AGE_SECONDS + slack)


def token_hash(token: str) -> str:
    """`ath`: the hash of an access token as a proof names it."""
    return b64encode(hashlib.sha256(token.encode()).digest())


def _thumbprint(key: Key) -> str:
    return str(key.thumbprint())


def _claims(proof: str, key: Key) -> _Claims:
    try:
        claims: dict[str, Any] = claims_of(proof, key, ALGORITHMS)
        return _Claims.model_validate(claims)
    except BadSignature:
        raise BadProof("dpop_signature") from None
    except ValidationError:
        raise BadProof("dpop_claims") from None


def _same_address(one: str, other: str) -> bool:
    first = _address(one)
    return first is not None and first == _address(other)


def _address(url: str) -> tuple[str, str, int, str] | None:
    """An address without query and fragment. Source: RFC 9449, section 4.3, point 9."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except ValueError:
        return None
    return parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path or "/"
