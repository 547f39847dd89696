"""Refusals as problem documents (RFC 9457): a stable code, never an input, never a trace."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

PROBLEM_JSON: Final = "application/problem+json"
PROBLEM_BASE: Final = "https://schemas.dpp.be/problems/"

TITLES: Final[dict[str, str]] = {
    "malformed-request": "The request cannot be read.",
    "malformed-json": "The body is not JSON as this service accepts it.",
    "malformed-identifier": "An identifier is not valid.",
    "malformed-cursor": "The cursor is not one that this reader was given.",
    "malformed-envelope": "The attributes of the event are not complete and valid.",
    "unauthenticated": "A valid bearer token is needed.",
    "too-many-requests": "Too many requests, or about too many patients; try again later.",
    "role-not-allowed": "The token's role may not use this address.",
    "access-refused": "No data can be shown.",
    "not-your-record": "The event names another publisher than the token.",
    "not-found": "There is nothing at this address.",
    "method-not-allowed": "This address does not take that method.",
    "body-too-large": "The body is larger than this service accepts.",
    "unsupported-media-type": "The content type is not one that this address takes.",
    "registration-refused": "The registration was refused.",
    "position-timeout": "The newest registrations are not applied yet; try again.",
    "not-logged-yet": "The record is not in the transparency log yet; try again.",
    "audit-unavailable": "The access could not be recorded, so nothing is shown; try again.",
    "unavailable": "A part of the service does not answer; try again.",
    "internal": "Something failed on our side; it was recorded.",
}


class FieldIssue(BaseModel):
    """One finding about the request; `path` is an RFC 6901 pointer into the body."""

    path: str
    code: str


class ProblemDocument(BaseModel):
    """The body of every refusal under `/v1`."""

    type: str
    title: str
    status: int
    code: str
    errors: tuple[FieldIssue, ...] = ()


class Problem(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        errors: Sequence[FieldIssue] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.errors = tuple(errors)
        self.headers = headers


def unavailable(code: str) -> Problem:
    """A refusal that passes by itself: 503, to be tried again in a moment."""
    return Problem(503, code, headers={"Retry-After": "1"})


def render(problem: Problem) -> Response:
    """The response that a problem becomes."""
    document = ProblemDocument(
        type=PROBLEM_BASE + problem.code,
        title=TITLES[problem.code],
        status=problem.status,
        code=problem.code,
        errors=problem.errors,
    )
    return Response(
        document.model_dump_json(exclude_defaults=True),
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def install(app: FastAPI, unavailable_errors: Sequence[type[Exception]]) -> None:
    """Makes `app` answer every refusal and every failure of its surroundings with a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for error in unavailable_errors:
        app.add_exception_handler(error, _on_unavailable)


async def _on_problem(_request: Request, error: Exception) -> Response:
    return render(error if isinstance(error, Problem) else Problem(500, "internal"))


async def _on_unavailable(_request: Request, _error: Exception) -> Response:
    return render(unavailable("unavailable"))


async def _on_invalid(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [FieldIssue(path=_pointer(item), code=str(item["type"])) for item in found[:20]]
    return render(Problem(400, "malformed-request", errors))


def _pointer(item: dict[str, object]) -> str:
    loc = item.get("loc")
    parts = list(loc) if isinstance(loc, tuple | list) else []
    if item.get("type") == "extra_forbidden":
        # The name of an unknown member is the caller's own text.
        parts = parts[:-1]
    steps = [str(part).replace("~", "~0").replace("/", "~1") for part in parts[1:]]
    return "".join(f"/{step}" for step in steps)


_BY_STATUS: Final[dict[int, str]] = {
    400: "malformed-request",
    401: "unauthenticated",
    403: "access-refused",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
}


async def _on_http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return render(Problem(500, "internal"))
    status = error.status_code if error.status_code in _BY_STATUS else 400
    headers = dict(error.headers) if error.headers else None
    return render(Problem(status, _BY_STATUS[status], headers=headers))
