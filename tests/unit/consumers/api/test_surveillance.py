"""The operator's view of use: who may ask, what it shows, and that asking is recorded."""

from datetime import datetime, timedelta

import pytest

from consumers.api.surveillance import PERIOD
from projections.surveillance import CONTACT_DAYS, EARLIEST_DAYS, Emergency, Party, Uses, Usual
from schemas.brussels import day_of, start_of_day
from tests.unit.consumers.api.cast import ANN, NOW
from tests.unit.consumers.api.world import World

PATH = "/v1/surveillance"


def _used(world: World) -> None:
    party = Party("abcdefghijklmnopqrstuvwxyz", "caregiver", None)
    world.store.used = Uses((), (), (Emergency(party, 2, 1, 1, NOW, NOW),), Usual({}, {}))


async def test_an_operator_sees_what_to_look_at_and_that_is_recorded_first(world: World) -> None:
    _used(world)
    answer = await world.ask(PATH, world.token("operator"))
    assert answer.status_code == 200
    (finding,) = answer.json()["findings"]
    assert finding == {
        "kind": "emergency",
        "reader": "abcdefghijklmnopqrstuvwxyz",
        "role": "caregiver",
        "reads": 2,
        "refused": 1,
        "subjects": 1,
        "first": "2026-03-10T12:00:00Z",
        "last": "2026-03-10T12:00:00Z",
    }
    (event,) = world.log.operations()
    assert (event.purpose, event.rows) == ("surveillance", 1)
    assert world.trace[-1] == "append:dpp.access.audited"
    assert world.trace.index("uses") < len(world.trace) - 1


async def test_the_period_is_long_enough_to_show_what_never_became_a_contact(world: World) -> None:
    told = (await world.ask(PATH, world.token("operator"))).json()
    start = datetime.fromisoformat(told["start"])
    assert start == start_of_day(day_of(NOW - PERIOD))
    assert timedelta(days=CONTACT_DAYS) < PERIOD


async def test_who_was_met_is_looked_up_unless_it_is_left_out(world: World) -> None:
    for form in ({}, {"contacts": False}):
        assert (await world.ask(PATH, world.token("operator"), form)).status_code == 200
    asked = [one for one in world.trace if one.startswith("uses")]
    assert asked == ["uses", "uses without contacts"]


async def test_without_the_record_of_it_nothing_is_shown(world: World) -> None:
    _used(world)
    world.log.down.add("dpp.access.audited")
    answer = await world.ask(PATH, world.token("operator"))
    assert answer.status_code == 503
    assert "emergency" not in answer.text


@pytest.mark.parametrize("role", ["patient", "caregiver", "pharmacist", "pharmacy"])
async def test_nobody_else_may_ask_bad(world: World, role: str) -> None:
    answer = await world.ask(PATH, getattr(world, role)())
    assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed")
    assert not world.log.operations()


@pytest.mark.parametrize(
    "form",
    [
        {"since": NOW.isoformat(), "until": NOW.isoformat()},
        {"since": (NOW - timedelta(days=32)).isoformat()},
        {"since": (NOW + timedelta(days=1)).isoformat()},
        {
            "since": (NOW - timedelta(days=EARLIEST_DAYS + 1)).isoformat(),
            "until": (NOW - timedelta(days=EARLIEST_DAYS)).isoformat(),
        },
        {"patient": ANN},
    ],
)
async def test_a_period_is_at_most_31_days_not_empty_and_not_long_ago_bad(
    world: World, form: dict[str, str]
) -> None:
    answer = await world.ask(PATH, world.token("operator"), form)
    assert answer.status_code == 400
    assert ANN not in answer.text
