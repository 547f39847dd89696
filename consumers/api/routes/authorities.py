"""For authorities: consumption with small cells hidden."""

from fastapi import APIRouter, Depends, Response

from consumers.api import consumption
from consumers.api.answers import REFUSALS, as_json
from consumers.api.forms import ConsumptionForm
from consumers.api.operators import identify
from consumers.api.security import Authenticated, Deps, SecuredRoute, bearer

router = APIRouter(
    prefix="/v1/authorities",
    tags=["authorities"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=REFUSALS,
)


@router.post("/consumption", response_model=consumption.ConsumptionAnswer)
async def count(deps: Deps, principal: Authenticated, form: ConsumptionForm) -> Response:
    """What was dispensed of a product or ATC group, per region and closed month."""
    authority = await identify(deps.vault, principal, "authority")
    return as_json(await consumption.answer(deps, authority, form))
