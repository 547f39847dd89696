"""Keys of issuers: rotation, withdrawal and outage."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey

from consumers.api import jwks, tokens
from consumers.api.app import create_app
from consumers.api.issuers import TrustedIssuer, read_issuers
from consumers.api.jwks import BadKeySet, KeyRings, KeysUnavailable, parse_set
from consumers.api.tokens import TokenVerifier
from tests.unit.consumers.api.cast import ANN, AUDIENCE, ISSUER
from tests.unit.consumers.api.world import World

URL = "https://issuer.test/jwks"
PATH = "/v1/me/history"


def issuer(**changes: Any) -> TrustedIssuer:
    given = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ("Ed25519",),
        "jwks_url": URL,
        **changes,
    }
    return TrustedIssuer.model_validate(given)


class Published:
    """What the issuer's address answers."""

    def __init__(self, *keys: OKPKey) -> None:
        self.keys = keys
        self.asked = 0
        self.down = False
        self.now = 0.0

    async def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("gone")
        return key_set(*self.keys)

    def rings(self, **changes: Any) -> KeyRings:
        return KeyRings((issuer(**changes),), lambda: self.now, self.fetch)


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def key(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})


async def test_a_new_key_is_found_and_a_withdrawn_one_is_not() -> None:
    old, new = key("old"), key("new")
    published = Published(old)
    rings = published.rings()
    assert await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "old") is not None
    assert rings.find(ISSUER, "new") is None
    published.keys, published.now = (new,), 31.0
    assert await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "new") is not None
    assert rings.find(ISSUER, "old") is None


async def test_unknown_keys_do_not_make_us_ask_the_issuer_all_the_time() -> None:
    published = Published(key("a"))
    rings = published.rings()
    for _ in range(50):
        await rings.read_again(ISSUER)
    assert published.asked == 1


async def test_an_outage_is_bridged_by_the_last_keys_up_to_their_age() -> None:
    published = Published(key("a"))
    rings = published.rings(keys_max_age_seconds=600)
    await rings.read_again(ISSUER)
    published.down, published.now = True, 600.0
    assert not await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "a") is not None
    published.now = 601.0
    with pytest.raises(KeysUnavailable):
        rings.find(ISSUER, "a")
    published.down, published.now = False, 640.0
    assert await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "a") is not None


async def test_keys_that_were_never_read_let_nobody_in() -> None:
    published = Published()
    published.down = True
    rings = published.rings()
    assert not await rings.read_again(ISSUER)
    with pytest.raises(KeysUnavailable):
        rings.find(ISSUER, "a")


async def test_an_issuer_that_publishes_no_key_any_more_lets_nobody_in() -> None:
    published = Published(key("a"))
    rings = published.rings()
    await rings.read_again(ISSUER)
    published.keys, published.now = (), 31.0
    await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "a") is None


SETS_BAD: Mapping[str, bytes] = {
    "no JSON": b"<html>",
    "a list": b"[]",
    "no keys": b"{}",
    "keys that are none": b'{"keys":[1]}',
    "a private key": json.dumps({"keys": [key("a").as_dict(private=True)]}).encode(),
    "a shared key": json.dumps(
        {"keys": [OctKey.generate_key(256, {"kid": "a"}).as_dict()]}
    ).encode(),
    "no kid": key_set(ECKey.generate_key("P-256")),
    "the same kid twice": key_set(key("a"), key("a")),
    "a member twice": b'{"keys":[],"keys":[]}',
    "too large": b'{"keys":[' + b" " * jwks.MAX_BYTES + b"]}",
}


@pytest.mark.parametrize("kind", SETS_BAD)
async def test_sets_bad_leave_the_former_keys_in_place(kind: str) -> None:
    published = Published(key("a"))
    rings = published.rings()
    await rings.read_again(ISSUER)

    async def fetch(_: str) -> bytes:
        return SETS_BAD[kind]

    published.now, rings._fetch = 31.0, fetch
    assert not await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "a") is not None


