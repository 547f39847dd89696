"""Tokens: what is accepted, and every way in which one is not."""

import base64
import hmac
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey, RSAKey

from consumers.api.issuers import TrustedIssuer, read_issuers
from consumers.api.tokens import TokenVerifier, Unauthenticated
from consumers.api.tokens_dev import DevIssuer, TokenRequest
from streams.intake.tokens import publisher_token
from tests.unit.consumers.api.cast import ANN, AUDIENCE, ISSUER, NOW, PHARMACY
from tests.unit.consumers.api.world import World

T = int(NOW.timestamp())
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "s",
    "aud": AUDIENCE,
    "iat": T,
    "exp": T + 600,
    "jti": "1",
    "role": "patient",
    "niss": ANN,
}
HEADER = {"alg": "Ed25519", "typ": "at+jwt", "kid": "issuer-1"}


def _sign(world: World, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    return jwt.encode(header or HEADER, claims, world.issuer_key, algorithms=["Ed25519"])


def _b64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_person_is_who_the_issuer_says(world: World) -> None:
    principal = world.verifier().verify(_sign(world, GOOD))
    assert (principal.role, principal.niss, principal.token_id) == ("patient", ANN, "1")
    assert ANN not in repr(principal)


def test_several_audiences_may_be_named(world: World) -> None:
    principal = world.verifier().verify(_sign(world, {**GOOD, "aud": ["x", AUDIENCE]}))
    assert principal.role == "patient"


CLAIMS_BAD: dict[str, tuple[dict[str, Any], str]] = {
    "wrong audience": ({"aud": "https://other"}, "wrong_audience"),
    "unknown issuer": ({"iss": "https://evil"}, "unknown_issuer"),
    "no issuer": ({"iss": None}, "unknown_issuer"),
    "expired": ({"iat": T - 7200, "exp": T - 31}, "expired"),
    "from the future": ({"iat": T + 31}, "not_yet_valid"),
    "not before the future": ({"nbf": T + 31}, "not_yet_valid"),
    "no expiry": ({"exp": None}, "claims_missing"),
    "no issue time": ({"iat": None}, "claims_missing"),
    "no id": ({"jti": None}, "claims_missing"),
    "a number as id": ({"jti": 5}, "claims_missing"),
    "a text as expiry": ({"exp": "tomorrow"}, "claims_missing"),
    "lives too long": ({"exp": T + 90_000}, "lifetime"),
    "ends before it begins": ({"exp": T - 1}, "lifetime"),
    "no role": ({"role": None}, "role_not_granted"),
    "unknown role": ({"role": "king"}, "role_not_granted"),
    "two roles at once": ({"role": ["patient", "caregiver"]}, "role_not_granted"),
    "a number as role": ({"role": 5}, "claims_missing"),
    "patient without number": ({"niss": None}, "claims_missing"),
    "patient with a wrong number": ({"niss": "85000000139"}, "claims_invalid"),
    "caregiver without number": ({"role": "caregiver"}, "claims_missing"),
    "pharmacist without pharmacy": (
        {"role": "pharmacist", "nihdi": "10000106001", "profession": "pharmacist"},
        "claims_missing",
    ),
    "pharmacy with a wrong number": (
        {"role": "pharmacy", "organisation": "80000552"},
        "claims_invalid",
    ),
}


@pytest.mark.parametrize("kind", CLAIMS_BAD)
def test_claims_bad(world: World, kind: str) -> None:
    changes, reason = CLAIMS_BAD[kind]
    claims = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    with pytest.raises(Unauthenticated, match=f"^{reason}$"):
        world.verifier().verify(_sign(world, claims))


HEADERS_BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"kid": "other"}, "unknown_key"),
    "no key": ({"kid": None}, "unknown_key"),
    "wrong type": ({"typ": "dpop+jwt"}, "wrong_type"),
    "no type": ({"typ": None}, "wrong_type"),
}


@pytest.mark.parametrize("kind", HEADERS_BAD)
def test_headers_bad(world: World, kind: str) -> None:
    changes, reason = HEADERS_BAD[kind]
    header = {k: v for k, v in {**HEADER, **changes}.items() if v is not None}
    token = jwt.encode(header, GOOD, world.issuer_key, algorithms=["Ed25519"], default_type=None)
    with pytest.raises(Unauthenticated, match=f"^{reason}$"):
        world.verifier().verify(token)


