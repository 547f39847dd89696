"""What quality control refused: for operators, and for each pharmacy its own."""

from fastapi import APIRouter, Depends, Response

from consumers.api import quality, refusals
from consumers.api.answers import REFUSALS, as_json
from consumers.api.forms import OwnQualityForm, OwnRefusalsForm, QualityForm, RefusalsForm
from consumers.api.operators import identify
from consumers.api.security import Authenticated, Deps, SecuredRoute, bearer

router = APIRouter(
    prefix="/v1",
    tags=["quality"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=REFUSALS,
)


@router.post("/quality/refused", response_model=refusals.MaskedRefusalsAnswer)
async def refused(deps: Deps, principal: Authenticated, form: RefusalsForm) -> Response:
    """Refused lines of all pharmacies, newest first, contents masked; for operators only."""
    operator = await identify(deps.vault, principal)
    return as_json(await refusals.search(deps, operator, form))


@router.post("/receipts/refused", response_model=refusals.RefusalsAnswer)
async def own_refused(deps: Deps, principal: Authenticated, form: OwnRefusalsForm) -> Response:
    """The pharmacy's own refused lines, newest first, with everything that its receipts say."""
    return as_json(await refusals.search_own(deps, principal, form))


@router.post("/quality/overview", response_model=quality.QualityAnswer)
async def overview(deps: Deps, principal: Authenticated, form: QualityForm) -> Response:
    """How pharmacies do, one or all: outcomes, findings by code, missing numbers; for operators."""
    operator = await identify(deps.vault, principal)
    return as_json(await quality.overview(deps, operator, form))


@router.post("/receipts/overview", response_model=quality.QualityAnswer)
async def own_overview(deps: Deps, principal: Authenticated, form: OwnQualityForm) -> Response:
    """How the pharmacy itself does."""
    return as_json(await quality.own_overview(deps, principal, form))
