"""Limits of one caller: requests, and different patients."""

from datetime import timedelta

import pytest
from structlog.testing import CapturingLogger

from consumers.api.problems import Problem
from consumers.api.throttle import MAX_CALLERS, Throttle
from consumers.api.tokens import Principal
from tests.unit.consumers.api.cast import ANN, BOB, DOCTOR, NOBODY
from tests.unit.consumers.api.world import World

DOCTOR_PRINCIPAL = Principal(role="caregiver", issuer="i", token_id="1", nihdi=DOCTOR)


def throttle(clock: list[float], requests: int = 60, patients: int = 2) -> Throttle:
    return Throttle(
        requests_per_minute=requests, patients_per_hour=patients, clock=lambda: clock[0]
    )


def test_requests_are_taken_up_to_the_limit_and_again_with_time() -> None:
    clock = [0.0]
    made = throttle(clock, requests=2)
    made.request(DOCTOR_PRINCIPAL)
    made.request(DOCTOR_PRINCIPAL)
    with pytest.raises(Problem) as refused:
        made.request(DOCTOR_PRINCIPAL)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "30"})
    clock[0] = 30.0
    made.request(DOCTOR_PRINCIPAL)


def test_another_token_of_the_same_person_counts_on() -> None:
    made = throttle([0.0], requests=1)
    made.request(DOCTOR_PRINCIPAL)
    again = Principal(role="caregiver", issuer="i", token_id="2", nihdi=DOCTOR)
    with pytest.raises(Problem):
        made.request(again)
    made.request(Principal(role="caregiver", issuer="i", token_id="3", nihdi="20000113001"))


def test_the_same_patient_counts_once_and_leaves_after_an_hour() -> None:
    clock = [0.0]
    made = throttle(clock)
    for subject in ("a", "a", "b", "a"):
        made.patient(DOCTOR_PRINCIPAL, subject)
        clock[0] += 600.0
    with pytest.raises(Problem) as refused:
        made.patient(DOCTOR_PRINCIPAL, "c")
    # b was last asked about at 1200 and makes room an hour later.
    assert refused.value.headers == {"Retry-After": "2400"}
    clock[0] = 1200.0 + 3600.0
    made.patient(DOCTOR_PRINCIPAL, "c")


def test_callers_that_nobody_hears_of_any_more_are_forgotten() -> None:
    made = throttle([0.0], requests=1)
    for number in range(MAX_CALLERS + 10):
        made.request(Principal(role="auditor", issuer="i", token_id=str(number)))
    assert len(made._uses) == MAX_CALLERS


async def test_whoever_asks_too_often_is_told_when_to_try_again() -> None:
    world = World(requests_per_minute=1)
    assert (await world.ask("/v1/me/history", world.patient())).status_code == 200
    answer = await world.ask("/v1/me/history", world.patient())
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert answer.headers["retry-after"] == "60"
    assert (await world.ask("/v1/me/history", world.patient(BOB))).status_code == 200
    world.now += timedelta(seconds=60)
    assert (await world.ask("/v1/me/history", world.patient())).status_code == 200


async def test_looking_people_up_in_bulk_is_stopped_and_raises_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not what is printed: another test of the process may have set logging up otherwise.
    told = CapturingLogger()
    monkeypatch.setattr("consumers.api.throttle._log", told)
    world = World(patients_per_hour=1)
    for _ in range(2):
        answer = await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
        assert answer.status_code == 403
    for number in (BOB, NOBODY):
        answer = await world.ask("/v1/patients/history", world.caregiver(), {"patient": number})
        assert answer.status_code == 429
    (line,) = told.calls
    assert line.args == ("caller_held_back",)
    assert not any(number in repr(line) for number in (ANN, BOB, NOBODY, DOCTOR))
    text = (await world.ask("/metrics", method="GET")).text
    assert 'dpp_api_throttled_total{limit="patients",role="caregiver"}' in text
    # Nothing was decided about the others, so nothing is recorded about them.
    assert len(world.log.audited()) == 2


async def test_ones_own_record_is_no_other_patient() -> None:
    world = World(patients_per_hour=1)
    for _ in range(3):
        answer = await world.ask("/v1/patients/history", world.patient(), {"patient": ANN})
        assert answer.status_code == 200