def test_no_algorithm_is_no_signature_bad(world: World) -> None:
    for signature in ("", "AAAA"):
        token = f"{_b64({**HEADER, 'alg': 'none'})}.{_b64(GOOD)}.{signature}"
        with pytest.raises(Unauthenticated):
            world.verifier().verify(token)


def _hmac(header: dict[str, Any], secret: bytes) -> str:
    """A token that takes a public key for a shared secret; libraries refuse to make one."""
    signed = f"{_b64({**header, 'alg': 'HS256'})}.{_b64(GOOD)}"
    mac = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_an_edwards_public_key_is_no_shared_secret_bad(world: World) -> None:
    for secret in (
        world.issuer_key.as_pem(private=False),
        world.issuer_key.as_der(private=False),
        world.issuer_key.public_key.public_bytes_raw(),
    ):
        with pytest.raises(Unauthenticated, match="signature_or_algorithm"):
            world.verifier().verify(_hmac(HEADER, secret))


def test_an_rsa_public_key_is_no_shared_secret_bad(world: World) -> None:
    key = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    public = {name: str(value) for name, value in key.as_dict(private=False).items()}
    issuer = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, algorithms=("RS256",), keys=(public,))
    verifier = TokenVerifier(
        issuers=(issuer,), publishers=world.tables, audience=AUDIENCE, clock=lambda: NOW
    )
    header = {"alg": "RS256", "typ": "JWT", "kid": "rsa-1"}
    principal = verifier.verify(jwt.encode(header, GOOD, key, algorithms=["RS256"]))
    assert principal.role == "patient"
    with pytest.raises(Unauthenticated, match="signature_or_algorithm"):
        verifier.verify(_hmac(header, key.as_pem(private=False)))


def test_keys_that_a_token_brings_along_are_ignored_bad(world: World) -> None:
    stranger = OKPKey.generate_key("Ed25519", {"kid": "issuer-1"})
    public = stranger.as_dict(private=False)
    for extra in (
        {"jku": "https://evil/keys"},
        {"jwk": {k: public[k] for k in ("kty", "crv", "x")}},
        {"x5u": "https://evil/cert"},
    ):
        token = jwt.encode({**HEADER, **extra}, GOOD, stranger, algorithms=["Ed25519"])
        with pytest.raises(Unauthenticated, match="signature_or_algorithm"):
            world.verifier().verify(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "é.é.é",
        "A" * 9000,
        f"{_b64([])}.{_b64([])}.AA",
        f"{_b64(HEADER)}.e30K.AA",
        "eyJhIjoxLCJhIjoyfQ.e30.AA",
    ],
)
def test_what_is_no_token_is_refused_bad(world: World, token: str) -> None:
    with pytest.raises(Unauthenticated):
        world.verifier().verify(token)


def test_a_changed_or_padded_token_is_refused_bad(world: World) -> None:
    head, body, signature = _sign(world, GOOD).split(".")
    other = _b64({**GOOD, "role": "auditor"})
    for token in (f"{head}.{other}.{signature}", f"{head}.{body}=.{signature}"):
        with pytest.raises(Unauthenticated):
            world.verifier().verify(token)


def test_an_issuer_grants_only_the_roles_configured(world: World) -> None:
    issuer = world.trusted().model_copy(update={"roles": ("patient",)})
    verifier = TokenVerifier(
        issuers=(issuer,), publishers=world.tables, audience=AUDIENCE, clock=lambda: NOW
    )
    with pytest.raises(Unauthenticated, match="role_not_granted"):
        verifier.verify(_sign(world, {**GOOD, "role": "auditor"}))


