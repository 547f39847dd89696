"""The dispensing pharmacy of one line, revealed to a pharmacist on the patient's request."""

from datetime import timedelta
from typing import Any, get_args

import pytest

from consumers.api import texts
from projections.access import AccessFacts, Link
from projections.folds.access_log import REVEALED
from schemas.audit import EMERGENCY, Basis, DenyReason, Detail, Purpose
from tests.unit.consumers.api.cast import ANN, NOBODY, NOW, OTHER_PHARMACY, PHARMACIST, PHARMACY
from tests.unit.consumers.api.world import World

PATH = "/v1/patients/pharmacy"
DGUID = "00000000-0000-4000-9000-000000000000"


def form(**changes: Any) -> dict[str, Any]:
    return {
        "patient": ANN,
        "dguid": DGUID,
        "motivation_type": "patient_request",
        "motivation": "asks where it was bought",
        "evidence": {"proof": "eidsigning", "reference": "592000000000"},
        **changes,
    }


async def with_line(*, linked: bool = True, days_ago: int = 10) -> World:
    world = World()
    await world.add_line(days_ago=days_ago)
    party = await world.organisation(OTHER_PHARMACY)
    link = Link("link-0001", party, "pharmacy", NOW - timedelta(days=9), NOW + timedelta(days=9))
    links = (link,) if linked else ()
    world.store.facts[await world.subject(ANN)] = AccessFacts(consent="c", links=links)
    return world


async def test_a_pharmacist_learns_the_pharmacy_of_one_line_and_nothing_else() -> None:
    world = await with_line()
    await world.add_line(days_ago=20)
    answer = await world.ask(PATH, world.pharmacist(), form())
    assert answer.status_code == 200
    told = answer.json()
    assert (told["dguid"], told["version"], told["pharmacy"]) == (DGUID, 1, PHARMACY)
    basis = {"as_of", "policy_version", "positions", "behind"}
    assert set(told) == {"dguid", "version", "pharmacy"} | basis


async def test_it_has_an_event_of_its_own_with_the_motivation_sealed() -> None:
    world = await with_line()
    await world.ask(PATH, world.pharmacist(), form())
    assert world.log.audited() == []
    (event,) = world.log.revealed()
    assert (event.decision, event.rows, event.subject) == ("permit", 1, await world.subject(ANN))
    _, key, _, value = world.log.appended[0]
    assert key == (await world.subject(ANN)).encode()
    assert b"bought" not in value
    asked = await world.asked(event)
    assert (asked.motivation_type, asked.motivation) == (
        "patient_request",
        "asks where it was bought",
    )
    assert (asked.evidence, asked.dguid) == ("eidsigning", DGUID)


async def test_without_a_link_it_is_refused_like_every_read_bad() -> None:
    world = await with_line(linked=False)
    refused = await world.ask(PATH, world.pharmacist(), form())
    unknown = await world.ask(PATH, world.pharmacist(), form(patient=NOBODY))
    assert (refused.status_code, refused.content) == (unknown.status_code, unknown.content)
    assert refused.status_code == 403
    assert [event.reason for event in world.log.revealed()] == ["no_link", "no_consent"]


@pytest.mark.parametrize("role", ["patient", "caregiver", "pharmacy"])
async def test_nobody_but_a_pharmacist_may_ask_bad(role: str) -> None:
    world = await with_line()
    answer = await world.ask(PATH, getattr(world, role)(), form())
    assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed")


@pytest.mark.parametrize("days_ago", [10, 400])
async def test_a_line_that_is_not_in_the_window_or_not_the_patients_is_not_found_bad(
    days_ago: int,
) -> None:
    world = await with_line(days_ago=days_ago)
    dguid = DGUID if days_ago == 400 else DGUID.replace("9000", "9001")
    answer = await world.ask(PATH, world.pharmacist(), form(dguid=dguid))
    assert answer.status_code == 404
    assert [event.rows for event in world.log.revealed()] == [0]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"motivation_type": "curiosity"}, "/motivation_type"),
        ({"evidence": {"proof": "eidreading"}}, "/evidence/proof"),
        ({"dguid": "x"}, "/dguid"),
        ({"patient": "1"}, "/patient"),
        ({"motivation": ""}, "/motivation"),
    ],
)
async def test_what_is_not_as_policy_asks_is_refused_before_any_decision_bad(
    changes: dict[str, Any], path: str
) -> None:
    world = await with_line()
    answer = await world.ask(PATH, world.pharmacist(), form(**changes))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == path
    assert world.log.appended == []


def test_every_word_of_a_decision_has_its_texts_in_four_languages() -> None:
    for words, table in (
        ((*get_args(Purpose), EMERGENCY, REVEALED), texts.PURPOSES),
        ((*get_args(Basis), EMERGENCY), texts.BASES),
        (get_args(DenyReason), texts.REASONS),
        (get_args(Detail), texts.DETAILS),
    ):
        for word in words:
            assert set(table[word]) == set(texts.LANGUAGES)
            assert all(table[word].values())


async def test_the_patient_finds_it_in_the_access_log_with_its_motivation() -> None:
    world = await with_line()
    await world.ask(PATH, world.pharmacist(), form())
    await world.project_accesses()
    (entry,) = (await world.ask("/v1/me/access-log", world.patient())).json()["accesses"]
    assert entry["purpose"] == REVEALED
    assert (entry["motivation"], entry["dguid"]) == ("asks where it was bought", DGUID)
    assert entry["organisation"] == OTHER_PHARMACY
    assert "at your request" in entry["sentence"]["en"]
    assert entry["reader"]["number"] == PHARMACIST
