"""Registrations: consents, links, exclusions and mandates, and what is registered about oneself."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from consumers.api import erasures, merges, overview, registration_forms, registrations
from consumers.api.answers import NOT_FOUND, REGISTRATION_REFUSALS, as_json
from consumers.api.callers import require
from consumers.api.forms import StoodForm
from consumers.api.problems import Problem
from consumers.api.registration_forms import RegistrationForm
from consumers.api.registrations import RegistrationAnswer
from consumers.api.security import Authenticated, Deps, Identified, SecuredRoute, bearer

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{8,64}$",
        description="Repeating a request with the same key, token and body registers once.",
    ),
]
router = APIRouter(
    prefix="/v1", tags=["registrations"], route_class=SecuredRoute, dependencies=[Depends(bearer)]
)


@router.post(
    "/registrations",
    status_code=201,
    response_model=RegistrationAnswer,
    responses={202: {"model": RegistrationAnswer}, **REGISTRATION_REFUSALS},
)
async def register(
    deps: Deps, principal: Authenticated, form: RegistrationForm, key: IdempotencyKey = None
) -> Response:
    """Registers; 201 once the fact is committed, 202 with the id of its receipt until then."""
    if isinstance(form, registration_forms.MergeIdentityForm | registration_forms.RevokeMergeForm):
        status, answer = await merges.register(deps, principal, form, key)
    elif isinstance(form, registration_forms.ErasureForm):
        status, answer = await erasures.register(deps, principal, form, key)
    else:
        status, answer = await registrations.register(deps, principal, form, key)
    response = as_json(answer, status)
    response.headers["Location"] = f"/v1/registrations/{answer.id}"
    return response


@router.get("/registrations/{registration}", response_model=RegistrationAnswer, responses=NOT_FOUND)
async def ask(deps: Deps, principal: Authenticated, registration: str) -> Response:
    """What became of a registration that one made oneself."""
    if len(registration) > registrations.MAX_ID_CHARS:
        raise Problem(404, "not-found")
    return as_json(await merges.ask(deps, principal, registration))


@router.post(
    "/me/registrations", response_model=overview.OverviewAnswer, responses=REGISTRATION_REFUSALS
)
async def own_registrations(deps: Deps, caller: Identified, form: StoodForm) -> Response:
    """What is registered about oneself, and the mandates that one holds or is offered."""
    require(caller.principal, "patient")
    return as_json(await overview.answer(deps, caller, stood_at=form.stood_at))
