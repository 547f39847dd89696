"""The demo's expectations come from the plan, and none is forgotten."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from consumers.demo.cast import personas, planned_lines, planned_own_lines, seen_lines
from consumers.demo.checks import Checks
from consumers.demo.portal import Portal
from consumers.simulation.plan import Plan
from consumers.simulation.population import SimulationSize
from consumers.simulation.simulate import Year, plan_year

NOW = datetime(2026, 3, 31, 10, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def year() -> Year:
    return plan_year(7, SimulationSize(6, 60, 400), NOW)


@pytest.fixture(scope="module")
def plan(year: Year) -> Plan:
    return year.plan


def test_checks_hold_only_if_there_are_some_and_all_hold() -> None:
    assert not Checks().hold
    checks = Checks()
    checks.expect("one", 1, 1)
    checks.expect_same("lines", ["a"], ["a"])
    before = checks.hold
    checks.expect_same("as many, but others", ["a"], ["b"])
    assert (before, checks.hold) == (True, False)
    assert checks.as_json()[2] == {
        "what": "as many, but others",
        "expected": 1,
        "observed": 1,
        "holds": False,
    }


def test_a_reader_must_see_what_stands_and_nothing_revoked(plan: Plan) -> None:
    patient = plan.population.persons[0].niss
    lines = planned_lines(plan, patient, NOW - timedelta(days=180))
    assert lines
    assert {status for _, _, status in lines} <= {"registered", "corrected"}
    assert set(lines) < set(planned_lines(plan, patient, NOW - timedelta(days=370)))


def test_a_pharmacy_must_see_the_lines_of_all_its_patients(plan: Plan) -> None:
    since = NOW - timedelta(days=370)
    own = [planned_own_lines(plan, one.number, since) for one in plan.population.pharmacies]
    everybody = [
        line for one in plan.population.persons for line in planned_lines(plan, one.niss, since)
    ]
    assert sorted(line for lines in own for line in lines) == sorted(everybody)


def test_lines_are_compared_whatever_their_order() -> None:
    first = {"dguid": "a", "version": 1, "status": "registered"}
    second = {"dguid": "b", "version": 2, "status": "corrected", "pharmacy": "x"}
    assert seen_lines([second, first]) == [("a", 1, "registered"), ("b", 2, "corrected")]


def test_every_role_is_played_by_somebody_else(year: Year) -> None:
    played = personas(year.registrations.personas)
    assert len({str(sorted(one.request().items())) for one in played.values()}) == len(played)
    assert {one.role for one in played.values()} == {
        "patient",
        "caregiver",
        "pharmacist",
        "pharmacy",
    }


async def test_a_portal_reads_every_page_under_its_token() -> None:
    asked: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.headers["authorization"], request.content))
        more = b"cursor" not in request.content
        return httpx.Response(200, json={"lines": [1], **({"next": "c"} if more else {})})

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        pages = await Portal(client, {"patient": "t"}).pages("patient", "/v1/me/history")
    assert len(pages) == 2
    assert [token for token, _ in asked] == ["Bearer t", "Bearer t"]
    assert b'"cursor":"c"' in asked[1][1]
