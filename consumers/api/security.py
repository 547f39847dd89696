"""Authentication in front of every route, and strict JSON before anything parses a body."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from consumers.api import metrics
from consumers.api.callers import Caller, identify
from consumers.api.limits import MAX_BODY_BYTES, MAX_DEPTH
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.tokens import Principal, Unauthenticated
from schemas import strictjson

_JSON: Final = "application/json"
_log = structlog.get_logger("security")
bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT of a pinned issuer.")


def dependencies_of(request: Request) -> Dependencies:
    """What the app was built from."""
    deps: Dependencies = request.app.state.deps
    return deps


def authenticate(request: Request) -> Principal:
    """The principal that the request's one bearer token proves.

    Raises:
        Problem: 401, there is none.
    """
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    try:
        # Whatever is not one bearer token is verified as an empty one, and refused.
        is_bearer = scheme.lower() == "bearer"
        return dependencies_of(request).verifier.verify(token.strip() if is_bearer else "")
    except Unauthenticated as refused:
        metrics.AUTHENTICATION_FAILURES.labels(refused.reason).inc()
        _log.warning("authentication_failed", reason=refused.reason, route=_pattern(request))
        raise Problem(401, "unauthenticated", headers={"WWW-Authenticate": "Bearer"}) from None


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
                request.state.principal = authenticate(request)
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


async def _caller(request: Request) -> Caller:
    return await identify(dependencies_of(request).vault, _principal(request))


Deps = Annotated[Dependencies, Depends(dependencies_of)]
Authenticated = Annotated[Principal, Depends(_principal)]
Identified = Annotated[Caller, Depends(_caller)]
