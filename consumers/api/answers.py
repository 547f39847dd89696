"""How answers are written, and which refusals the documents of the API promise."""

from typing import Any, Final

from fastapi import Response
from pydantic import BaseModel

from consumers.api.problems import PROBLEM_JSON, ProblemDocument

Responses = dict[int | str, dict[str, Any]]


def as_json(answer: BaseModel, status: int = 200) -> Response:
    """The answer without its absent members."""
    return Response(
        answer.model_dump_json(exclude_none=True),
        status_code=status,
        media_type="application/json",
    )


def _refusals(**descriptions: str) -> Responses:
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {
        int(name.removeprefix("s")): {
            "description": text,
            "content": {PROBLEM_JSON: {"schema": schema}},
        }
        for name, text in descriptions.items()
    }


REFUSALS: Final = _refusals(
    s400="Malformed: the body, an identifier or a cursor.",
    s401="No valid token.",
    s403="Refused; the same for every reason.",
    s413="The body is too large.",
    s415="The content type is not taken.",
    s429="Too many requests, or about too many patients; `Retry-After` says when to try again.",
    s500="A failure on our side.",
    s503="Try again: a part does not answer.",
)

REGISTRATION_REFUSALS: Final = REFUSALS | _refusals(s422="Refused, with codes.")
NOT_FOUND: Final = REFUSALS | _refusals(s404="Nothing there.")
