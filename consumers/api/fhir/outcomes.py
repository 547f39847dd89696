"""Refusals under `/fhir`: the same problems as under `/v1`, told as an OperationOutcome."""

from typing import Final

from fastapi import Response
from fastapi.responses import JSONResponse

from consumers.api.fhir.datatypes import CodeableConcept, Coding
from consumers.api.fhir.resources import OperationOutcome, OutcomeIssue
from consumers.api.problems import PROBLEM_BASE, TITLES, FieldIssue, Problem

FHIR_JSON: Final = "application/fhir+json"
PREFIX: Final = "/fhir"
_CODES: Final[dict[int, str]] = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    413: "too-long",
    415: "not-supported",
    429: "throttled",
    503: "transient",
}
"""FHIR's issue type by status; anything else is an exception."""


class FhirResponse(JSONResponse):
    """An answer in FHIR's JSON, as a resource has written itself."""

    media_type = FHIR_JSON

    def render(self, content: str) -> bytes:
        """The text as it is."""
        return content.encode()


def is_fhir(path: str) -> bool:
    """Whether an address belongs to the FHIR face."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def render(problem: Problem) -> Response:
    """The response that a problem becomes."""
    return FhirResponse(
        outcome(problem).write(), status_code=problem.status, headers=problem.headers
    )


def outcome(problem: Problem) -> OperationOutcome:
    """A problem in FHIR's words: one issue for each finding, or one for all of it."""
    return OperationOutcome(issue=tuple(_issue(problem, one) for one in problem.errors or (None,)))


def _issue(problem: Problem, finding: FieldIssue | None) -> OutcomeIssue:
    name = finding.path.strip("/") if finding else ""
    return OutcomeIssue(
        severity="error",
        code=_CODES.get(problem.status, "exception"),
        details=CodeableConcept(
            coding=(Coding(system=PROBLEM_BASE.rstrip("/"), code=problem.code),),
            text=TITLES[problem.code],
        ),
        diagnostics=finding.code if finding else None,
        expression=(f"http.{name}",) if name else None,
    )
