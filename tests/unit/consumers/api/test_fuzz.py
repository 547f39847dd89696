"""Tokens, proofs, cursors and queries from anybody: refused or read, never a failure.

Hypothesis makes texts from nothing and damages good ones; a parser answers with its own refusal, or
with what was really sealed or signed.
"""

import asyncio
import base64
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from joserfc import jwt

from consumers.api.certificates import TrustedProxies
from consumers.api.cursors import CursorBook, PageMark, SortKey
from consumers.api.dpop import BadProof, check_proof
from consumers.api.fhir.parameters import dispense_search, read_form
from consumers.api.issuers import TrustedIssuer
from consumers.api.jose import NotJose, peek, public_key
from consumers.api.jwks import BadKeySet, parse_set
from consumers.api.problems import Problem
from consumers.api.tokens import Unauthenticated
from tests.unit.consumers.api.cast import AUDIENCE, ISSUER, NOW
from tests.unit.consumers.api.proofs import URL, Client
from tests.unit.consumers.api.world import World

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
WORLD = World()
GOOD = WORLD.patient()
CLIENT = Client(WORLD)
BOUND = CLIENT.token()
PROOF = CLIENT.proof(BOUND)
BOOK = CursorBook(b"k" * 32, "reader", "history")
MARK = PageMark(after=SortKey(at=NOW, parts=("a", "b"), number=1), positions={0: 5}, as_of=NOW)
CURSOR = BOOK.seal(MARK)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """The text with characters changed, taken out, doubled or put in."""
    at = draw(st.integers(0, len(text) - 1))
    until = draw(st.integers(at, min(len(text), at + 5)))
    return text[:at] + draw(st.text(max_size=6)) + text[until:]


TOKENS = (
    st.text(max_size=200)
    | damaged(GOOD)
    | st.builds(
        lambda h, p, s: f"{_part(h)}.{_part(p)}.{s}", JSON, JSON, st.text("AZaz09-_", max_size=90)
    )
    | st.builds(
        lambda changed: (
            f"{_part({'alg': 'Ed25519', 'kid': 'issuer-1', 'typ': 'JWT', **changed})}."
            f"{GOOD.split('.')[1]}.{GOOD.split('.')[2]}"
        ),
        st.dictionaries(
            st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip"]), JSON
        ),
    )
)


calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine nothing here fails because it takes long."""


@calm
@given(TOKENS)
def test_a_token_is_refused_or_is_the_one_that_was_signed(token: str) -> None:
    try:
        principal = WORLD.verifier().verify(token)
    except Unauthenticated:
        return
    head, body, _ = token.split(".")
    assert (head, body) == tuple(GOOD.split(".")[:2])
    assert principal.role == "patient"


@calm
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "iss",
                "sub",
                "aud",
                "iat",
                "exp",
                "nbf",
                "jti",
                "role",
                "niss",
                "nihdi",
                "cnf",
                "profession",
            ]
        ),
        JSON,
    )
)
def test_whatever_an_issuer_signs_is_read_or_refused(claims: dict[str, Any]) -> None:
    whole = {
        "iss": ISSUER,
        "sub": "s",
        "aud": AUDIENCE,
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
        "jti": "1",
        "role": "auditor",
        **claims,
    }
    try:
        token = jwt.encode(
            {"alg": "Ed25519", "kid": "issuer-1", "typ": "JWT"},
            whole,
            WORLD.issuer_key,
            ["Ed25519"],
        )
    except (TypeError, ValueError):
        return
    try:
        accepted = WORLD.verifier().accept(token)
    except Unauthenticated:
        return
    assert accepted.principal.issuer == ISSUER


@calm
@given(
    st.text(max_size=200)
    | damaged(PROOF)
    | st.builds(
        lambda h, p, s: f"{_part(h)}.{_part(p)}.{s}", JSON, JSON, st.text("AZaz09-_", max_size=90)
    )
)
def test_a_proof_is_refused_or_is_the_one_that_was_signed(proof: str) -> None:
    try:
        found = check_proof(
            proof, method="POST", url=URL, token=BOUND, thumbprint=CLIENT.thumbprint, now=NOW
        )
    except BadProof:
        return
    assert proof.split(".")[:2] == PROOF.split(".")[:2]
    assert found.thumbprint == CLIENT.thumbprint


@calm
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_as_address_of_a_proof_is_compared_without_failing(htu: str, url: str) -> None:
    proof = CLIENT.proof(BOUND, htu=htu)
    try:
        check_proof(
            proof, method="POST", url=url, token=BOUND, thumbprint=CLIENT.thumbprint, now=NOW
        )
    except BadProof:
        return


@calm
@given(JSON)
def test_any_json_as_a_key_is_a_public_key_or_none(jwk: Any) -> None:
    try:
        public_key(jwk)
    except NotJose:
        return


@calm
@given(st.binary(max_size=300) | JSON.map(lambda one: json.dumps({"keys": one}).encode()))
def test_any_bytes_as_a_key_set_are_one_or_none(content: bytes) -> None:
    issuer = TrustedIssuer(
        issuer=ISSUER, audience=AUDIENCE, algorithms=("Ed25519",), jwks_url="https://issuer.test/"
    )
    try:
        parse_set(issuer, content)
    except BadKeySet:
        return


@calm
@given(st.text(max_size=400) | damaged(CURSOR))
@example("")
@example("AAAA")
def test_a_cursor_is_refused_or_is_one_that_we_sealed(cursor: str) -> None:
    if cursor == CURSOR:
        assert BOOK.open(cursor) == MARK
        return
    with pytest.raises(Problem, match="malformed-cursor"):
        BOOK.open(cursor)


@calm
@given(
    st.integers(0, 10**10).map(lambda ms: NOW + timedelta(milliseconds=ms)),
    st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
        ),
        max_size=3,
    ),
    st.dictionaries(st.integers(0, 99), st.integers(0, 2**53), max_size=8),
)
def test_what_a_cursor_pins_comes_back_to_its_reader_only(
    at: datetime, parts: list[str], positions: dict[int, int]
) -> None:
    mark = PageMark(after=SortKey(at=at, parts=tuple(parts)), positions=positions, as_of=at)
    sealed = BOOK.seal(mark)
    assert BOOK.open(sealed) == mark
    for other in (
        CursorBook(b"k" * 32, "another", "history"),
        CursorBook(b"k" * 32, "reader", "access_log"),
        CursorBook(b"x" * 32, "reader", "history"),
    ):
        with pytest.raises(Problem):
            other.open(sealed)


NAMES = st.sampled_from(
    [
        "patient",
        "patient:identifier",
        "subject",
        "whenhandedover",
        "status",
        "identifier",
        "_count",
        "_sort",
        "_format",
        "x",
    ]
)
VALUES = st.text(max_size=30) | st.sampled_from(
    [
        "ge2026-01-01",
        "lt2026",
        "2026-02-30",
        "completed,cancelled",
        "|",
        "a|b",
        "-whenhandedover",
        "999999999",
        "gt2026-01-01T10:00:00.123456+99:00",
        "9999-12-31",
        "0000",
    ]
)


@calm
@given(
    st.binary(max_size=200)
    | st.lists(st.tuples(NAMES, VALUES), max_size=6).map(
        lambda pairs: "&".join(f"{n}={quote(v, errors='replace')}" for n, v in pairs).encode()
    )
)
def test_a_fhir_search_is_read_or_refused(body: bytes) -> None:
    with suppress(Problem):
        dispense_search(read_form(body))


@settings(calm, max_examples=40)
@given(
    st.sampled_from(
        ["/v1/me/history", "/v1/patients/history", "/v1/registrations", "/v1/receipts/refused"]
    ),
    st.binary(max_size=120) | JSON.map(lambda one: json.dumps(one).encode()),
)
def test_any_body_is_answered_without_a_failure(path: str, body: bytes) -> None:
    token = WORLD.pharmacy() if "receipts" in path else GOOD
    headers = [("content-type", "application/json")]
    answer = asyncio.run(WORLD.ask(path, token, content=body, headers=headers))
    assert answer.status_code in (200, 400)


@calm
@given(st.text(max_size=80), st.text(max_size=40))
def test_any_text_as_proxies_or_peer_is_trusted_or_not(networks: str, peer: str) -> None:
    try:
        proxies = TrustedProxies.parse("Client-Cert", networks)
    except ValueError:
        return
    assert proxies.trusts(peer) in (True, False)


@calm
@given(st.text(max_size=300))
def test_peeking_is_total(text: str) -> None:
    try:
        peek(text)
    except NotJose:
        return
