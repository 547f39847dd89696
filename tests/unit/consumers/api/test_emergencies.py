"""Histories in an emergency: what is demanded, recorded, answered, and told to the patient."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.api import texts
from projections.access import AccessFacts, Exclusion, Link, window_start
from schemas.policy import EmergencyRule, baseline
from tests.unit.consumers.api.cast import ANN, CNK, DOCTOR, NOBODY, NOW
from tests.unit.consumers.api.world import World

PATH = "/v1/patients/emergency"
GUIDE = Path(__file__).parents[4] / "docs" / "readers" / "reading.md"


def form(**changes: Any) -> dict[str, Any]:
    plain = {
        "patient": ANN,
        "motivation_type": "vital_interest",
        "motivation": "unconscious after a fall",
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not None}


async def consented(*, opened: bool = True, **facts: Any) -> World:
    world = World()
    if opened:
        world.open_emergencies()
    await world.add_line(days_ago=10)
    await world.add_line(days_ago=150)
    world.store.facts[await world.subject(ANN)] = AccessFacts(**{"consent": "c", **facts})
    return world


async def test_a_caregiver_without_a_link_sees_the_fields_and_the_window_of_the_policy() -> None:
    world = await consented()
    answer = await world.ask(PATH, world.caregiver(), form())
    assert answer.status_code == 200
    told = answer.json()
    (line,) = told["lines"]
    assert line["product"]["cnk"] == CNK
    assert {"posology", "pharmacy", "units", "motivation"} & set(line) == set()
    assert told["window"]["start"] == window_start(NOW, 3).isoformat().replace("+00:00", "Z")
    assert told["policy_version"] == "access/9"
    assert {one["projection"] for one in told["positions"]} == {"access_state", "history"}


async def test_it_has_an_event_and_a_basis_of_its_own_with_the_motivation_sealed() -> None:
    world = await consented()
    await world.ask(PATH, world.caregiver(), form())
    assert world.log.audited() == []
    (event,) = world.log.emergencies()
    assert (event.decision, event.basis, event.purpose) == ("permit", "emergency", "emergency")
    assert (event.basis_refs, event.rows, event.role) == (("c",), 1, "caregiver")
    _, key, _, value = world.log.appended[0]
    assert key == (await world.subject(ANN)).encode()
    assert b"unconscious" not in value
    asked = await world.asked(event)
    assert (asked.motivation_type, asked.motivation) == (
        "vital_interest",
        "unconscious after a fall",
    )


async def test_without_its_record_there_is_no_answer_bad() -> None:
    world = await consented()
    world.log.down.add("dpp.access.audited")
    answer = await world.ask(PATH, world.caregiver(), form())
    assert (answer.status_code, answer.json()["code"]) == (503, "audit-unavailable")


async def test_it_waits_for_registrations_like_every_read_bad() -> None:
    world = await consented()
    world.log.end = 8
    answer = await world.ask(PATH, world.caregiver(), form())
    assert (answer.status_code, answer.json()["code"]) == (503, "position-timeout")
    assert world.log.appended == []


async def test_unknown_excluded_and_unconsented_are_refused_alike_and_recorded_bad() -> None:
    world = await consented()
    doctor, ann = await world.professional(), await world.subject(ANN)
    link = Link("link-0001", doctor, "emergency", NOW, NOW + timedelta(days=9))
    answers = [await world.ask(PATH, world.caregiver(), form(patient=NOBODY))]
    for facts in (
        AccessFacts(consent="c", exclusions=(Exclusion("e", doctor),)),
        AccessFacts(links=(link,)),
        AccessFacts(consent="c", death="death-01"),
    ):
        world.store.facts[ann] = facts
        answers.append(await world.ask(PATH, world.caregiver(), form()))
    assert {(one.status_code, one.content) for one in answers} == {(403, answers[0].content)}
    assert answers[0].json()["code"] == "access-refused"
    told = [(one.decision, one.reason, one.basis) for one in world.log.emergencies()]
    assert told == [
        ("deny", "no_consent", None),
        ("deny", "excluded", None),
        ("deny", "no_consent", None),
        ("deny", "no_consent", None),
    ]


async def test_it_is_closed_unless_policy_opens_it_and_the_attempt_is_recorded_bad() -> None:
    world = await consented(opened=False)
    answers = [await world.ask(PATH, world.caregiver(), form(patient=one)) for one in (ANN, NOBODY)]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {
        (403, "emergency-not-open")
    }
    assert [one.reason for one in world.log.emergencies()] == ["role_not_allowed"] * 2


async def test_a_profession_that_may_not_declare_one_is_told_so_of_every_patient_bad() -> None:
    world = await consented()
    nurse = world.token("caregiver", nihdi=DOCTOR, profession="nurse")
    answers = [await world.ask(PATH, nurse, form(patient=one)) for one in (ANN, NOBODY)]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {
        (403, "profession-not-allowed")
    }
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("role", ["patient", "pharmacist", "pharmacy"])
async def test_nobody_but_a_caregiver_may_ask_bad(role: str) -> None:
    world = await consented()
    answer = await world.ask(PATH, getattr(world, role)(), form())
    assert (answer.status_code, answer.json()["code"]) == (403, "role-not-allowed")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"motivation": None}, "/motivation"),
        ({"motivation": ""}, "/motivation"),
        ({"motivation_type": None}, "/motivation_type"),
        ({"motivation_type": "curiosity"}, "/motivation_type"),
        ({"patient": "1"}, "/patient"),
    ],
)
async def test_without_a_motivation_as_policy_asks_nothing_is_decided_bad(
    changes: dict[str, Any], path: str
) -> None:
    world = await consented()
    answer = await world.ask(PATH, world.caregiver(), form(**changes))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == path
    assert world.log.appended == []


async def test_each_page_is_decided_and_recorded_anew_and_its_cursor_serves_no_other_read() -> None:
    world = await consented()
    await world.add_line(days_ago=20)
    first = (await world.ask(PATH, world.caregiver(), form(limit=1))).json()
    second = await world.ask(PATH, world.caregiver(), form(limit=1, cursor=first["next"]))
    assert second.status_code == 200
    assert [one.rows for one in world.log.emergencies()] == [1, 1]
    link = Link("link-0001", await world.professional(), "gmd", NOW, NOW + timedelta(days=9))
    world.store.facts[await world.subject(ANN)] = AccessFacts(consent="c", links=(link,))
    asked = {"patient": ANN, "limit": 1, "cursor": first["next"]}
    other = await world.ask("/v1/patients/history", world.caregiver(), asked)
    assert (other.status_code, other.json()["code"]) == (400, "malformed-cursor")


async def test_the_patient_reads_it_in_plain_words_in_four_languages() -> None:
    world = await consented()
    await world.ask(PATH, world.caregiver(), form())
    world.store.facts[await world.subject(ANN)] = AccessFacts()
    await world.ask(PATH, world.caregiver(), form())
    await world.project_accesses()
    entries = (await world.ask("/v1/me/access-log", world.patient())).json()["accesses"]
    granted, refused = sorted(entries, key=lambda one: one["id"])
    assert (granted["purpose"], granted["basis"]) == ("emergency", "emergency")
    assert granted["motivation"] == refused["motivation"] == "unconscious after a fall"
    assert refused["decision"] == "deny"
    for language, word in {"fr": "urgence", "nl": "noodgeval", "de": "Notfall"}.items():
        assert granted["words"][language] == texts.BASES["emergency"][language]
        assert word in granted["sentence"][language]
        assert word in refused["sentence"][language]
    assert "emergency that the caregiver declared" in granted["sentence"]["en"]
    assert granted["rows"] == 1


async def test_the_patient_finds_it_as_breaking_the_glass_among_the_audit_events() -> None:
    world = await consented()
    await world.ask(PATH, world.caregiver(), form())
    await world.project_accesses()
    found = await world.ask(
        "/fhir/AuditEvent/_search",
        world.patient(),
        content=b"",
        headers=[("Content-Type", "application/x-www-form-urlencoded")],
    )
    (entry,) = found.json()["entry"]
    (purpose,) = entry["resource"]["purposeOfEvent"]
    assert [one["code"] for one in purpose["coding"]] == ["BTG"]


async def test_a_link_declared_in_an_emergency_is_told_apart_in_the_access_log() -> None:
    world = await consented()
    doctor, ann = await world.professional(), await world.subject(ANN)
    link = Link("link-0001", doctor, "emergency", NOW, NOW + timedelta(days=9))
    world.store.facts[ann] = AccessFacts(consent="c", links=(link,))
    await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
    (event,) = world.log.audited()
    assert (event.basis, event.detail) == ("consent_and_link", "emergency")
    await world.project_accesses()
    (entry,) = (await world.ask("/v1/me/access-log", world.patient())).json()["accesses"]
    assert entry["words"] == texts.DETAILS["emergency"]


async def test_without_the_declaration_the_same_caregiver_is_refused_bad() -> None:
    world = await consented()
    asked = await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
    assert asked.status_code == 403
    assert [one.reason for one in world.log.audited()] == ["no_link"]


def test_the_guide_shows_a_rule_that_gives_what_a_caregiver_sees() -> None:
    _, _, section = GUIDE.read_text().partition("## In an emergency")
    found = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert found is not None
    rule = EmergencyRule.model_validate_json(found[1])
    as_caregiver = baseline("access").access.readers["caregiver"]
    assert (rule.window_months, rule.fields) == (as_caregiver.window_months, as_caregiver.fields)
