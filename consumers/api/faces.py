"""One problem, told in the words of the face that was asked: `/v1` or `/fhir`."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from consumers.api import problems
from consumers.api.fhir import outcomes
from consumers.api.problems import FieldIssue, Problem, unavailable


def render(problem: Problem, path: str) -> Response:
    """The response to a request for `path`."""
    return outcomes.render(problem) if outcomes.is_fhir(path) else problems.render(problem)


def install(app: FastAPI, unavailable_errors: Sequence[type[Exception]]) -> None:
    """Makes `app` answer every refusal and every failure of its surroundings with a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for error in unavailable_errors:
        app.add_exception_handler(error, _on_unavailable)


async def _on_problem(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, Problem) else Problem(500, "internal")
    return render(problem, request.url.path)


async def _on_unavailable(request: Request, _error: Exception) -> Response:
    return render(unavailable("unavailable"), request.url.path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [FieldIssue(path=_pointer(item), code=str(item["type"])) for item in found[:20]]
    return render(Problem(400, "malformed-request", errors), request.url.path)


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


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return render(Problem(500, "internal"), request.url.path)
    status = error.status_code if error.status_code in _BY_STATUS else 400
    headers = dict(error.headers) if error.headers else None
    return render(Problem(status, _BY_STATUS[status], headers=headers), request.url.path)
