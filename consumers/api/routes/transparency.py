"""The transparency log as C2SP clients read it, and proofs for those whose records they are."""

from fastapi import APIRouter, Depends, Request, Response

from consumers.api import transparency
from consumers.api.answers import NOT_FOUND, Responses, as_json
from consumers.api.callers import require
from consumers.api.forms import AccessProofForm, ReceiptProofForm
from consumers.api.security import (
    Authenticated,
    Deps,
    Identified,
    PublicRoute,
    SecuredRoute,
    bearer,
)

PREFIX = "/log"
"""Below the API's address; behind a proxy, the log's origin is best this URL without its scheme."""
_TEXT: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
_BYTES: Responses = {
    200: {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}
files = APIRouter(prefix=PREFIX, tags=["transparency log"], route_class=PublicRoute)
bundles = APIRouter(
    prefix=PREFIX,
    tags=["transparency log"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
)
proofs = APIRouter(
    prefix="/v1",
    tags=["transparency log"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=NOT_FOUND,
)


@files.get("/checkpoint", response_class=Response, responses=NOT_FOUND | _TEXT)
async def checkpoint(deps: Deps) -> Response:
    """The last checkpoint (C2SP tlog-checkpoint), with the cosignatures of witnesses."""
    return await transparency.checkpoint(deps)


@files.get("/handovers", response_class=Response, responses=NOT_FOUND | _TEXT)
async def handovers(deps: Deps) -> Response:
    """The handovers of the log's signing key, oldest first; 404 while it has had one key."""
    return await transparency.handovers(deps)


@bundles.get("/tile/entries/{path:path}", response_class=Response, responses=NOT_FOUND | _BYTES)
async def entries(deps: Deps, principal: Authenticated, request: Request, path: str) -> Response:
    """An entry bundle (C2SP tlog-tiles); for auditors, and each one given is recorded."""
    accepted = request.headers.get("accept-encoding", "")
    return await transparency.entries(deps, principal, path, accepted)


@files.get("/tile/{path:path}", response_class=Response, responses=NOT_FOUND | _BYTES)
async def tile(deps: Deps, path: str) -> Response:
    """A tile of hashes (C2SP tlog-tiles)."""
    return await transparency.tile(deps, path)


@proofs.post("/receipts/proof", response_model=transparency.ProofAnswer)
async def receipt_proof(deps: Deps, principal: Authenticated, form: ReceiptProofForm) -> Response:
    """The proof that one of the pharmacy's own receipts is in the log."""
    return as_json(await transparency.prove_receipt(deps, principal, form.receipt))


@proofs.post("/me/access-log/proof", response_model=transparency.ProofAnswer)
async def access_proof(deps: Deps, caller: Identified, form: AccessProofForm) -> Response:
    """The proof that an entry of one's access log is in the log."""
    require(caller.principal, "patient")
    return as_json(await transparency.prove_access(deps, caller, form.access))


router = APIRouter()
for _one in (bundles, files, proofs):  # entries before tiles, whose pattern fits them too
    router.include_router(_one)
