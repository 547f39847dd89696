"""Consumption for authorities: who may ask, what is hidden, and that it is recorded first."""

from datetime import date
from typing import Any

import pytest

from infra.keys.memory import MemoryVault
from projections.consumption_queries import Consumed
from projections.folds.product_recall import product_index
from tests.unit.consumers.api.cast import CNK, OTHER_PHARMACY, PHARMACY
from tests.unit.consumers.api.world import World

PATH = "/v1/authorities/consumption"
JANUARY = date(2026, 1, 1)


async def counted(world: World, *figures: tuple[str, int]) -> None:
    key = await MemoryVault.root_key(world.vault, "index")
    world.store.consumed += [
        Consumed(JANUARY, product_index(key, CNK), pharmacy, lines, lines)
        for pharmacy, lines in figures
    ]


async def ask(world: World, token: str, **form: str) -> tuple[int, dict[str, Any]]:
    answer = await world.ask(PATH, token, form)
    return answer.status_code, answer.json()


def january(body: dict[str, Any]) -> dict[str | None, int | None]:
    return {
        one.get("region"): one.get("lines") for one in body["cells"] if one["month"] == "2026-01"
    }


async def test_an_authority_sees_what_was_dispensed_per_region_and_month(world: World) -> None:
    await counted(world, (PHARMACY, 40), (OTHER_PHARMACY, 60))
    status, body = await ask(world, world.authority(), cnk=CNK)
    assert status == 200
    found = january(body)
    assert (found["region 8"], found["region 2"], found[None]) == (40, 60, 100)
    assert body["min_lines"] == 10
    assert {one["projection"] for one in body["positions"]} == {"consumption"}
    months = sorted({one["month"] for one in body["cells"]})
    assert (months[0], months[-1]) == ("2025-04", "2026-01")


async def test_small_cells_are_hidden_with_what_would_tell_them(world: World) -> None:
    await counted(world, (PHARMACY, 4), (OTHER_PHARMACY, 60))
    _, body = await ask(world, world.authority(), cnk=CNK)
    found = january(body)
    assert found["region 8"] is None
    assert found["region 2"] is None or found[None] is None


async def test_a_group_is_asked_by_the_beginning_of_its_code(world: World) -> None:
    await counted(world, (PHARMACY, 40))
    atc = world.deps.products[CNK].atc
    for group in (atc, atc[:5], atc[:4], atc[:3], atc[:1]):
        status, body = await ask(world, world.authority(), atc=group)
        assert status == 200
        assert january(body)[None] == 40


async def test_it_is_recorded_under_the_authority_before_it_is_answered(world: World) -> None:
    await counted(world, (PHARMACY, 40))
    await ask(world, world.authority(), cnk=CNK)
    (event,) = world.log.operations()
    assert (event.role, event.purpose) == ("authority", "consumption")
    assert event.rows > 0
    assert world.trace[-1] == "append:dpp.access.audited"
    assert world.trace.index("consumption") < world.trace.index("append:dpp.access.audited")
    world.log.down.add("dpp.access.audited")
    status, body = await ask(world, world.authority(), cnk=CNK)
    assert (status, body["code"]) == (503, "audit-unavailable")


async def test_an_authority_without_a_mandate_is_refused_and_that_is_recorded_bad(
    world: World,
) -> None:
    await counted(world, (PHARMACY, 40))
    status, body = await ask(world, world.authority("0123456749"), cnk=CNK)
    assert (status, body["code"]) == (403, "access-refused")
    (event,) = world.log.operations()
    assert (event.purpose, event.rows) == ("consumption_refused", 0)
    assert "consumption" not in world.trace


@pytest.mark.parametrize("role", ["patient", "caregiver", "pharmacist", "pharmacy"])
async def test_nobody_else_may_ask_bad(world: World, role: str) -> None:
    status, body = await ask(world, getattr(world, role)(), cnk=CNK)
    assert (status, body["code"]) == (403, "role-not-allowed")


@pytest.mark.parametrize(
    "form", [{}, {"cnk": CNK, "atc": "A"}, {"cnk": "9999999"}, {"atc": "Z99"}, {"atc": "a1"}]
)
async def test_a_question_about_no_product_is_a_400_bad(world: World, form: dict[str, str]) -> None:
    status, _ = await ask(world, world.authority(), **form)
    assert status == 400
    assert world.log.operations() == []
