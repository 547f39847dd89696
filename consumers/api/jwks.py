"""Keys of the token issuers: pinned, or read again and again from a file or an address.

A key set that arrives replaces the one before, so a withdrawn key opens nothing after the next
reading. While it cannot be read the last one stands in, up to an age; then nobody is let in by this
issuer (503). A token's unknown `kid` asks for one more reading, at most every 30 seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import httpx
import structlog
from joserfc.jwk import Key

from consumers.api import metrics
from consumers.api.issuers import TrustedIssuer
from consumers.api.jose import NotJose, public_key
from schemas import strictjson

MAX_BYTES: Final = 64 * 1024
FETCH_SECONDS: Final = 3.0
ASK_AGAIN_SECONDS: Final = 30.0
"""So long after a reading, an unknown key does not cause another."""
RETRY_SECONDS: Final = 15.0
Fetch = Callable[[str], Awaitable[bytes]]
_log = structlog.get_logger("security")


class KeysUnavailable(Exception):
    """No key set of this issuer could be read for too long."""


class BadKeySet(Exception):
    """What was read is no set of public keys."""


def ring_of(issuer: TrustedIssuer, keys: Iterable[object]) -> dict[str, Key]:
    """Keys by `kid`.

    Raises:
        ValueError: a key is private, symmetric, without `kid`, doubled or unreadable.
    """
    ring: dict[str, Key] = {}
    for number, jwk in enumerate(keys):
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or kid in ring:
            raise ValueError(
                f"Key {number} of a token issuer must have a kid of its own ({issuer.issuer})."
            )
        try:
            ring[kid] = public_key(jwk)
        except NotJose:
            raise ValueError(
                f"Key {number} of a token issuer must be a public RSA (2048 bits or more), EC or "
                f"OKP key ({issuer.issuer})."
            ) from None
    return ring


def parse_set(issuer: TrustedIssuer, content: bytes) -> dict[str, Key]:
    """The keys of a JWKS document that sign tokens.

    Raises:
        BadKeySet: it is none, or it holds something private.
    """
    try:
        found = strictjson.parse(content, max_bytes=MAX_BYTES, max_depth=6)
    except strictjson.MalformedJson:
        raise BadKeySet("not JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise BadKeySet("no member keys")
    signing = [one for one in keys if not isinstance(one, dict) or one.get("use", "sig") == "sig"]
    try:
        return ring_of(issuer, signing)
    except ValueError as error:
        raise BadKeySet(str(error)) from None


async def fetch(url: str) -> bytes:
    """What an address answers, within limits of time and size; redirects are not followed.

    Raises:
        httpx.HTTPError: it does not answer 200.
        BadKeySet: it answers too much.
    """
    async with (
        httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise httpx.HTTPError(f"answered {answer.status_code}")
        content = b""
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > MAX_BYTES:
                raise BadKeySet("too large")
        return content


@dataclass(slots=True)
class _Ring:
    issuer: TrustedIssuer
    keys: dict[str, Key] = field(default_factory=dict)
    read_at: float | None = None
    tried_at: float | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeyRings:
    """The keys of every issuer; `clock` is seconds that only grow."""

    def __init__(
        self,
        issuers: tuple[TrustedIssuer, ...],
        clock: Callable[[], float],
        fetch: Fetch = fetch,
    ) -> None:
        self._clock = clock
        self._fetch = fetch
        self._rings = {one.issuer: _Ring(one, ring_of(one, one.keys)) for one in issuers}

    @property
    def remote(self) -> tuple[TrustedIssuer, ...]:
        """Issuers whose keys are read from somewhere."""
        return tuple(ring.issuer for ring in self._rings.values() if not ring.issuer.keys)

    def find(self, issuer: str, kid: str) -> Key | None:
        """The key, if the issuer has it.

        Raises:
            KeysUnavailable: its set could not be read for too long.
        """
        ring = self._rings[issuer]
        if not ring.issuer.keys and (
            ring.read_at is None or self._clock() - ring.read_at > ring.issuer.keys_max_age_seconds
        ):
            raise KeysUnavailable
        return ring.keys.get(kid)

    async def read_again(self, issuer: str, *, unless_within: float = ASK_AGAIN_SECONDS) -> bool:
        """Reads an issuer's keys unless that was tried a moment ago; whether they are new."""
        ring = self._rings[issuer]
        if ring.issuer.keys:
            return False
        async with ring.reading:
            now = self._clock()
            if ring.tried_at is not None and now - ring.tried_at < unless_within:
                return ring.read_at == ring.tried_at
            ring.tried_at = now
            try:
                ring.keys = parse_set(ring.issuer, await self._content(ring.issuer))
            except (BadKeySet, httpx.HTTPError, OSError) as error:
                metrics.KEY_SETS.labels("failed").inc()
                _log.warning("issuer_keys_not_read", issuer=issuer, error=type(error).__name__)
                return False
            ring.read_at = now
            metrics.KEY_SETS.labels("read").inc()
            return True

    async def _content(self, issuer: TrustedIssuer) -> bytes:
        if issuer.jwks_file is not None:
            return await asyncio.to_thread(issuer.jwks_file.read_bytes)
        return await self._fetch(issuer.jwks_url or "")

    async def keep_reading(self) -> None:
        """Reads every set that is somewhere else, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self.remote:
                group.create_task(self._keep(one))

    async def _keep(self, issuer: TrustedIssuer) -> None:
        while True:
            read = await self.read_again(issuer.issuer, unless_within=0)
            await asyncio.sleep(issuer.refresh_seconds if read else RETRY_SECONDS)
