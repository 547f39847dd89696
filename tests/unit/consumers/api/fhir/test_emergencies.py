"""An emergency declared under `/fhir`: what `/v1` demands, records, answers and refuses."""

from typing import Any

import pytest

from consumers.api.fhir.capability import statement
from consumers.api.fhir.resources import OperationOutcome
from projections.access import AccessFacts, Exclusion
from tests.unit.consumers.api.cast import ANN, CNK, DOCTOR, NOBODY
from tests.unit.consumers.api.fhir.profiles import DISPENSE, PATIENT_QUERY, faults
from tests.unit.consumers.api.fhir.test_searches import (
    ACCESSES,
    DISPENSES,
    follow,
    matches,
    search,
)
from tests.unit.consumers.api.world import World

PLAIN = "/v1/patients/emergency"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
WHY = "unconscious after a fall"


def asked(**changes: str | None) -> list[tuple[str, str]]:
    plain: dict[str, str | None] = {
        "patient": ANN,
        "purpose": f"{REASON}|BTG",
        "motivation_type": "vital_interest",
        "motivation": WHY,
    }
    return [(name, value) for name, value in {**plain, **changes}.items() if value is not None]


async def consented(*, opened: bool = True, **facts: Any) -> World:
    world = World()
    if opened:
        world.open_emergencies()
    await world.add_line(days_ago=10)
    await world.add_line(days_ago=20)
    world.store.facts[await world.subject(ANN)] = AccessFacts(**{"consent": "c", **facts})
    return world


def code(content: bytes) -> str | None:
    (coding,) = OperationOutcome.model_validate_json(content).issue[0].details.coding or ()
    return coding.code


@pytest.mark.parametrize("purpose", [f"{REASON}|BTG", f"{REASON}|ETREAT", "BTG", "ETREAT"])
async def test_a_caregiver_without_a_link_names_the_purpose_and_the_motivation(
    purpose: str,
) -> None:
    world = await consented()
    answer = await search(world, DISPENSES, world.caregiver(), *asked(purpose=purpose))
    assert answer.status_code == 200
    found = matches(answer.json())
    assert len(found) == 2
    for one in found:
        assert faults(one, DISPENSE) == []
        assert one["medicationCodeableConcept"]["coding"][0]["code"] == CNK
        assert {"quantity", "note", "dosageInstruction"} & set(one) == set()


async def test_it_leaves_the_record_that_v1_leaves_but_for_the_address() -> None:
    world = await consented()
    await search(world, DISPENSES, world.caregiver(), *asked())
    form = {"patient": ANN, "motivation_type": "vital_interest", "motivation": WHY}
    await world.ask(PLAIN, world.caregiver(), form)
    one, other = world.log.emergencies()
    unlike = {"sealed_parameters", "sealed_reader"}
    assert one.model_dump(exclude=unlike) == other.model_dump(exclude=unlike)
    recorded = await world.asked(one)
    assert recorded.endpoint == DISPENSES
    assert (recorded.motivation_type, recorded.motivation) == ("vital_interest", WHY)


async def test_each_page_is_a_use_of_its_own_with_the_motivation_in_its_link_sealed() -> None:
    world = await consented()
    first = await search(world, DISPENSES, world.caregiver(), *asked(), ("_count", "1"))
    assert "unconscious" not in first.text
    second = await follow(world, world.caregiver(), first.json())
    assert second is not None
    assert [len(matches(one.json())) for one in (first, second)] == [1, 1]
    assert [event.rows for event in world.log.emergencies()] == [1, 1]
    assert world.log.audited() == []
    assert (await world.asked(world.log.emergencies()[0])).motivation == WHY


async def test_what_is_asked_for_narrows_an_emergency_too() -> None:
    world = await consented()
    since = ("whenhandedover", "ge2026-02-25")
    answer = await search(world, DISPENSES, world.caregiver(), *asked(), since)
    assert len(matches(answer.json())) == 1


