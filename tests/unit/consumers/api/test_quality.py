"""How pharmacies do: operators see one or all and leave a record, each pharmacy sees its own."""

from dataclasses import replace
from datetime import timedelta

import pytest

from projections.silence import Heard
from tests.unit.consumers.api.cast import NOW, PHARMACY
from tests.unit.consumers.api.world import World

ALL, OWN = "/v1/quality/overview", "/v1/receipts/overview"


async def test_an_operator_sees_everybody_and_it_is_recorded_first(world: World) -> None:
    answer = await world.ask(ALL, world.token("operator"))
    body = answer.json()
    assert (body["submissions"], body["lines_rejected"]) == ({"accepted": 3}, 1)
    assert body["refused"] == {"NISS_INVALID": 1}
    assert (body["missing_ranges"], body["missing_numbers"]) == (1, 2)
    assert "pharmacy" not in body
    assert "quality:None:7" in world.trace
    assert world.trace[-1] == "append:dpp.access.audited"
    (event,) = world.log.operations()
    assert (event.purpose, event.role) == ("quality_overview", "operator")


async def test_without_the_record_there_is_no_answer(world: World) -> None:
    world.log.down.add("dpp.access.audited")
    answer = await world.ask(ALL, world.token("operator"))
    assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable")


async def test_an_operator_may_ask_about_one_pharmacy_in_a_period(world: World) -> None:
    world.store.told = replace(world.store.told, heard=Heard(NOW, NOW))
    form = {"pharmacy": PHARMACY, "since": (NOW - timedelta(days=30)).isoformat()}
    body = (await world.ask(ALL, world.token("operator"), form)).json()
    assert body["pharmacy"] == PHARMACY
    assert body["last_heard"] == "2026-03-10T12:00:00Z"
    assert f"quality:{PHARMACY}:30" in world.trace


async def test_a_pharmacy_sees_its_own(world: World) -> None:
    body = (await world.ask(OWN, world.pharmacy())).json()
    assert body["pharmacy"] == PHARMACY
    assert f"quality:{PHARMACY}:7" in world.trace


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (ALL, {"pharmacy": "1"}),
        (ALL, {"since": "2026-03-10T13:00:00Z"}),
        (OWN, {"pharmacy": PHARMACY}),
    ],
)
async def test_a_malformed_question_is_a_400_bad(
    world: World, path: str, form: dict[str, str]
) -> None:
    token = world.token("operator") if path == ALL else world.pharmacy()
    assert (await world.ask(path, token, form)).status_code == 400


@pytest.mark.parametrize("role", ["patient", "caregiver", "pharmacist"])
@pytest.mark.parametrize("path", [ALL, OWN])
async def test_nobody_else_may_ask_bad(world: World, path: str, role: str) -> None:
    answer = await world.ask(path, getattr(world, role)())
    assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed")