def test_keys_that_encrypt_are_passed_over() -> None:
    other = ECKey.generate_key("P-256", {"kid": "e", "use": "enc"})
    assert set(parse_set(issuer(), key_set(key("a"), other))) == {"a"}


async def test_keys_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(key("a")))
    rings = KeyRings((issuer(jwks_url=None, jwks_file=file),), lambda: 0.0)
    assert await rings.read_again(ISSUER)
    assert rings.find(ISSUER, "a") is not None
    file.unlink()
    assert not await rings.read_again(ISSUER, unless_within=0)
    assert rings.find(ISSUER, "a") is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"jwks_url": None},
        {"jwks_url": "http://issuer.test/jwks"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "https://user:password@issuer.test/jwks"},
        {"jwks_file": "jwks.json"},
        {"keys": [{"kid": "a"}]},
    ],
)
def test_an_issuer_has_one_source_of_keys_and_it_is_safe_bad(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"give one of|https"):
        issuer(**changes)


def test_what_is_wrong_with_the_source_is_said_without_repeating_it(tmp_path: Path) -> None:
    file = tmp_path / "issuers.json"
    given = issuer().model_dump(mode="json") | {"jwks_url": "http://secret.test/"}
    file.write_text(json.dumps({"issuers": [given]}))
    with pytest.raises(ValueError, match=r"at issuers/0: jwks_url must be an https") as error:
        read_issuers(file)
    assert "secret.test" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "content"), [(500, b"{}"), (302, b""), (200, b"x" * (jwks.MAX_BYTES + 1))]
)
async def test_an_address_that_answers_otherwise_is_not_believed_bad(
    monkeypatch: pytest.MonkeyPatch, status: int, content: bytes
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=content, headers={"location": "http://evil/"})

    real = httpx.AsyncClient
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "AsyncClient", lambda **given: real(transport=transport, **given))
    with pytest.raises((httpx.HTTPError, BadKeySet)):
        await jwks.fetch(URL)


def _world_with(world: World, rings: KeyRings) -> None:
    verifier = TokenVerifier(
        issuers=(issuer(),),
        publishers=world.tables,
        audience=AUDIENCE,
        clock=lambda: world.now,
        rings=rings,
    )
    world.app = create_app(replace(world.deps, gate=world.gate(verifier=verifier, rings=rings)))


async def test_a_token_under_a_key_that_just_came_is_let_in_at_once(world: World) -> None:
    published = Published(key("before"))
    rings = published.rings()
    await rings.read_again(ISSUER)
    published.keys, published.now = (world.issuer_key,), 31.0
    _world_with(world, rings)
    assert (await world.ask(PATH, world.patient())).status_code == 200


async def test_while_an_issuers_keys_are_not_known_its_tokens_are_a_503(world: World) -> None:
    published = Published()
    _world_with(world, published.rings())
    answer = await world.ask(PATH, world.patient())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert ANN not in answer.text


async def test_a_token_that_was_accepted_before_is_refused_once_its_key_is_withdrawn(
    world: World,
) -> None:
    published = Published(world.issuer_key)
    rings = published.rings()
    await rings.read_again(ISSUER)
    _world_with(world, rings)
    token = world.patient()
    assert [(await world.ask(PATH, token)).status_code for _ in range(2)] == [200, 200]
    published.keys, published.now = (key("issuer-1"),), 31.0
    await rings.read_again(ISSUER)
    assert (await world.ask(PATH, token)).status_code == 401


async def test_a_token_that_was_accepted_before_is_refused_once_it_has_expired(
    world: World,
) -> None:
    token = world.patient()
    assert [(await world.ask(PATH, token)).status_code for _ in range(2)] == [200, 200]
    world.now += timedelta(seconds=3631)
    assert (await world.ask(PATH, token)).status_code == 401


def test_only_so_many_tokens_are_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_KNOWN", 3)
    verifier = world.verifier()
    for number in range(5):
        verifier.verify(world.token("patient", niss=ANN, jti=str(number)))
    assert len(verifier._checked) == 3
