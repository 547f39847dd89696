"""For publishers: submissions and sessions over HTTP, intake keys, receipts."""

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from consumers.api import receipts, submissions
from consumers.api.answers import REFUSALS, Responses, as_json
from consumers.api.forms import ReceiptsForm
from consumers.api.security import Authenticated, Deps, SecuredRoute, bearer
from schemas.envelope import JSON, SEALED

router = APIRouter(
    prefix="/v1",
    tags=["publishers"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=REFUSALS,
)
_ATTRIBUTES: Final = ("specversion", "id", "source", "type", "time", "dataschema")


def _binary_mode(content_type: str, *extensions: str) -> dict[str, Any]:
    """How the documents describe a record in CloudEvents HTTP binary mode."""
    return {
        "parameters": [
            {
                "name": f"ce-{name}",
                "in": "header",
                "required": name in _ATTRIBUTES,
                "schema": {"type": "string", "minLength": 1, "maxLength": 1024},
            }
            for name in (*_ATTRIBUTES, *extensions)
        ],
        "requestBody": {
            "required": True,
            "content": {content_type: {"schema": {"type": "string", "format": "binary"}}},
        },
    }


_STREAM: Final[Responses] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
}


@router.post(
    "/submissions",
    status_code=202,
    response_model=submissions.AppendedAnswer,
    openapi_extra=_binary_mode(SEALED, "sessionid", "sequence", "publisherepoch", "traceparent"),
)
async def submit(deps: Deps, principal: Authenticated, request: Request) -> Response:
    """Takes a sealed submission: the same bytes and attributes as on Kafka."""
    body = await request.body()
    appended = await submissions.submit(deps, principal, request.headers.raw, body)
    return as_json(submissions.answer(appended), 202)


@router.post(
    "/publisher/sessions",
    status_code=202,
    response_model=submissions.AppendedAnswer,
    openapi_extra=_binary_mode(JSON),
)
async def open_session(deps: Deps, principal: Authenticated, request: Request) -> Response:
    """Takes the record that opens a session."""
    body = await request.body()
    appended = await submissions.open_session(deps, principal, request.headers.raw, body)
    return as_json(submissions.answer(appended), 202)


@router.get("/keys/intake", response_model=submissions.IntakeKeysAnswer)
async def intake_keys(deps: Deps, _principal: Authenticated) -> Response:
    """The published intake keys as records, so that the office's signature can be checked."""
    return as_json(submissions.intake_keys(deps))


@router.post("/receipts/search", response_model=receipts.ReceiptsAnswer)
async def search_receipts(deps: Deps, principal: Authenticated, form: ReceiptsForm) -> Response:
    """The pharmacy's own receipts and gap notices, oldest first."""
    return as_json(await receipts.search(deps, principal, form))


@router.get("/receipts/stream", response_class=StreamingResponse, responses=_STREAM)
async def stream_receipts(deps: Deps, principal: Authenticated, request: Request) -> Response:
    """The same as server-sent events, resumed behind `Last-Event-ID`."""
    after = receipts.resume_after(request.headers.get("last-event-id"))
    pharmacy = receipts.pharmacy_of(principal)
    return StreamingResponse(
        receipts.stream(deps, pharmacy, after, request.is_disconnected),
        media_type="text/event-stream",
    )