async def test_the_patient_finds_the_purpose_with_its_motivation() -> None:
    world = await consented()
    await search(world, DISPENSES, world.caregiver(), *asked())
    await world.project_accesses()
    (event,) = matches((await search(world, ACCESSES, world.patient())).json())
    assert faults(event, PATIENT_QUERY) == []
    (asker,) = [agent for agent in event["agent"] if agent["requestor"]]
    (purpose,) = asker["purposeOfUse"]
    assert (purpose["coding"][0]["code"], purpose["text"]) == ("BTG", WHY)


async def test_it_is_closed_unless_policy_opens_it_bad() -> None:
    world = await consented(opened=False)
    answers = [
        await search(world, DISPENSES, world.caregiver(), *asked(patient=one))
        for one in (ANN, NOBODY)
    ]
    assert {(one.status_code, one.content) for one in answers} == {(403, answers[0].content)}
    assert code(answers[0].content) == "emergency-not-open"
    assert [event.reason for event in world.log.emergencies()] == ["role_not_allowed"] * 2


async def test_unknown_excluded_unconsented_and_dead_are_refused_alike_bad() -> None:
    world = await consented()
    doctor, ann = await world.professional(), await world.subject(ANN)
    answers = [await search(world, DISPENSES, world.caregiver(), *asked(patient=NOBODY))]
    for facts in (
        AccessFacts(consent="c", exclusions=(Exclusion("e", doctor),)),
        AccessFacts(),
        AccessFacts(consent="c", death="death-01"),
    ):
        world.store.facts[ann] = facts
        answers.append(await search(world, DISPENSES, world.caregiver(), *asked()))
    told = {(one.status_code, one.content, tuple(one.headers.raw)) for one in answers}
    ((status, content, _),) = told
    assert (status, code(content)) == (403, "access-refused")
    assert [event.decision for event in world.log.emergencies()] == ["deny"] * 4


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"motivation": None}, "motivation"),
        ({"motivation": ""}, "motivation"),
        ({"motivation": "a" * 129}, "motivation"),
        ({"motivation_type": None}, "motivation_type"),
        ({"motivation_type": "curiosity"}, "motivation_type"),
        ({"motivation_type": "Vital Interest"}, "motivation_type"),
        ({"purpose": "TREAT"}, "purpose"),
        ({"purpose": "urn:oid:1.2.3|BTG"}, "purpose"),
        ({"purpose": None, "motivation_type": None}, "motivation"),
        ({"purpose": None, "motivation": None}, "motivation_type"),
    ],
)
async def test_without_what_policy_asks_nothing_is_decided_bad(
    changes: dict[str, str | None], place: str
) -> None:
    world = await consented()
    answer = await search(world, DISPENSES, world.caregiver(), *asked(**changes))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == [f"http.{place}"]
    assert world.log.appended == []


@pytest.mark.parametrize("role", ["patient", "pharmacist"])
async def test_nobody_but_a_caregiver_may_declare_one_bad(role: str) -> None:
    world = await consented()
    answer = await search(world, DISPENSES, getattr(world, role)(), *asked())
    assert (answer.status_code, code(answer.content)) == (403, "role-not-allowed")
    assert world.log.appended == []


async def test_a_profession_that_may_not_declare_one_is_told_so_of_every_patient_bad() -> None:
    world = await consented()
    nurse = world.token("caregiver", nihdi=DOCTOR, profession="nurse")
    answers = [await search(world, DISPENSES, nurse, *asked(patient=one)) for one in (ANN, NOBODY)]
    assert {code(one.content) for one in answers} == {"profession-not-allowed"}
    assert answers[0].content == answers[1].content


async def test_without_its_record_there_is_no_bundle_bad() -> None:
    world = await consented()
    world.log.down.add("dpp.access.audited")
    answer = await search(world, DISPENSES, world.caregiver(), *asked())
    assert (answer.status_code, code(answer.content)) == (503, "audit-unavailable")


async def test_without_the_purpose_the_same_caregiver_is_refused_bad() -> None:
    world = await consented()
    answer = await search(world, DISPENSES, world.caregiver(), ("patient", ANN))
    assert answer.status_code == 403
    assert world.log.emergencies() == []


def test_the_statement_of_capabilities_tells_how() -> None:
    (dispenses, *_) = statement("1").rest[0].resource
    names = {one.name for one in dispenses.search_param or ()}
    assert {"purpose", "motivation_type", "motivation"} <= names
