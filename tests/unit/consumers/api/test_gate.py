"""Bound tokens: nothing that was stolen opens anything, and nothing opens twice."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from consumers.api.app import create_app
from consumers.api.certificates import STATE, TrustedProxies, thumbprint
from consumers.api.dpop import NONCE_SECONDS, Nonces, token_hash
from consumers.api.issuers import TrustedIssuer
from consumers.api.tokens import TokenVerifier
from tests.unit.consumers.api.cast import ANN, AUDIENCE, ISSUER, NOW
from tests.unit.consumers.api.proofs import PATH, URL, Client
from tests.unit.consumers.api.world import World

T = int(NOW.timestamp())
CERTIFICATE = b"a certificate in DER"


def _with_issuer(world: World, **changes: Any) -> None:
    """The world's issuer, configured otherwise."""
    issuer = TrustedIssuer.model_validate({**world.trusted().model_dump(), **changes})
    verifier = TokenVerifier(
        issuers=(issuer,), publishers=world.tables, audience=AUDIENCE, clock=lambda: world.now
    )
    world.deps = replace(world.deps, gate=world.gate(verifier=verifier))
    world.app = create_app(world.deps)


async def test_a_bound_token_opens_with_a_proof_of_its_key(world: World) -> None:
    client = Client(world)
    token = client.token()
    assert (await client.ask(token, client.proof(token)))[0] == 200
    assert (await client.ask(token, client.proof(token, htu=URL + "?a=b#c")))[0] == 200
    assert (await client.ask(token, client.proof(token, htu=URL.replace("api", "API"))))[0] == 200


async def test_a_bound_token_alone_opens_nothing_bad(world: World) -> None:
    client = Client(world)
    token = client.token()
    assert (await client.ask(token))[0] == 401
    assert (await client.ask(token, scheme="Bearer"))[0] == 401
    assert (await client.ask(token, client.proof(token), scheme="Bearer"))[0] == 401
    assert (await client.ask(token, client.proof(token), client.proof(token)))[0] == 401


async def test_a_token_that_is_not_bound_is_no_dpop_token_bad(world: World) -> None:
    client = Client(world)
    token = world.patient()
    assert (await client.ask(token, client.proof(token)))[0] == 401


PROOFS_BAD: dict[str, dict[str, Any]] = {
    "another method": {"htm": "GET"},
    "a method in lower case": {"htm": "post"},
    "another address": {"htu": "http://api.test/v1/me/access-log"},
    "another host": {"htu": "http://evil.test/v1/me/history"},
    "another scheme": {"htu": "https://api.test/v1/me/history"},
    "no address": {"htu": "/v1/me/history"},
    "a port that is none": {"htu": "http://api.test:99999/v1/me/history"},
    "another token": {"ath": token_hash("x")},
    "no token": {"ath": None},
    "no id": {"jti": None},
    "no time": {"iat": None},
    "a text as time": {"iat": "now"},
    "too old": {"iat": T - 66},
    "from the future": {"iat": T + 6},
    "another type": {"header": {"typ": "JWT"}},
    "another algorithm named": {"header": {"alg": "none"}},
}


@pytest.mark.parametrize("kind", PROOFS_BAD)
async def test_proofs_bad(world: World, kind: str) -> None:
    client = Client(world)
    token, changes = client.token(), dict(PROOFS_BAD[kind])
    header = changes.pop("header", None)
    if header == {"alg": "none"}:
        proof = ".".join((_b64('{"alg":"none","typ":"dpop+jwt"}'), _b64("{}"), ""))
    else:
        proof = client.proof(token, header, **changes)
    status, challenge, _ = await client.ask(token, proof)
    assert status == 401
    assert challenge.startswith('DPoP error="invalid_dpop_proof"')


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("jwk", ["null", "5", "{}", '"x"', '{"kty":"EC"}', '{"kty":"RSA","n":5}'])
async def test_a_proof_without_a_key_is_refused_bad(world: World, jwk: str) -> None:
    client = Client(world)
    token = client.token()
    header = '{"alg":"ES256","typ":"dpop+jwt","jwk":' + jwk + "}"
    proof = f"{_b64(header)}.{client.proof(token).partition('.')[2]}"
    assert (await client.ask(token, proof))[0] == 401


