"""The FHIR R4 face: searches by POST, next pages by GET, and what the server can do."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from consumers.api.answers import Responses
from consumers.api.callers import require
from consumers.api.fhir import capability, searches
from consumers.api.fhir.outcomes import FHIR_JSON, FhirResponse
from consumers.api.fhir.parameters import FORM, PAGE, Pairs, read_form
from consumers.api.fhir.resources import Bundle, CapabilityStatement, OperationOutcome
from consumers.api.problems import FieldIssue, Problem
from consumers.api.security import Deps, Identified, PublicRoute, SecuredRoute, bearer

VERSION: Final = "1.0.0"
MAX_PAGE_CHARS: Final = 4096
_REFUSALS: Final[Responses] = {
    status: {
        "description": text,
        "content": {
            FHIR_JSON: {"schema": {"$ref": f"#/components/schemas/{OperationOutcome.__name__}"}}
        },
    }
    for status, text in {
        400: "A parameter, an identifier or a page is malformed.",
        401: "No valid token.",
        403: "Refused; the same for every reason.",
        413: "The body is too large.",
        415: "The content type is not taken.",
        429: "Too many requests, or about too many patients.",
        500: "A failure on our side.",
        503: "Try again: a part does not answer.",
    }.items()
}
router = APIRouter(prefix="/fhir", tags=["fhir"], default_response_class=FhirResponse)
_secured = APIRouter(route_class=SecuredRoute, dependencies=[Depends(bearer)], responses=_REFUSALS)
_public = APIRouter(route_class=PublicRoute)
PageLink = Annotated[
    str, Query(alias=PAGE, min_length=1, max_length=MAX_PAGE_CHARS, description="From a next link.")
]


_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "patient": {"description": "SSIN as system|value, or alone"},
    "whenhandedover": {"pattern": "^(eq|gt|ge|lt|le|sa|eb)?[0-9]{4}"},
    "status": {"pattern": "^[a-z-]+(,[a-z-]+)*$"},
    "identifier": {"description": "DGUID as system|value, or alone"},
    "_count": {"pattern": "^[1-9][0-9]{0,5}$"},
    "_sort": {"enum": ["-whenhandedover", "whenhandedover"]},
    "purpose": {"description": "BTG or ETREAT, as system|code, or alone: in an emergency"},
    "motivation_type": {"pattern": "^[a-z_]{1,64}$"},
    "motivation": {"maxLength": 128, "minLength": 1},
}


def _form(*names: str) -> dict[str, Any]:
    """How the documents describe a search."""
    described = {name: {"type": "string", **_PARAMETERS[name]} for name in names}
    schema = {"type": "object", "properties": described, "additionalProperties": False}
    return {"requestBody": {"required": False, "content": {FORM: {"schema": schema}}}}


async def _pairs(request: Request) -> Pairs:
    if request.url.query:
        # What stands in an address stands in logs.
        raise Problem(400, "malformed-search", [FieldIssue(path="", code="parameters-in-address")])
    body = await request.body()
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM and (body or content_type):
        raise Problem(415, "unsupported-media-type")
    return read_form(body)


async def _only_page(request: Request) -> None:
    if set(request.query_params) - {PAGE}:
        raise Problem(400, "malformed-search", [FieldIssue(path="", code="parameters-in-address")])


Form = Annotated[Pairs, Depends(_pairs)]


@_public.get("/metadata", response_model=CapabilityStatement)
async def metadata() -> Response:
    """What the FHIR face can do."""
    return FhirResponse(capability.statement(VERSION).write())


@_secured.post(
    "/MedicationDispense/_search",
    response_model=Bundle,
    openapi_extra=_form(*_PARAMETERS),
)
async def search_dispenses(deps: Deps, caller: Identified, form: Form) -> Response:
    """A patient's dispenses for themselves, a mandate holder, a caregiver or a pharmacist.

    With a `purpose` of emergency: for a caregiver without a link, where policy has opened it.
    """
    require(caller.principal, "patient", "caregiver", "pharmacist")
    return FhirResponse((await searches.dispenses(deps, caller, form)).write())


@_secured.get("/MedicationDispense", response_model=Bundle, dependencies=[Depends(_only_page)])
async def next_dispenses(deps: Deps, caller: Identified, page: PageLink) -> Response:
    """The page behind a next link."""
    require(caller.principal, "patient", "caregiver", "pharmacist")
    return FhirResponse((await searches.next_dispenses(deps, caller, page)).write())


@_secured.post("/AuditEvent/_search", response_model=Bundle, openapi_extra=_form("_count"))
async def search_accesses(deps: Deps, caller: Identified, form: Form) -> Response:
    """Who looked at one's own data or tried to, newest first."""
    require(caller.principal, "patient")
    return FhirResponse((await searches.accesses(deps, caller, form)).write())


@_secured.get("/AuditEvent", response_model=Bundle, dependencies=[Depends(_only_page)])
async def next_accesses(deps: Deps, caller: Identified, page: PageLink) -> Response:
    """The page behind a next link."""
    require(caller.principal, "patient")
    return FhirResponse((await searches.next_accesses(deps, caller, page)).write())


@_secured.post("/Consent/_search", response_model=Bundle, openapi_extra=_form())
async def search_consents(deps: Deps, caller: Identified, form: Form) -> Response:
    """One's own informed consent, with the exclusions from it."""
    require(caller.principal, "patient")
    return FhirResponse((await searches.consents(deps, caller, form)).write())


router.include_router(_public)
router.include_router(_secured)
