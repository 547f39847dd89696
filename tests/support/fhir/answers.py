"""Answers of the FHIR face of every kind, for a validator from outside to judge."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from consumers.api.fhir import bundles
from consumers.api.fhir.dispenses import dispense
from consumers.api.fhir.outcomes import outcome
from consumers.api.fhir.resources import BundleLink
from consumers.api.problems import TITLES, FieldIssue, Problem
from consumers.api.views import LineView, ProductView
from projections.access import AccessFacts, Link
from schemas.dispensation import Posology, Prescription, Regimen
from schemas.registrations import Author, Party
from schemas.subject import SubjectContent
from tests.unit.consumers.api.cast import ANN, DOCTOR, ISSUER, NOW, OTHER_PHARMACY
from tests.unit.consumers.api.fhir.test_dispenses import (
    DGUID,
    FULL,
    OTHER,
    PACK,
    PREPARATION,
    REGIMEN,
    UNREGISTERED,
    line,
)
from tests.unit.consumers.api.fhir.test_rules import revoked
from tests.unit.consumers.api.fhir.test_searches import (
    ACCESSES,
    CONSENTS,
    DISPENSES,
    REFUSED,
    add_access,
    registration,
    search,
)
from tests.unit.consumers.api.world import World

_EVERY: tuple[tuple[str, str], ...] = (("status", "completed,entered-in-error"),)
_STATUSES = (400, 401, 403, 404, 405, 413, 415, 429, 500, 503)


async def answers() -> AsyncIterator[tuple[str, str]]:
    """Name and JSON of each."""
    for name, shown in _lines().items():
        yield f"line-{name}", dispense(shown, ANN).write()
    for place, code in enumerate(TITLES):
        status = _STATUSES[place % len(_STATUSES)]
        told = Problem(status, code, [FieldIssue(path="/status", code="x")])
        yield f"outcome-{code}", outcome(told).write()
    yield "outcome-plain", outcome(Problem(403, "access-refused")).write()
    world = World()
    yield "capability", (await world.ask("/fhir/metadata", method="GET")).text
    async for answer in _searches(world):
        yield answer


def controls(resources: Path) -> dict[str, str]:
    """Resources of this folder, each broken in one way that the validator has to find."""
    changes = {
        "line-full": ("status", "done"),
        "line-masked": ("performer", []),
        "line-in-words": ("whenHandedOver", None),
        "capability": ("fhirVersion", "9"),
        "outcome-refused": ("issue", []),
    }
    made = {}
    for name, (member, value) in changes.items():
        whole = json.loads((resources / f"{name}.json").read_text())
        kept = {**whole, member: value} if value is not None else _without(whole, member)
        made[f"broken-{name}"] = json.dumps(kept)
    log = json.loads((resources / "bundle-accesses.json").read_text())
    event = next(one["resource"] for one in log["entry"] if one["resource"]["outcome"] == "0")
    for agent in event["agent"]:
        agent.pop("network", None)
    made["broken-access"] = json.dumps(event)
    return made


def _without(whole: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in whole.items() if name != member}


def _lines() -> dict[str, LineView]:
    """A line for each form that a dispense takes, over the paths that write it."""
    few = {"delivered_at": FULL["delivered_at"], "pharmacy": FULL["pharmacy"], "units": 1}
    return {
        "full": line(**FULL),
        "masked": line(),
        "revoked": line(**FULL).model_copy(update={"status": "revoked"}),
        "returned": line(**few, product=PACK, returned=1, left=0),
        "return": line(**{**few, "units": -1}, product=PACK, returns=OTHER),
        "magistral": line(**few, product=PREPARATION, batch="B1"),
        "magistral-by-text": line(
            **few, product=ProductView(kind="magistral", detail={"text": "as prescribed"})
        ),
        "magistral-without-words": line(**few, product=ProductView(kind="magistral", detail={})),
        "unregistered": line(**few, product=UNREGISTERED),
        "unregistered-with-batch": line(**few, product=UNREGISTERED, batch="B1"),
        "unknown-to-the-catalogue": line(**few, product=ProductView(kind="cnk", cnk="0041020")),
        "device": line(
            **few, product=ProductView(kind="cnk", cnk="0052605", name_nl="Kompres", pack="10")
        ),
        "batch-alone": line(**few, product=PACK, batch="B1"),
        "expiry-by-month": line(**few, product=PACK, expiry="2028-11"),
        "expiry-unreadable": line(**few, product=PACK, expiry="soon"),
        "scanned": line(**few, product=PACK, gtin="05412345000013"),
        "on-substance-name": line(
            **few, product=PACK, prescription=Prescription(on_substance_name=True)
        ),
        "prescribed": line(**few, product=PACK, prescription=Prescription()),
        "in-words": line(**few, product=PACK, posology=Posology(text="as agreed")),
        "by-figures": line(**few, product=PACK, regimen=REGIMEN),
        "by-moments": line(
            **few,
            product=PACK,
            regimen=Regimen(quantity="1", unit="tablet", moments=("noon", "evening", "bedtime")),
        ),
        "by-days": line(
            **few, product=PACK, regimen=Regimen(quantity="1/2", unit="tablet", every_days=2)
        ),
        "as-needed": line(
            **few, product=PACK, regimen=Regimen(quantity="1", unit="puff", as_needed=True)
        ),
        "from-a-day-on": line(
            **few, product=PACK, regimen=Regimen(quantity="1", unit="ml", begin="2026-03-01")
        ),
    }


async def _searches(world: World) -> AsyncIterator[tuple[str, str]]:
    """Bundles as the API answers them: whole, paged, empty, with a remark, and of every reader."""
    patient = world.patient()
    yield "bundle-empty", (await search(world, DISPENSES, patient)).text
    first = await world.add_line(days_ago=9)
    await world.add_line(days_ago=3, units=-1, returns=first)
    await revoked(world)
    yield "bundle-of-every-status", (await search(world, DISPENSES, patient, *_EVERY)).text
    yield "bundle-paged", (await search(world, DISPENSES, patient, ("_count", "1"))).text
    await _let_in(world)
    asked = ("patient", ANN)
    yield "bundle-caregiver", (await search(world, DISPENSES, world.caregiver(), asked)).text
    yield "bundle-pharmacist", (await search(world, DISPENSES, world.pharmacist(), asked)).text
    refused = await search(world, DISPENSES, world.caregiver(), ("patient", "1"))
    yield "outcome-refused", refused.text
    await add_access(world, "a-1", 5)
    await add_access(world, "a/2", 3, purpose="emergency", basis="emergency")
    await add_access(world, "a-3", 1, window_start=None, window_end=None, **REFUSED)
    await world.project_accesses()
    yield "bundle-accesses", (await search(world, ACCESSES, patient)).text
    await _register(world)
    yield "bundle-consents", (await search(world, CONSENTS, patient)).text
    await world.vault.destroy_period(first.period, NOW)
    yield "bundle-with-a-remark", (await search(world, DISPENSES, patient)).text
    yield (
        "bundle-of-all-lines",
        bundles.bundle(
            (
                dispense(one.model_copy(update={"dguid": f"{DGUID[:-2]}{number:02d}"}), ANN)
                for number, one in enumerate(_lines().values())
            ),
            links=[BundleLink(relation="self", url=DISPENSES)],
            as_of=NOW,
            policy_version="access/1",
            positions=(),
        ).write(),
    )


async def _let_in(world: World) -> None:
    until = NOW + timedelta(days=9)
    parties = (await world.professional(), await world.organisation(OTHER_PHARMACY))
    links = tuple(Link(f"link-{one[:6]}", one, "consultation", NOW, until) for one in parties)
    world.store.facts[await world.subject(ANN)] = AccessFacts(consent="c", links=links)


async def _register(world: World) -> None:
    """A consent in force with an exclusion, and one that was withdrawn."""
    subject = await world.subject(ANN)
    author = Author(
        role="patient",
        person=Party(party_kind="citizen", number=ANN, name="Ann"),
        token_issuer=ISSUER,
        token_id="t",
    )
    doctor = Party(party_kind="professional", number=DOCTOR, name="Dr Who")
    given = registration("consent-given", subject)
    ended = replace(given, id="subject/0/1/9", ce_id="subject/0/1/9", ended_at=NOW)
    put = registration("exclusion-put", subject, kind="exclusion", party="x")
    for row, party in ((ended, None), (given, None), (put, doctor)):
        await world.add_registration(row, SubjectContent(author=author, party=party))