async def test_a_proof_by_another_key_is_refused_bad(world: World) -> None:
    client, thief = Client(world), Client(world)
    token = client.token()
    assert (await client.ask(token, thief.proof(token)))[0] == 401
    # The right key in the header, another one's signature.
    forged = thief.proof(token, {"jwk": client.key.as_dict(private=False)})
    assert (await client.ask(token, forged))[0] == 401


async def test_a_proof_that_brings_a_private_or_shared_key_is_refused_bad(world: World) -> None:
    client = Client(world)
    token = client.token()
    for jwk in (
        client.key.as_dict(private=True),
        OctKey.generate_key(256).as_dict(),
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    ):
        assert (await client.ask(token, client.proof(token, {"jwk": jwk})))[0] == 401


async def test_a_short_rsa_key_proves_nothing_bad(world: World) -> None:
    client = Client(world)
    with pytest.warns(UserWarning, match="2048"):
        short = RSAKey.generate_key(1024)
    token = client.token(cnf={"jkt": str(short.thumbprint())})
    claims = {"jti": "1", "htm": "POST", "htu": URL, "iat": T, "ath": token_hash(token)}
    header = {"alg": "PS256", "typ": "dpop+jwt", "jwk": short.as_dict(private=False)}
    proof = jwt.encode(header, claims, short, algorithms=["PS256"])
    assert (await client.ask(token, proof))[0] == 401


async def test_a_proof_is_good_once_bad(world: World) -> None:
    client = Client(world)
    token = client.token()
    proof = client.proof(token)
    assert (await client.ask(token, proof))[0] == 200
    assert (await client.ask(token, proof))[0] == 401
    # The same id by another key is another proof.
    other = Client(world)
    for one in (client, other):
        bound = one.token()
        assert (await one.ask(bound, one.proof(bound, jti="shared")))[0] == 200


async def test_where_a_nonce_is_asked_for_the_client_is_told_which(world: World) -> None:
    async def key() -> bytes:
        return b"k" * 32

    world.deps = replace(world.deps, gate=world.gate(nonce_key=key))
    world.app = create_app(world.deps)
    client = Client(world)
    token = client.token()
    status, challenge, nonce = await client.ask(token, client.proof(token))
    assert (status, 'error="use_dpop_nonce"' in challenge) == (401, True)
    assert (await client.ask(token, client.proof(token, nonce=nonce)))[0] == 200
    # A clock that is minutes off does no harm then; another nonce does.
    assert (await client.ask(token, client.proof(token, nonce=nonce, iat=T + 200)))[0] == 200
    assert (await client.ask(token, client.proof(token, nonce="x")))[0] == 401


def test_a_nonce_counts_for_its_time_and_the_next() -> None:
    nonces = Nonces(b"k" * 32)
    nonce = nonces.current(NOW)
    later = [NOW + timedelta(seconds=NONCE_SECONDS * n) for n in range(3)]
    assert [nonces.takes(nonce, at) for at in later] == [True, True, False]
    assert not Nonces(b"x" * 32).takes(nonce, NOW)


@pytest.mark.parametrize(
    ("binding", "bound_to", "status"),
    [
        ("none", "nothing", 200),
        ("dpop", "nothing", 401),
        ("mtls", "nothing", 401),
        ("either", "nothing", 401),
        ("dpop", "key", 200),
        ("either", "key", 200),
        ("mtls", "key", 401),
    ],
)
async def test_what_an_issuer_must_bind_is_not_taken_unbound(
    world: World, binding: str, bound_to: str, status: int
) -> None:
    _with_issuer(world, binding=binding)
    client = Client(world)
    if bound_to == "key":
        token = client.token()
        assert (await client.ask(token, client.proof(token)))[0] == status
    else:
        assert (await client.ask(world.patient(), scheme="Bearer"))[0] == status


def _header(certificate: bytes) -> str:
    return f":{base64.b64encode(certificate).decode()}:"


async def _ask_by_proxy(world: World, token: str, *values: str, networks: str) -> int:
    world.deps = replace(world.deps, proxies=TrustedProxies.parse("Client-Cert", networks))
    world.app = create_app(world.deps)
    headers = [("Client-Cert", value) for value in values]
    return (await world.ask(PATH, token, {}, headers=headers)).status_code


