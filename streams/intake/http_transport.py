"""Through the API alone: submissions, sessions, intake keys and receipts over HTTP.

A record's value is the body and its attributes are `ce-` headers (CloudEvents HTTP binary mode), so
the same sealed bytes go either way. The publisher shows itself with a short-lived token of its own.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from schemas.envelope import EnvelopeFault, parse
from schemas.publisher import BACKBONE, BACKBONE_KEY_PUBLISHED, BackboneKeyPublished
from schemas.sealing import SealBroken, b64decode
from schemas.sealing.office import OfficeKeys, verify
from streams.intake.keys import SigningKey
from streams.intake.session import WireRecord
from streams.intake.tokens import AUDIENCE, publisher_token
from streams.intake.transports import (
    Letter,
    Page,
    Place,
    TransportRefused,
    TransportUnavailable,
    read_letter,
)

PAGE: Final = 200
MAX_EVENT_BYTES: Final = 1024 * 1024
_TIMES: Final = httpx.Timeout(10.0, read=60.0)
"""The stream of receipts gives a sign of life every 15 s."""
_PASSING: Final = frozenset({408, 425, 429})
_CODE: Final = re.compile(r"[a-z0-9-]{1,64}\Z")
_ADVICE: Final = {
    401: "check that the office has enrolled this key and that this computer's clock is right",
    403: "check that key, publisher number and contract belong together",
    413: "split the submission",
}


class _Appended(BaseModel):
    partition: int
    offset: int


class _SignedRecord(BaseModel):
    key: str
    headers: dict[str, str]
    value: str


class _IntakeKeys(BaseModel):
    keys: tuple[_SignedRecord, ...]


class _Letter(BaseModel):
    kind: str
    cursor: str
    body: dict[str, Any]


class _Letters(BaseModel):
    receipts: tuple[_Letter, ...]
    more: bool


_T = TypeVar("_T", bound=BaseModel)


def connect_http(
    api: str, publisher: str, signing_key: SigningKey, *, office_public_key: str
) -> "HttpTransport":
    """The way through the API at an address such as `https://api.example.be`.

    `office_public_key` is the FarmaFlux office's Ed25519 public key (base64url), or several with
    the times at which one follows the other, as the office hands it out; nothing that the API
    answers can replace it.

    Raises:
        ValueError: the office's key is no Ed25519 public key.
    """
    try:
        pinned = OfficeKeys.parse(office_public_key)
    except ValueError:
        raise ValueError(
            "The office's public key must be 32 bytes, base64url: take it as the office hands it "
            "out."
        ) from None
    return HttpTransport(
        open_client(api), publisher=publisher, signing_key=signing_key, office=pinned
    )


def open_client(api: str) -> httpx.AsyncClient:
    """The HTTP client for an API: checks certificates, follows no redirects."""
    return httpx.AsyncClient(base_url=api, timeout=_TIMES)


def _now() -> datetime:
    return datetime.now(UTC)


class HttpTransport:
    """A `Transport` over a given HTTP client, whose base address is the API's."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        publisher: str,
        signing_key: SigningKey,
        office: OfficeKeys,
        clock: Callable[[], datetime] = _now,
        audience: str = AUDIENCE,
    ) -> None:
        """Takes over the client: `close` closes it."""
        self._client = client
        self._publisher = publisher
        self._signing_key = signing_key
        self._office = office
        self._clock = clock
        self._audience = audience

    async def intake_key(self) -> BackboneKeyPublished:
        """The newest intake key that carries the office's signature."""
        answer = await self._call("GET", "/v1/keys/intake", _IntakeKeys)
        for record in reversed(answer.keys):
            found = self._verified(record)
            if found is not None:
                return found
        raise TransportRefused(
            "no-intake-key",
            "The API offers no intake key that the office has signed: check the address and the "
            "office's public key.",
        )

    def _verified(self, record: _SignedRecord) -> BackboneKeyPublished | None:
        headers = [(name, value.encode()) for name, value in record.headers.items()]
        try:
            key, value = b64decode(record.key), b64decode(record.value)
            envelope = parse(headers)
            if isinstance(envelope, EnvelopeFault) or envelope.type != BACKBONE_KEY_PUBLISHED:
                return None
            verify(self._office.at(envelope.time), key, headers, value)
            published = BackboneKeyPublished.read(value)
        except (SealBroken, ValidationError):
            return None
        right = key == BACKBONE.encode() and published.purpose == "intake"
        return published if right else None

    async def open_session(self, record: WireRecord) -> Place:
        """Makes a session known, durably."""
        return await self._append("/v1/publisher/sessions", record)

    async def submit(self, record: WireRecord) -> Place:
        """Appends a sealed submission, durably."""
        return await self._append("/v1/submissions", record)

    async def _append(self, path: str, record: WireRecord) -> Place:
        headers = {name.replace("ce_", "ce-", 1): value for name, value in record.headers}
        answer = await self._call("POST", path, _Appended, headers=headers, content=record.value)
        return Place(answer.partition, answer.offset)

    async def receipts(self, after: str | None) -> Page:
        """Letters behind a cursor; None is the beginning."""
        form: dict[str, object] = (
            {"limit": PAGE} if after is None else {"limit": PAGE, "after": after}
        )
        answer = await self._call(
            "POST",
            "/v1/receipts/search",
            _Letters,
            headers={"content-type": b"application/json"},
            content=json.dumps(form).encode(),
        )
        letters = tuple(
            read_letter(one.kind, one.cursor, json.dumps(one.body).encode())
            for one in answer.receipts
        )
        return Page(letters, answer.more and bool(letters))

    async def follow(self, after: str | None) -> AsyncGenerator[Letter, None]:
        """Letters as they arrive, until the API ends the stream."""
        headers = {"accept": b"text/event-stream"}
        if after is not None:
            headers["last-event-id"] = after.encode()
        request = self._request("GET", "/v1/receipts/stream", headers)
        try:
            response = await self._client.send(request, stream=True)
            try:
                await self._check(response, 200)
                async for kind, cursor, body in _events(response.aiter_bytes()):
                    yield read_letter(kind, cursor, body)
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise self._unavailable(type(error).__name__) from None

    async def close(self) -> None:
        """Closes the HTTP client."""
        await self._client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        model: type[_T],
        *,
        headers: Mapping[str, bytes] | None = None,
        content: bytes | None = None,
    ) -> _T:
        request = self._request(method, path, headers or {}, content)
        try:
            response = await self._client.send(request)
        except httpx.TransportError as error:
            raise self._unavailable(type(error).__name__) from None
        await self._check(response, 200, 202)
        try:
            return model.model_validate_json(response.content)
        except ValidationError:
            # A portal of a hotel or a provider answers for an API that is out of reach.
            raise self._unavailable("an answer that is not the API's") from None

    def _request(
        self, method: str, path: str, headers: Mapping[str, bytes], content: bytes | None = None
    ) -> httpx.Request:
        token = publisher_token(
            self._publisher, self._signing_key, self._clock(), audience=self._audience
        )
        given = {name.encode(): value for name, value in headers.items()}
        given[b"authorization"] = f"Bearer {token}".encode()
        return self._client.build_request(
            method, path, headers=list(given.items()), content=content
        )

    async def _check(self, response: httpx.Response, *expected: int) -> None:
        status = response.status_code
        if status in expected:
            return
        refused = 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004 - client errors
        if not refused:
            raise self._unavailable(f"status {status}")
        code = _problem_code(await response.aread())
        advice = _ADVICE.get(status, "this software and the API do not agree: update it")
        raise TransportRefused(
            code, f"The API at {self._host} refused a request ({status} {code}): {advice}."
        )

    @property
    def _host(self) -> str:
        return self._client.base_url.host

    def _unavailable(self, reason: str) -> TransportUnavailable:
        return TransportUnavailable(f"The API at {self._host} does not answer ({reason}).")


def _problem_code(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    code = found.get("code") if isinstance(found, dict) else None
    return code if isinstance(code, str) and _CODE.match(code) else "unknown"


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, str, bytes]]:
    """Kind, id and data of each server-sent event; comments and events without id are passed over.

    Split at bytes, since text may hold what other splitters take for the end of a line.
    """
    pending, fields = b"", dict[bytes, bytes]()
    async for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        if len(pending) > MAX_EVENT_BYTES:
            raise TransportUnavailable("The API sends an event without end.")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name:
                fields[name] = value.removeprefix(b" ")
            elif not value:
                if b"id" in fields and b"data" in fields:
                    kind = fields.get(b"event", b"").decode(errors="replace")
                    yield kind, fields[b"id"].decode(errors="replace"), fields[b"data"]
                fields = {}
