"""Authentication in front of every route, and strict JSON before anything parses a body."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from consumers.api import metrics
from consumers.api.callers import Caller, identify
from consumers.api.certificates import certificate_of
from consumers.api.dpop import ALGORITHMS
from consumers.api.gate import NonceDemanded, Presented
from consumers.api.jwks import KeysUnavailable
from consumers.api.limits import MAX_BODY_BYTES, MAX_DEPTH
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem, unavailable
from consumers.api.replay import ReplayFull
from consumers.api.tokens import Principal, Unauthenticated
from schemas import strictjson

_JSON: Final = "application/json"
_SCHEMES: Final = ("bearer", "dpop")
_log = structlog.get_logger("security")
bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT of a pinned issuer.")


def dependencies_of(request: Request) -> Dependencies:
    """What the app was built from."""
    deps: Dependencies = request.app.state.deps
    return deps


async def authenticate(request: Request) -> Principal:
    """Who sends the request, by its one token and what that token is bound to.

    Raises:
        Problem: 401 nobody that could be proven, 429 somebody who asks too often, 503 the keys of
            the token's issuer are not known.
    """
    deps = dependencies_of(request)
    shown = _presented(request)
    try:
        principal = await deps.gate.admit(shown)
    except Unauthenticated as refused:
        metrics.AUTHENTICATION_FAILURES.labels(refused.reason).inc()
        _log.warning("authentication_failed", reason=refused.reason, route=_pattern(request))
        raise Problem(401, "unauthenticated", headers=_challenge(shown, refused)) from None
    except (KeysUnavailable, ReplayFull) as error:
        _log.error("authentication_impossible", error=type(error).__name__)
        raise unavailable("unavailable") from None
    deps.throttle.request(principal)
    return principal


def _presented(request: Request) -> Presented:
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    known = scheme.lower() if scheme.lower() in _SCHEMES else ""
    path = request.scope.get("raw_path") or request.url.path.encode()
    return Presented(
        scheme=known,
        # Whatever is not one token is verified as an empty one, and refused.
        token=token.strip() if known else "",
        method=request.method,
        path=path.decode("latin-1"),
        proofs=tuple(request.headers.getlist("dpop")),
        certificate=certificate_of(request, dependencies_of(request).proxies),
    )


def _challenge(shown: Presented, refused: Unauthenticated) -> dict[str, str]:
    """What the client should do: the scheme it chose and, if asked for, the nonce."""
    if shown.scheme != "dpop":
        return {"WWW-Authenticate": "Bearer"}
    algorithms = f'algs="{" ".join(ALGORITHMS)}"'
    if isinstance(refused, NonceDemanded):
        challenge = f'DPoP error="use_dpop_nonce", {algorithms}'
        return {"WWW-Authenticate": challenge, "DPoP-Nonce": refused.nonce}
    error = "invalid_dpop_proof" if refused.reason.startswith("dpop_") else "invalid_token"
    return {"WWW-Authenticate": f'DPoP error="{error}", {algorithms}'}


def _pattern(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", "unmatched"))


class PublicRoute(APIRoute):
    """A route without authentication; a JSON body is still parsed strictly."""

    secured = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler behind authentication and the strict parser."""
        handle = super().get_route_handler()
        takes_json = self.body_field is not None

        async def handler(request: Request) -> Response:
            if self.secured:
                request.state.principal = await authenticate(request)
            if takes_json:
                await _check_json(request)
            return await handle(request)

        return handler


class SecuredRoute(PublicRoute):
    """A route that a bearer token opens."""

    secured = True


async def _check_json(request: Request) -> None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _JSON:
        raise Problem(415, "unsupported-media-type")
    try:
        strictjson.parse(await request.body(), max_bytes=MAX_BODY_BYTES, max_depth=MAX_DEPTH)
    except strictjson.MalformedJson as error:
        raise Problem(400, "malformed-json", [FieldIssue(path="", code=error.reason)]) from None


def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


# What is not a coroutine FastAPI runs in a thread, which costs more than all that these do.


async def _deps(request: Request) -> Dependencies:
    return dependencies_of(request)


async def _authenticated(request: Request) -> Principal:
    return _principal(request)


async def _caller(request: Request) -> Caller:
    return await identify(dependencies_of(request).vault, _principal(request))


Deps = Annotated[Dependencies, Depends(_deps)]
Authenticated = Annotated[Principal, Depends(_authenticated)]
Identified = Annotated[Caller, Depends(_caller)]
