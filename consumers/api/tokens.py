"""Bearer tokens: who calls, proven by pinned issuers or by a publisher's own enrolled key.

Algorithms, issuers, audiences, types and clocks are pinned; keys come from configuration or from
the office-signed publisher facts, never from a header of the token. Source: RFC 8725; audit
reference, section 4.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from stdnum.exceptions import ValidationError as InvalidNumber

from schemas import strictjson
from schemas.identifiers import nihdi, niss, pharmacy
from schemas.sealing import SealBroken, b64decode, b64encode

Role = Literal["patient", "caregiver", "pharmacist", "pharmacy", "auditor", "operator"]
AsymmetricAlgorithm = Literal[
    "RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519", "EdDSA", "Ed448"
]
Jwk = dict[str, str | list[str]]
PUBLISHER_ALGORITHMS: Final = ("Ed25519", "EdDSA")
PUBLISHER_TOKEN_SECONDS: Final = 300
SKEW_SECONDS: Final = 30
MAX_TOKEN_CHARS: Final = 8192
_PARTS: Final = 3
_SAFE_TYPES: Final = ("JWT", "at+jwt", "application/at+jwt")


class Unauthenticated(Exception):
    """A token proves nothing; `reason` is for the security log, never for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TrustedIssuer(BaseModel):
    """One issuer as configured: nothing that a token says can widen it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, Field(min_length=1, max_length=256)]
    audience: Annotated[str, Field(min_length=1, max_length=256)]
    algorithms: Annotated[tuple[AsymmetricAlgorithm, ...], Field(min_length=1)]
    types: Annotated[tuple[Literal["JWT", "at+jwt", "application/at+jwt"], ...], Field()] = (
        _SAFE_TYPES
    )
    roles: tuple[Role, ...] = ("patient", "caregiver", "pharmacist", "pharmacy", "auditor")
    """Roles that this issuer may grant; `operator` only if it is named."""
    max_seconds: Annotated[int, Field(ge=60, le=86_400)] = 43_200
    keys: tuple[dict[str, str | list[str]], ...] = Field(min_length=1, repr=False)
    """Public JWKs, each with its `kid`."""


class IssuersFile(BaseModel):
    """The file of pinned issuers, `DPP_ISSUERS_FILE`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuers: tuple[TrustedIssuer, ...]


