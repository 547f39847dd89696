"""The door: size of a body, security headers, and no failure without a problem document.

Written as plain ASGI, so that a body is counted while it arrives and a stream passes through.
"""

import time
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumers.api import metrics
from consumers.api.faces import render
from consumers.api.problems import Problem

MAX_BODY_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 12

SECURITY_HEADERS: Final[dict[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_CACHED: Final = b"cache-control"
_NOT_STORED: Final = SECURITY_HEADERS["Cache-Control"].encode()
_OF_EVERY_ANSWER: Final = {
    name.lower().encode(): value.encode()
    for name, value in SECURITY_HEADERS.items()
    if name.lower().encode() != _CACHED
}
Header = tuple[bytes, bytes]

_log = structlog.get_logger("api")


class Door:
    """Outermost middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on within the limits, and answers it in any case."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        started = time.monotonic()
        try:
            # The body is read before anything else looks at it: at most 64 KiB.
            body = await _read_body(scope, receive)
            await self._app(scope, _Replay(body, receive), answer.send)
        except Problem as problem:
            await answer.problem(scope, receive, problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets no trace of it
            _log.error("request_failed", error=type(error).__name__, route=_route(scope))
            await answer.problem(scope, receive, Problem(500, "internal"))
        route = _route(scope)
        metrics.requests(route, answer.status).inc()
        metrics.request_seconds(route).observe(time.monotonic() - started)


class _Replay:
    """Hands out the body that was read, then what the server sends after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Answer:
    """Adds the security headers and remembers how far the answer went."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = _secured(message.get("headers", ()))
        await self._send(message)

    async def problem(self, scope: Scope, receive: Receive, problem: Problem) -> None:
        if self.status == 0:
            await render(problem, scope["path"])(scope, receive, self.send)


def _secured(given: Iterable[Header]) -> list[Header]:
    """The headers of an answer, with those of every answer."""
    kept = [one for one in given if one[0] not in _OF_EVERY_ANSWER]
    # Only what is public or immutable says itself how long it may be kept.
    unsaid = all(name != _CACHED for name, _ in kept)
    said = _OF_EVERY_ANSWER.items()
    return [*kept, *said, *([(_CACHED, _NOT_STORED)] if unsaid else ())]


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    declared = Request(scope).headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared[:20]) > MAX_BODY_BYTES:
        raise Problem(413, "body-too-large") if declared.isdigit() else _unreadable()
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _unreadable()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise Problem(413, "body-too-large")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _unreadable() -> Problem:
    return Problem(400, "malformed-request")


def _route(scope: Scope) -> str:
    """The pattern of the address, never the address itself."""
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))