def test_an_issuer_makes_operators_only_if_its_roles_name_them(world: World) -> None:
    claims = {**GOOD, "role": "operator", "sub": "clerk", "niss": None}
    named = world.trusted()
    by_default = TrustedIssuer.model_validate(named.model_dump(exclude={"roles"}))

    def verifier(issuer: TrustedIssuer) -> TokenVerifier:
        return TokenVerifier(
            issuers=(issuer,), publishers=world.tables, audience=AUDIENCE, clock=lambda: NOW
        )

    principal = verifier(named).verify(_sign(world, claims))
    assert (principal.role, principal.subject) == ("operator", "clerk")
    with pytest.raises(Unauthenticated, match="role_not_granted"):
        verifier(by_default).verify(_sign(world, claims))


def test_a_publisher_shows_itself_with_its_enrolled_key(world: World) -> None:
    principal = world.verifier().verify(publisher_token(PHARMACY, world.publisher_key, NOW))
    assert (principal.role, principal.publisher, principal.organisation) == (
        "pharmacy",
        PHARMACY,
        PHARMACY,
    )


def test_a_publisher_may_use_the_older_name_of_the_algorithm(world: World) -> None:
    raw = world.publisher_key.private.private_bytes_raw()
    encoded = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    public = base64.urlsafe_b64encode(world.publisher_key.public_bytes).rstrip(b"=").decode()
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": encoded, "x": public})
    claims = {
        "iss": PHARMACY,
        "sub": PHARMACY,
        "aud": AUDIENCE,
        "iat": T,
        "exp": T + 60,
        "jti": "j",
    }
    header = {"alg": "EdDSA", "kid": "pharmacy-1"}
    with pytest.warns(UserWarning, match="RFC 9864"):
        token = jwt.encode(header, claims, key, algorithms=["EdDSA"])
    assert world.verifier().verify(token).publisher == PHARMACY
    for changes, reason in (
        ({"exp": T + 301}, "lifetime"),
        ({"sub": "27457532"}, "wrong_subject"),
        ({"aud": "x"}, "wrong_audience"),
        ({"iss": "27457532"}, "unknown_issuer"),
        ({"iss": "registrar"}, "unknown_issuer"),
    ):
        with pytest.warns(UserWarning, match="RFC 9864"):
            token = jwt.encode(header, {**claims, **changes}, key, algorithms=["EdDSA"])
        with pytest.raises(Unauthenticated, match=reason):
            world.verifier().verify(token)


def test_a_withdrawn_key_opens_nothing_bad(world: World) -> None:
    token = publisher_token(PHARMACY, world.publisher_key, NOW)
    world.tables.keys.clear()
    with pytest.raises(Unauthenticated, match="unknown_issuer"):
        world.verifier().verify(token)


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "kid": "a", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a", "d": "AAAA"},
        {"kty": "RSA", "kid": "a"},
    ],
)
def test_an_issuer_is_pinned_with_public_keys_only_bad(jwk: dict[str, str]) -> None:
    issuer = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, algorithms=("Ed25519",), keys=(jwk,))
    with pytest.raises(ValueError, match="Key 0 of a token issuer"):
        TokenVerifier(
            issuers=(issuer,), publishers=World().tables, audience=AUDIENCE, clock=lambda: NOW
        )


def test_the_file_of_issuers_is_read_and_its_faults_are_named(world: World, tmp_path: Path) -> None:
    path = tmp_path / "issuers.json"
    document = {"issuers": [world.trusted().model_dump(mode="json")]}
    path.write_text(json.dumps(document))
    assert read_issuers(path) == (world.trusted(),)
    document["issuers"][0]["algorithms"] = ["HS256"]
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="issuers/0/algorithms/0"):
        read_issuers(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="its beginning"):
        read_issuers(path)


def test_the_development_issuer_keeps_its_key_to_itself(world: World, tmp_path: Path) -> None:
    issuer = DevIssuer.open(tmp_path / "keys", AUDIENCE)
    again = DevIssuer.open(tmp_path / "keys", AUDIENCE)
    (file,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = issuer.issue(TokenRequest(role="patient", niss=ANN), NOW)
    verifier = TokenVerifier(
        issuers=(again.trusted(),), publishers=world.tables, audience=AUDIENCE, clock=lambda: NOW
    )
    assert verifier.verify(token).niss == ANN
    assert "d" not in again.trusted().keys[0]
    assert KeySet.import_key_set({"keys": [dict(again.trusted().keys[0])]})
