"""Refusals as problem documents (RFC 9457): a stable code, never an input, never a trace."""

from collections.abc import Sequence
from typing import Final

from fastapi import Response
from pydantic import BaseModel

PROBLEM_JSON: Final = "application/problem+json"
PROBLEM_BASE: Final = "https://schemas.dpp.be/problems/"

TITLES: Final[dict[str, str]] = {
    "malformed-request": "The request cannot be read.",
    "malformed-json": "The body is not JSON as this service accepts it.",
    "malformed-identifier": "An identifier is not valid.",
    "malformed-search": "A parameter of the search is not known or not readable.",
    "malformed-cursor": "The cursor is not one that this reader was given.",
    "malformed-cut": "The cut is no moment of the past, or not a position for each partition.",
    "cut-not-kept": "What stood then is not kept any more: deliveries are kept for a year.",
    "malformed-envelope": "The attributes of the event are not complete and valid.",
    "unauthenticated": "A valid bearer token is needed.",
    "too-many-requests": "Too many requests, or about too many patients; try again later.",
    "role-not-allowed": "The token's role may not use this address.",
    "profession-not-allowed": "The profession of the token has no access, to no patient.",
    "emergency-not-open": "Policy lets nobody read in an emergency; declare a therapeutic link.",
    "access-refused": "No data can be shown.",
    "not-your-record": "The event names another publisher than the token.",
    "not-found": "There is nothing at this address.",
    "method-not-allowed": "This address does not take that method.",
    "body-too-large": "The body is larger than this service accepts.",
    "unsupported-media-type": "The content type is not one that this address takes.",
    "registration-refused": "The registration was refused.",
    "position-timeout": "The newest registrations are not applied yet; try again.",
    "not-logged-yet": "The record is not in the transparency log yet; try again.",
    "history-behind": "Not every delivery is applied yet; try again, or take a stale answer.",
    "busy": "Too many questions at once; try again.",
    "query-timeout": "The question took too long; ask for a shorter period or a smaller page.",
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