async def test_a_certificate_is_believed_from_a_trusted_proxy_only(world: World) -> None:
    token = world.token("patient", niss=ANN, cnf={"x5t#S256": thumbprint(CERTIFICATE)})
    good, other = _header(CERTIFICATE), _header(b"another")
    near, far = "127.0.0.0/8, ::1", "10.0.0.0/8"
    assert await _ask_by_proxy(world, token, good, networks=near) == 200
    for values in ((), (other,), (good, good), ("AAAA",), (":%%:",), ("",), ("::",)):
        assert await _ask_by_proxy(world, token, *values, networks=near) == 401
    assert await _ask_by_proxy(world, token, good, networks=far) == 401
    # With no proxy configured the header is as if it were not there.
    world.app = create_app(replace(world.deps, proxies=None))
    answer = await world.ask(PATH, token, {}, headers=[("Client-Cert", good)])
    assert answer.status_code == 401


async def test_the_certificate_of_our_own_tls_is_what_counts(world: World) -> None:
    token = world.token("patient", niss=ANN, cnf={"x5t#S256": thumbprint(CERTIFICATE)})
    inner = create_app(world.deps)

    async def status_with(shown: bytes) -> int:
        async def connected(scope: Any, receive: Any, send: Any) -> None:
            await inner({**scope, "state": {STATE: shown}}, receive, send)

        world.app = connected  # type: ignore[assignment]
        return (await world.ask(PATH, token, {})).status_code

    assert await status_with(CERTIFICATE) == 200
    assert await status_with(b"another") == 401


async def test_a_token_for_one_request_opens_one_request(world: World) -> None:
    _with_issuer(world, one_time=True)
    first, second = (world.token("patient", niss=ANN, jti=one) for one in ("a", "b"))
    assert (await world.ask(PATH, first)).status_code == 200
    assert (await world.ask(PATH, first)).status_code == 401
    # Another text of the same token, as another signature would make it, is the same token.
    again = world.token("patient", niss=ANN, jti="a", name="x")
    assert (await world.ask(PATH, again)).status_code == 401
    assert (await world.ask(PATH, second)).status_code == 200


async def test_roles_and_claims_are_what_configuration_makes_of_them(world: World) -> None:
    _with_issuer(
        world,
        role_values={"urn:be:citizen": "patient", "urn:be:doctor": "caregiver"},
        claims={"role": "urn:roles", "niss": "ssin", "nihdi": "inami", "profession": "quality"},
        professions={"persphysician": "physician"},
    )
    key = {"alg": "Ed25519", "typ": "at+jwt", "kid": "issuer-1"}
    base = {"iss": ISSUER, "sub": "s", "aud": AUDIENCE, "iat": T, "exp": T + 60, "jti": "1"}

    def token(**claims: Any) -> str:
        return jwt.encode(key, {**base, **claims}, world.issuer_key, algorithms=["Ed25519"])

    patient = token(ssin=ANN, **{"urn:roles": ["urn:be:citizen", "offline_access"]})
    assert (await world.ask(PATH, patient)).status_code == 200
    # Our own names mean nothing to this issuer, and two roles at once none.
    both = ["urn:be:citizen", "urn:be:doctor"]
    for claims in ({"role": "patient", "niss": ANN}, {"urn:roles": both, "ssin": ANN}):
        assert (await world.ask(PATH, token(**claims))).status_code == 401
    doctor = token(inami="10000106001", quality="persphysician", **{"urn:roles": "urn:be:doctor"})
    answer = await world.ask("/v1/patients/history", doctor, {"patient": ANN})
    assert answer.status_code == 403
    assert world.log.audited()[-1].profession == "physician"


async def test_no_token_and_no_proof_reaches_a_log_line(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(world)
    token = client.token()
    proof = client.proof(token, htm="GET")
    await client.ask(token, proof)
    await client.ask(token[:-4] + "AAAA", proof)
    printed = "".join(capsys.readouterr())
    assert "authentication_failed" in printed
    for secret in (token, proof, token.split(".")[2], ANN, client.thumbprint):
        assert secret not in printed


def test_thumbprints_are_those_of_the_rfc() -> None:
    # RFC 7638, section 3.1, which cnf.jkt rests on.
    key = RSAKey.import_key(
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L"
            "6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-"
            "65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLy"
            "rdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
            "nqDKgw",
            "e": "AQAB",
        }
    )
    assert key.thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert isinstance(ECKey.generate_key("P-256").thumbprint(), str)
