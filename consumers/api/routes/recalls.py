"""Recalls: for the authority that opens them, and for the pharmacies that they concern."""

from fastapi import APIRouter, Depends, Response

from consumers.api import handed_recalls, recalls
from consumers.api.answers import NOT_FOUND, as_json
from consumers.api.callers import require
from consumers.api.forms import EmptyForm, OpenRecallForm, RecallForm, RecallLinesForm
from consumers.api.operators import identify
from consumers.api.security import Authenticated, Deps, Identified, SecuredRoute, bearer

router = APIRouter(
    prefix="/v1",
    tags=["recalls"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=NOT_FOUND,
)


@router.post("/authorities/recalls/open", status_code=201, response_model=recalls.RecallView)
async def open_recall(deps: Deps, principal: Authenticated, form: OpenRecallForm) -> Response:
    """Opens a recall of a product, or of one batch of it."""
    authority = await identify(deps.vault, principal, "authority")
    return as_json(await recalls.open_recall(deps, authority, form), 201)


@router.post("/authorities/recalls/search", response_model=recalls.RecallsAnswer)
async def own_recalls(deps: Deps, principal: Authenticated, _form: EmptyForm) -> Response:
    """The recalls that the authority opened."""
    authority = await identify(deps.vault, principal, "authority")
    return as_json(await recalls.of_authority(deps, authority))


@router.post("/authorities/recalls/progress", response_model=recalls.ProgressAnswer)
async def progress(deps: Deps, principal: Authenticated, form: RecallForm) -> Response:
    """How far a recall is, in counts."""
    authority = await identify(deps.vault, principal, "authority")
    return as_json(await recalls.progress(deps, authority, form))


@router.post("/authorities/recalls/close", response_model=recalls.RecallView)
async def close(deps: Deps, principal: Authenticated, form: RecallForm) -> Response:
    """Ends a recall."""
    authority = await identify(deps.vault, principal, "authority")
    return as_json(await recalls.close(deps, authority, form))


@router.post("/pharmacy/recalls", response_model=recalls.RecallsAnswer)
async def pharmacy_recalls(deps: Deps, caller: Identified, _form: EmptyForm) -> Response:
    """The open recalls for which the pharmacy has lines."""
    require(caller.principal, "pharmacy")
    return as_json(await handed_recalls.search(deps, caller))


@router.post("/pharmacy/recalls/lines", response_model=handed_recalls.RecallLinesAnswer)
async def recall_lines(deps: Deps, caller: Identified, form: RecallLinesForm) -> Response:
    """The pharmacy's own lines that a recall concerns."""
    require(caller.principal, "pharmacy")
    return as_json(await handed_recalls.lines(deps, caller, form))


@router.post("/pharmacy/recalls/acknowledge", response_model=recalls.RecallView)
async def acknowledge(deps: Deps, caller: Identified, form: RecallForm) -> Response:
    """Says that the pharmacy has seen its lines."""
    require(caller.principal, "pharmacy")
    return as_json(await handed_recalls.acknowledge(deps, caller, form))
