"""Access tokens: who calls, proven by pinned issuers or by a publisher's own enrolled key.

Algorithms, issuers, audiences, types and clocks are pinned; keys come from configuration or from
the office-signed publisher facts, never from a header of the token. Source: RFC 8725; audit
reference, section 4.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Protocol

from joserfc.jwk import Key
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api.issuers import SAFE_TYPES, Binding, Role, TrustedIssuer
from consumers.api.jose import BadSignature, Jwk, NotJose, claims_of, peek, public_key
from consumers.api.jwks import KeyRings
from schemas.identifiers import nihdi, niss, pharmacy
from schemas.sealing import b64encode

PUBLISHER_ALGORITHMS: Final = ("Ed25519", "EdDSA")
PUBLISHER_TOKEN_SECONDS: Final = 300
MAX_KNOWN: Final = 10_000
"""So many tokens of issuers are remembered by their hash, so that their next use costs less."""
SKEW_SECONDS: Final = 30
"""How far a publisher's clock may be off."""


class Unauthenticated(Exception):
    """A token proves nothing; `reason` is for the security log, never for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKey(Unauthenticated):
    """The issuer has no key of that id, as far as is known here."""

    def __init__(self, issuer: str) -> None:
        super().__init__("unknown_key")
        self.issuer = issuer


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """A token that holds, and what else its sender has to show."""

    principal: Principal
    expires_at: int
    binding: Binding = "none"
    """What the issuer asks for."""
    key_thumbprint: str | None = None
    """`cnf.jkt`: the DPoP key that the token is bound to. Source: RFC 9449, section 6."""
    certificate_thumbprint: str | None = None
    """`cnf.x5t#S256`: the client certificate that it is bound to. Source: RFC 8705, section 3."""
    one_time: bool = False


class PublisherKeys(Protocol):
    """Enrolled keys, as the broadcast tables hold them."""

    def active_key(self, publisher: str, key_id: str, at: datetime) -> bytes | None:
        """The Ed25519 public key (32 bytes) that the publisher may use at that time."""
        ...


class _Confirmation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    jkt: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    x5t: str | None = Field(default=None, alias="x5t#S256", min_length=1, max_length=64)


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
    cnf: _Confirmation = _Confirmation()


class _Person(BaseModel):
    """What an issuer says of a person or organisation, under our names."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)

    role: str | list[str] | None = None
    niss: Annotated[str, Field(max_length=32)] | None = None
    nihdi: Annotated[str, Field(max_length=32)] | None = None
    profession: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    organisation: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token whose signature held under `key`."""

    issuer: TrustedIssuer
    kid: str
    key: Key
    claims: _Claims
    accepted: Accepted


def _mark(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


class TokenVerifier:
    """Turns an access token into a principal, or refuses it.

    `rings` are the issuers' keys; without them the issuers must all have pinned keys.
    """

    def __init__(
        self,
        *,
        issuers: tuple[TrustedIssuer, ...],
        publishers: PublisherKeys,
        audience: str,
        clock: Callable[[], datetime],
        rings: KeyRings | None = None,
    ) -> None:
        self._issuers = {one.issuer: one for one in issuers}
        self._rings = rings or KeyRings(issuers, lambda: clock().timestamp())
        self._publishers = publishers
        self._audience = audience
        self._clock = clock
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    def verify(self, token: str) -> Principal:
        """The principal that the token proves, whoever sends it.

        Raises:
            Unauthenticated: it proves none.
        """
        return self.accept(token).principal

    def accept(self, token: str) -> Accepted:
        """What the token proves, and what its sender has to show besides.

        Raises:
            Unauthenticated: it proves nothing.
            KeysUnavailable: its issuer's keys could not be read for too long.
        """
        now = self._clock()
        known = self._known(token, now)
        if known is not None:
            return known
        try:
            header, payload = peek(token)
        except NotJose:
            raise Unauthenticated("not_a_token") from None
        issuer = self._issuers.get(str(payload.get("iss")))
        if issuer is not None:
            return self._accept_issued(token, header, issuer, now)
        return self._accept_publisher(token, header, payload, now)

    def _known(self, token: str, now: datetime) -> Accepted | None:
        """What a token proved before, if the key that signed it is still its issuer's.

        Only the signature is not checked again: times are, and a withdrawn key opens nothing.
        """
        found = self._checked.get(_mark(token))
        if found is None or self._rings.find(found.issuer.issuer, found.kid) is not found.key:
            return None
        _check_times(found.claims, now, found.issuer.max_seconds, found.issuer.skew_seconds)
        return found.accepted

    def _keep(self, token: str, checked: _Checked) -> None:
        self._checked[_mark(token)] = checked
        while len(self._checked) > MAX_KNOWN:
            self._checked.popitem(last=False)

    def _accept_issued(
        self, token: str, header: Mapping[str, Any], issuer: TrustedIssuer, now: datetime
    ) -> Accepted:
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise Unauthenticated("unknown_key")
        if header.get("typ") not in issuer.types:
            raise Unauthenticated("wrong_type")
        key = self._rings.find(issuer.issuer, kid)
        if key is None:
            raise UnknownKey(issuer.issuer)
        try:
            claims = claims_of(token, key, issuer.algorithms)
        except BadSignature:
            raise Unauthenticated("signature_or_algorithm") from None
        common = _common(claims)
        _check_times(common, now, issuer.max_seconds, issuer.skew_seconds)
        _check_audience(common, issuer.audience)
        accepted = Accepted(
            principal=_principal(common, _person(claims, issuer), issuer),
            expires_at=common.exp,
            binding=issuer.binding,
            key_thumbprint=common.cnf.jkt,
            certificate_thumbprint=common.cnf.x5t,
            one_time=issuer.one_time,
        )
        self._keep(token, _Checked(issuer, kid, key, common, accepted))
        return accepted

    def _accept_publisher(
        self,
        token: str,
        header: Mapping[str, Any],
        payload: Mapping[str, Any],
        now: datetime,
    ) -> Accepted:
        publisher, key_id = str(payload.get("iss")), header.get("kid")
        if not isinstance(key_id, str):
            raise Unauthenticated("unknown_key")
        enrolled = self._publishers.active_key(publisher, key_id, now)
        if enrolled is None or not pharmacy.is_valid(publisher):
            raise Unauthenticated("unknown_issuer")
        if header.get("typ") not in (None, *SAFE_TYPES):
            raise Unauthenticated("wrong_type")
        jwk: Jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64encode(enrolled), "kid": key_id}
        try:
            claims = _common(claims_of(token, public_key(jwk), PUBLISHER_ALGORITHMS))
        except BadSignature:
            raise Unauthenticated("signature_or_algorithm") from None
        _check_times(claims, now, PUBLISHER_TOKEN_SECONDS, SKEW_SECONDS)
        _check_audience(claims, self._audience)
        if claims.sub != publisher:
            raise Unauthenticated("wrong_subject")
        principal = Principal(
            role="pharmacy",
            issuer=publisher,
            token_id=claims.jti,
            organisation=publisher,
            publisher=publisher,
        )
        return Accepted(
            principal=principal,
            expires_at=claims.exp,
            key_thumbprint=claims.cnf.jkt,
            certificate_thumbprint=claims.cnf.x5t,
        )


def _common(claims: Mapping[str, Any]) -> _Claims:
    try:
        return _Claims.model_validate(claims)
    except ValidationError:
        raise Unauthenticated("claims_missing") from None


def _check_times(claims: _Claims, now: datetime, max_seconds: int, skew: int) -> None:
    moment = now.timestamp()
    if claims.exp <= moment - skew:
        raise Unauthenticated("expired")
    if claims.iat > moment + skew or (claims.nbf or 0) > moment + skew:
        raise Unauthenticated("not_yet_valid")
    if claims.exp - claims.iat > max_seconds or claims.exp <= claims.iat:
        raise Unauthenticated("lifetime")


def _check_audience(claims: _Claims, audience: str) -> None:
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if audience not in named:
        raise Unauthenticated("wrong_audience")


def _person(claims: Mapping[str, Any], issuer: TrustedIssuer) -> _Person:
    named = {ours: claims.get(theirs) for ours, theirs in issuer.claims.model_dump().items()}
    try:
        return _Person.model_validate(named)
    except ValidationError:
        raise Unauthenticated("claims_missing") from None


def _role(said: str | list[str] | None, issuer: TrustedIssuer) -> Role:
    """The one role that the claim stands for; none and several are refused alike."""
    meant: dict[str, Role] = issuer.role_values or {role: role for role in issuer.roles}
    values = [said] if isinstance(said, str) else said or []
    roles = {meant[value] for value in values if value in meant}
    if len(roles) != 1 or not roles <= set(issuer.roles):
        raise Unauthenticated("role_not_granted")
    return roles.pop()


def _principal(claims: _Claims, person: _Person, issuer: TrustedIssuer) -> Principal:
    role = _role(person.role, issuer)
    if any(getattr(person, name) is None for name in _NEEDS[role]):
        raise Unauthenticated("claims_missing")
    organisation, profession = person.organisation, person.profession
    try:
        return Principal(
            role=role,
            issuer=claims.iss,
            token_id=claims.jti,
            niss=niss.validate(person.niss) if person.niss else None,
            nihdi=nihdi.validate(person.nihdi) if person.nihdi else None,
            profession=issuer.professions.get(profession, profession) if profession else None,
            organisation=pharmacy.validate(organisation)
            if organisation and role in ("pharmacist", "pharmacy")
            else organisation,
            name=person.name,
            subject=claims.sub if role in ("operator", "auditor", "authority") else None,
        )
    except InvalidNumber:
        raise Unauthenticated("claims_invalid") from None


_NEEDS: Final[dict[Role, tuple[str, ...]]] = {
    "patient": ("niss",),
    "caregiver": ("nihdi", "profession"),
    "pharmacist": ("nihdi", "profession", "organisation"),
    "pharmacy": ("organisation",),
    "admission_desk": ("niss", "organisation"),
    "insurer": ("niss", "organisation"),
    "privacy_officer": ("niss", "organisation"),
    "auditor": (),
    "operator": (),
    "authority": ("organisation",),
}
"""What a token must say of who has the role; `sub` is always there."""
