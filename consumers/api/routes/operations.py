"""Health and metrics; the development issuer where it is on."""

from typing import Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from consumers.api.answers import as_json
from consumers.api.problems import Problem
from consumers.api.security import Deps, PublicRoute
from consumers.api.tokens_dev import TokenRequest

router = APIRouter(tags=["operations"], route_class=PublicRoute)
dev_router = APIRouter(prefix="/dev", tags=["development"], route_class=PublicRoute)
_DEV_TITLE: Final = "Bearer"


class HealthAnswer(BaseModel):
    """`failing` names the parts that do not answer or have stopped."""

    status: str
    failing: tuple[str, ...] = ()


class TokenAnswer(BaseModel):
    """A development token."""

    access_token: str
    token_type: str = _DEV_TITLE
    expires_in: int


@router.get("/livez", response_model=HealthAnswer)
async def livez() -> Response:
    """The process answers."""
    return as_json(HealthAnswer(status="ok"))


@router.get("/readyz", response_model=HealthAnswer, responses={503: {"model": HealthAnswer}})
async def readyz(deps: Deps) -> Response:
    """Whether reads can be answered now."""
    failing = tuple(await deps.health.failures())
    answer = HealthAnswer(status="failing" if failing else "ok", failing=failing)
    return as_json(answer, 503 if failing else 200)


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@dev_router.post("/token", response_model=TokenAnswer, include_in_schema=False)
async def token(deps: Deps, request: TokenRequest) -> Response:
    """Issues a token for any person; only there when settings ask for it."""
    if deps.dev_issuer is None:
        raise Problem(404, "not-found")
    issued = deps.dev_issuer.issue(request, deps.clock())
    return as_json(TokenAnswer(access_token=issued, expires_in=request.seconds))
