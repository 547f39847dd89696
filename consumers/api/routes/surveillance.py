"""Surveillance of use, for operators."""

from fastapi import APIRouter, Depends, Response

from consumers.api import surveillance
from consumers.api.answers import REFUSALS, as_json
from consumers.api.forms import SurveillanceForm
from consumers.api.operators import identify
from consumers.api.security import Authenticated, Deps, SecuredRoute, bearer

router = APIRouter(
    prefix="/v1",
    tags=["surveillance"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=REFUSALS,
)


@router.post("/surveillance", response_model=surveillance.SurveillanceAnswer)
async def uses(deps: Deps, principal: Authenticated, form: SurveillanceForm) -> Response:
    """Use of the record that should be looked at; for operators only, recorded."""
    operator = await identify(deps.vault, principal)
    return as_json(await surveillance.answer(deps, operator, form))
