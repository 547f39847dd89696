"""Histories: one's own, those of people who gave one a mandate, a patient's, a pharmacy's own."""

from fastapi import APIRouter, Depends, Response

from consumers.api import emergencies, mandates, revealing
from consumers.api.answers import NOT_FOUND, REFUSALS, as_json
from consumers.api.callers import patient_of, require
from consumers.api.cuts import HISTORY, AsOf, Fresh
from consumers.api.forms import (
    CutForm,
    EmergencyForm,
    HistoryForm,
    LimitForm,
    PageForm,
    PatientPageForm,
    RevealForm,
)
from consumers.api.ports import Dependencies
from consumers.api.reads import Narrow, Page, answer_history, read_own_lines
from consumers.api.security import Deps, Identified, SecuredRoute, bearer
from consumers.api.views import HistoryAnswer

router = APIRouter(
    prefix="/v1",
    tags=["histories"],
    route_class=SecuredRoute,
    dependencies=[Depends(bearer)],
    responses=REFUSALS,
)


def page_of(deps: Dependencies, endpoint: str, form: PageForm) -> Page:
    """The page that a form asks for."""
    limit = form.limit or deps.settings.page_default
    limit = min(limit, deps.settings.page_max)
    if not isinstance(form, HistoryForm):
        return Page(endpoint, limit, form.cursor)
    narrow = Narrow(
        start=form.since, end=form.until, versions=form.versions, as_of=_as_of(form.as_of)
    )
    fresh = Fresh(form.fresh.seconds, form.fresh.otherwise) if form.fresh else None
    return Page(endpoint, limit, form.cursor, narrow, fresh)


def _as_of(form: CutForm | None) -> AsOf | None:
    if form is None or form.positions is None:
        return AsOf(form.time) if form else None
    found = {one.partition: one.position for one in form.positions if one.projection == HISTORY}
    return AsOf(positions=found)


@router.post("/me/history", response_model=HistoryAnswer)
async def own_history(deps: Deps, caller: Identified, form: HistoryForm) -> Response:
    """The patient's own deliveries, newest first."""
    require(caller.principal, "patient")
    page = page_of(deps, "/v1/me/history", form)
    return as_json(await answer_history(deps, caller, caller.pseudonym, page))


@router.post("/mandates/history", response_model=mandates.MandatesAnswer)
async def mandates_history(deps: Deps, caller: Identified, form: LimitForm) -> Response:
    """Oneself and everybody who gave one a mandate, in one call."""
    require(caller.principal, "patient")
    page = page_of(deps, "/v1/mandates/history", PageForm(limit=form.limit))
    return as_json(await mandates.answer(deps, caller, page))


@router.post("/patients/history", response_model=HistoryAnswer)
async def patient_history(deps: Deps, caller: Identified, form: PatientPageForm) -> Response:
    """A patient's deliveries for a caregiver, a pharmacist or a mandate holder.

    Unknown, excluded and unconsented are answered alike.
    """
    require(caller.principal, "patient", "caregiver", "pharmacist")
    subject = await patient_of(deps, caller, form.patient)
    page = page_of(deps, "/v1/patients/history", form)
    return as_json(await answer_history(deps, caller, subject, page))


@router.post("/patients/emergency", response_model=HistoryAnswer)
async def emergency_history(deps: Deps, caller: Identified, form: EmergencyForm) -> Response:
    """A patient's deliveries in an emergency, for a caregiver without a therapeutic link.

    Only where policy has opened it. The patient is told of every use.
    """
    require(caller.principal, "caregiver")
    page = page_of(deps, emergencies.ENDPOINT, form)
    return as_json(await emergencies.answer(deps, caller, form, page))


@router.post("/patients/pharmacy", response_model=revealing.RevealAnswer, responses=NOT_FOUND)
async def reveal_pharmacy(deps: Deps, caller: Identified, form: RevealForm) -> Response:
    """Which pharmacy dispensed one line, for a pharmacist, on the patient's signed request."""
    require(caller.principal, "pharmacist")
    return as_json(await revealing.answer(deps, caller, form))


@router.post("/pharmacy/dispensations", response_model=HistoryAnswer)
async def own_lines(deps: Deps, caller: Identified, form: HistoryForm) -> Response:
    """The lines that the pharmacy itself registered."""
    require(caller.principal, "pharmacy")
    page = page_of(deps, "/v1/pharmacy/dispensations", form)
    number = caller.principal.organisation or ""
    return as_json(await read_own_lines(deps, caller, number, page))
