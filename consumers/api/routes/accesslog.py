"""The patient's access log."""

from fastapi import APIRouter, Depends, Response

from consumers.api import accesslog
from consumers.api.answers import REFUSALS, as_json
from consumers.api.callers import require
from consumers.api.forms import PageForm
from consumers.api.routes.history import page_of
from consumers.api.security import Deps, Identified, SecuredRoute, bearer

router = APIRouter(
    prefix="/v1",
    tags=["access log"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=REFUSALS,
)


@router.post("/me/access-log", response_model=accesslog.AccessLogAnswer)
async def own_access_log(deps: Deps, caller: Identified, form: PageForm) -> Response:
    """Who looked at one's data or tried to, when, why and with what result."""
    require(caller.principal, "patient")
    return as_json(await accesslog.answer(deps, caller, page_of(deps, "/v1/me/access-log", form)))