def read_issuers(path: Path) -> tuple[TrustedIssuer, ...]:
    """The issuers pinned in a file.

    Raises:
        ValueError: the file does not hold what it should; the text names the first member at fault.
        OSError: it cannot be read.
    """
    try:
        return IssuersFile.model_validate_json(path.read_bytes()).issuers
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"])
    raise ValueError(f"The file of token issuers is wrong at {where or 'its beginning'}.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. Numbers are validated and compact; `role` decides which of them are present."""

    role: Role
    issuer: str
    token_id: str
    niss: str | None = field(default=None, repr=False)
    nihdi: str | None = field(default=None, repr=False)
    profession: str | None = None
    organisation: str | None = None
    """A pharmacy's number; for caregivers, the number of where they work."""
    name: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    """Who an operator is at the issuer."""
    publisher: str | None = None
    """Publisher id, when the token is one that a publisher issued for itself."""


class PublisherKeys(Protocol):
    """Enrolled keys, as the broadcast tables hold them."""

    def active_key(self, publisher: str, key_id: str, at: datetime) -> bytes | None:
        """The Ed25519 public key (32 bytes) that the publisher may use at that time."""
        ...


class _Claims(BaseModel):
    """Claims that every token has, strictly typed."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    iss: Annotated[str, Field(min_length=1, max_length=256)]
    sub: Annotated[str, Field(min_length=1, max_length=256)]
    aud: str | list[str]
    exp: int
    iat: int
    nbf: int | None = None
    jti: Annotated[str, Field(min_length=1, max_length=128)]
    role: Role | None = None
    niss: Annotated[str, Field(max_length=32)] | None = None
    nihdi: Annotated[str, Field(max_length=32)] | None = None
    profession: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    organisation: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class TokenVerifier:
    """Turns a bearer token into a principal, or refuses it."""

    def __init__(
        self,
        *,
        issuers: tuple[TrustedIssuer, ...],
        publishers: PublisherKeys,
        audience: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._issuers = {one.issuer: one for one in issuers}
        self._keys = {one.issuer: _key_ring(one) for one in issuers}
        self._publishers = publishers
        self._audience = audience
        self._clock = clock

    def verify(self, token: str) -> Principal:
        """The principal that the token proves.

        Raises:
            Unauthenticated: it proves none.
        """
        header, payload = _peek(token)
        now = self._clock()
        issuer = self._issuers.get(str(payload.get("iss")))
        if issuer is not None:
            claims = self._verify_issued(token, header, issuer, now)
            return _person(claims, issuer)
        return self._verify_publisher(token, header, payload, now)

    def _verify_issued(
        self, token: str, header: Mapping[str, object], issuer: TrustedIssuer, now: datetime
    ) -> _Claims:
        if header.get("typ") not in issuer.types:
            raise Unauthenticated("wrong_type")
        key = self._keys[issuer.issuer].get(str(header.get("kid")))
        if key is None:
            raise Unauthenticated("unknown_key")
        claims = _decode(token, key, issuer.algorithms)
        _check_times(claims, now, issuer.max_seconds)
        _check_audience(claims, issuer.audience)
        return claims

    def _verify_publisher(
        self,
        token: str,
        header: Mapping[str, object],
        payload: Mapping[str, object],
        now: datetime,
    ) -> Principal:
        publisher = str(payload.get("iss"))
        key_id = str(header.get("kid"))
        public_key = self._publishers.active_key(publisher, key_id, now)
        if public_key is None or not pharmacy.is_valid(publisher):
            raise Unauthenticated("unknown_issuer")
        if header.get("typ") not in (None, *_SAFE_TYPES):
            raise Unauthenticated("wrong_type")
        jwk: Jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64encode(public_key), "kid": key_id}
        claims = _decode(token, KeySet([OKPKey.import_key(jwk)]), PUBLISHER_ALGORITHMS)
        _check_times(claims, now, PUBLISHER_TOKEN_SECONDS)
        _check_audience(claims, self._audience)
        if claims.sub != publisher:
            raise Unauthenticated("wrong_subject")
        return Principal(
            role="pharmacy",
            issuer=publisher,
            token_id=claims.jti,
            organisation=publisher,
            publisher=publisher,
        )


def _key_ring(issuer: TrustedIssuer) -> dict[str, KeySet]:
    """Public keys by `kid`; a private member in configuration is refused.

    Raises:
        ValueError: a key is private, symmetric, without `kid` or unreadable.
    """
    ring: dict[str, KeySet] = {}
    for number, jwk in enumerate(issuer.keys):
        if "kid" not in jwk or "d" in jwk or jwk.get("kty") not in ("RSA", "EC", "OKP"):
            raise ValueError(
                f"Key {number} of a token issuer must be a public RSA, EC or OKP key with a kid."
            )
        try:
            ring[str(jwk["kid"])] = KeySet.import_key_set({"keys": [jwk]})
        except (JoseError, ValueError, KeyError):
            raise ValueError(f"Key {number} of a token issuer cannot be read.") from None
    return ring


def _peek(token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Header and payload before any check, only to learn which key to try."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(parts) != _PARTS or not token.isascii():
        raise Unauthenticated("not_a_token")
    header, payload = _json_object(parts[0]), _json_object(parts[1])
    if not isinstance(header.get("kid"), str):
        raise Unauthenticated("unknown_key")
    return header, payload


def _json_object(part: str) -> Mapping[str, object]:
    try:
        value = strictjson.parse(b64decode(part), max_bytes=MAX_TOKEN_CHARS, max_depth=6)
    except (SealBroken, strictjson.MalformedJson):
        raise Unauthenticated("not_a_token") from None
    if not isinstance(value, dict):
        raise Unauthenticated("not_a_token")
    return value


def _decode(token: str, key: KeySet, algorithms: tuple[str, ...]) -> _Claims:
    try:
        with warnings.catch_warnings():
            # `EdDSA` is the older name of what RFC 9864 calls `Ed25519`; publishers may use both.
            warnings.simplefilter("ignore", SecurityWarning)
            decoded = jwt.decode(token, key, algorithms=list(algorithms))
        return _Claims.model_validate(decoded.claims)
    except ValidationError:
        reason = "claims_missing"
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        reason = "signature_or_algorithm"
    raise Unauthenticated(reason)


def _check_times(claims: _Claims, now: datetime, max_seconds: int) -> None:
    moment = now.timestamp()
    if claims.exp <= moment - SKEW_SECONDS:
        raise Unauthenticated("expired")
    if claims.iat > moment + SKEW_SECONDS or (claims.nbf or 0) > moment + SKEW_SECONDS:
        raise Unauthenticated("not_yet_valid")
    if claims.exp - claims.iat > max_seconds or claims.exp <= claims.iat:
        raise Unauthenticated("lifetime")


def _check_audience(claims: _Claims, audience: str) -> None:
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if audience not in named:
        raise Unauthenticated("wrong_audience")


def _person(claims: _Claims, issuer: TrustedIssuer) -> Principal:
    if claims.role is None or claims.role not in issuer.roles:
        raise Unauthenticated("role_not_granted")
    needs = _NEEDS[claims.role]
    if any(getattr(claims, name) is None for name in needs):
        raise Unauthenticated("claims_missing")
    in_pharmacy = claims.role in ("pharmacist", "pharmacy")
    organisation = claims.organisation
    try:
        return Principal(
            role=claims.role,
            issuer=claims.iss,
            token_id=claims.jti,
            niss=niss.validate(claims.niss) if claims.niss else None,
            nihdi=nihdi.validate(claims.nihdi) if claims.nihdi else None,
            profession=claims.profession,
            organisation=pharmacy.validate(organisation)
            if organisation and in_pharmacy
            else organisation,
            name=claims.name,
            subject=claims.sub if claims.role == "operator" else None,
        )
    except InvalidNumber:
        raise Unauthenticated("claims_invalid") from None


_NEEDS: Final[dict[Role, tuple[str, ...]]] = {
    "patient": ("niss",),
    "caregiver": ("nihdi", "profession"),
    "pharmacist": ("nihdi", "profession", "organisation"),
    "pharmacy": ("organisation",),
    "auditor": ("sub",),
    "operator": ("sub",),
}
