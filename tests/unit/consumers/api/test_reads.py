"""The order of a read, and what may be seen when it is cut short at any step."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from projections.access import AccessFacts, Exclusion, Link, Mandate
from schemas.audit import ReaderIdentity, RequestParameters, lines_digest
from schemas.keyvault import SubjectSecret
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from tests.unit.consumers.api.cast import (
    ANN,
    BOB,
    CNK,
    DOCTOR,
    NOBODY,
    NOW,
    OTHER_PHARMACY,
    PHARMACY,
    POSOLOGY,
)
from tests.unit.consumers.api.mandates import granted_by, mandate_row
from tests.unit.consumers.api.world import World

AUDIT = "append:dpp.access.audited"


async def _consented(world: World, *, party: str, excluded: bool = False) -> None:
    subject = await world.subject(ANN)
    link = Link("link-0001", party, "consultation", NOW - timedelta(days=9), NOW + timedelta(9))
    world.store.facts[subject] = AccessFacts(
        consent="subject/0/1/0",
        links=(link,),
        exclusions=(Exclusion("exclusion-1", party),) if excluded else (),
    )


async def test_a_read_takes_its_steps_in_the_one_order(world: World) -> None:
    await world.add_line()
    world.trace.clear()
    answer = await world.ask("/v1/me/history", world.patient())
    assert answer.status_code == 200
    keys = ("root_key:cursor", "root_key:index")
    steps = [step.partition(":")[0] for step in world.trace if step not in keys]
    assert [step for step in steps if step != "find_subject_secrets"] == [
        "root_key",
        "stable_ends",
        "wait",
        "access_facts",
        "history",
        "returns",
        "append",
    ]
    assert world.trace[-1] == AUDIT
    assert world.trace[0] == "root_key:pseudonym"


async def test_a_read_waits_for_the_last_stable_offset_of_the_subjects_partition(
    world: World,
) -> None:
    subject = await world.subject(ANN)
    partition = world.log.partition_of("any", subject.encode())
    world.trace.clear()
    await world.ask("/v1/me/history", world.patient())
    assert f"stable_ends:{partition}" in world.trace
    assert "wait:access_state:7" in world.trace


async def test_a_read_by_holder_waits_for_all_partitions(world: World) -> None:
    await world.ask("/v1/mandates/history", world.patient())
    assert "stable_ends:0,1,2,3" in world.trace
    assert world.trace.count("wait:access_state:7") == 4


async def test_what_is_stale_is_never_shown(world: World) -> None:
    await world.add_line()
    world.log.end = 99
    answer = await world.ask("/v1/me/history", world.patient())
    assert answer.status_code == 503
    assert answer.json()["code"] == "position-timeout"
    assert "history" not in world.trace
    assert not world.log.audited()


@pytest.mark.parametrize("failure", ["down", "stuck"])
async def test_without_a_durable_audit_event_there_is_no_answer(failure: str) -> None:
    world = World(audit_timeout=0.05)
    await world.add_line()
    getattr(world.log, failure).add("dpp.access.audited")
    answer = await world.ask("/v1/me/history", world.patient())
    assert answer.status_code == 503
    assert answer.json()["code"] == "audit-unavailable"
    assert "lines" not in answer.text
    assert POSOLOGY not in answer.text


async def test_a_broker_that_does_not_tell_its_offsets_is_a_503(world: World) -> None:
    world.log.down.add("ends")
    answer = await world.ask("/v1/me/history", world.patient())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_a_patient_sees_the_lines_with_pharmacy_product_and_posology(world: World) -> None:
    await world.add_line()
    body = (await world.ask("/v1/me/history", world.patient())).json()
    line = body["lines"][0]
    assert line["pharmacy"] == PHARMACY
    assert line["posology"] == {"text": POSOLOGY}
    assert line["product"]["cnk"] == CNK
    assert line["product"]["name_fr"] or line["product"]["name_nl"]
    assert line["product"]["pack"]
    assert body["policy_version"] == "access/3"
    assert {position["projection"] for position in body["positions"]} == {"access_state", "history"}
    assert body["as_of"] == "2026-03-10T12:00:00Z"


async def test_a_patient_sees_six_months_and_not_more(world: World) -> None:
    await world.add_line(days_ago=170)
    await world.add_line(days_ago=200)
    body = (await world.ask("/v1/me/history", world.patient())).json()
    assert len(body["lines"]) == 1


async def test_a_caregiver_with_consent_and_link_sees_neither_pharmacy_nor_motivation(
    world: World,
) -> None:
    await world.add_line()
    await _consented(world, party=await world.professional())
    answer = await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
    assert answer.status_code == 200
    assert len(answer.json()["lines"]) == 1
    assert PHARMACY not in answer.text
    assert "motivation" not in answer.text


async def test_a_pharmacist_sees_twelve_months_without_the_dispensing_pharmacy(
    world: World,
) -> None:
    await world.add_line(days_ago=300)
    await _consented(world, party=await world.organisation(OTHER_PHARMACY))
    answer = await world.ask("/v1/patients/history", world.pharmacist(), {"patient": ANN})
    assert len(answer.json()["lines"]) == 1
    assert PHARMACY not in answer.text


async def _refusals(world: World) -> dict[str, tuple[int, bytes, list[tuple[bytes, bytes]]]]:
    """Every kind of refusal of a caregiver, each in a world of its own state."""
    doctor = await world.professional()
    subject = await world.subject(ANN)
    found = {}
    for kind in ("unconsented", "unlinked", "excluded", "unknown"):
        world.store.facts.clear()
        await _consented(world, party=doctor, excluded=kind == "excluded")
        if kind == "unconsented":
            world.store.facts[subject] = replace(world.store.facts[subject], consent=None)
        if kind == "unlinked":
            world.store.facts[subject] = replace(world.store.facts[subject], links=())
        world.trace.clear()
        number = NOBODY if kind == "unknown" else ANN
        answer = await world.ask("/v1/patients/history", world.caregiver(), {"patient": number})
        found[kind] = (answer.status_code, answer.content, answer.headers.raw)
    return found


async def test_unknown_excluded_unlinked_and_unconsented_look_the_same(world: World) -> None:
    await world.add_line()
    found = await _refusals(world)
    assert len({(s, c, tuple(h)) for s, c, h in found.values()}) == 1
    assert found["excluded"][0] == 403


async def test_every_refusal_takes_the_same_steps(world: World) -> None:
    await world.add_line()
    traces = set()
    for number in (ANN, NOBODY):
        world.trace.clear()
        await world.ask("/v1/patients/history", world.caregiver(), {"patient": number})
        traces.add(tuple(step.partition(":")[0] for step in world.trace))
    assert len(traces) == 1


async def test_a_refusal_never_reads_the_subjects_rows(world: World) -> None:
    await world.add_line()
    await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
    assert await world.subject(ANN) not in world.store.asked
    assert len(world.store.asked) == 1


async def test_refusals_are_audited_with_their_reason(world: World) -> None:
    await world.add_line()
    await _refusals(world)
    reasons = [event.reason for event in world.log.audited()]
    assert reasons == ["no_consent", "no_link", "excluded", "no_consent"]
    assert all(event.rows == 0 and event.digest is None for event in world.log.audited())


async def test_a_mandate_holder_reads_the_mandator(world: World) -> None:
    await world.add_line()
    subject, holder = await world.subject(ANN), await world.subject(BOB)
    world.store.facts[subject] = AccessFacts(mandates=(Mandate("m-1", holder, "prescription"),))
    answer = await world.ask("/v1/patients/history", world.patient(BOB), {"patient": ANN})
    assert answer.json()["lines"][0]["pharmacy"] == PHARMACY
    event = world.log.audited()[0]
    assert event.on_behalf_of == subject
    assert (event.basis, event.basis_refs) == ("mandate", ("m-1",))


async def test_one_call_returns_oneself_and_all_mandators_each_audited(world: World) -> None:
    await world.add_line()
    await world.add_line(BOB)
    subject, holder = await world.subject(ANN), await world.subject(BOB)
    await world.add_registration(mandate_row(subject, holder), granted_by(ANN, BOB, "Ann"))
    world.store.facts[subject] = AccessFacts(mandates=(Mandate("m-1", holder, "prescription"),))
    answer = await world.ask("/v1/mandates/history", world.patient(BOB))
    own, other = answer.json()["people"]
    assert own["own"]
    assert own["person"]["number"] == BOB
    assert not other["own"]
    assert other["person"] == {"kind": "citizen", "number": ANN, "name": "Ann"}
    assert [len(one["history"]["lines"]) for one in (own, other)] == [1, 1]
    assert {event.subject for event in world.log.audited()} == {subject, holder}


async def test_a_mandate_that_waits_or_is_refused_shows_nobody(world: World) -> None:
    subject, holder = await world.subject(ANN), await world.subject(BOB)
    row = mandate_row(subject, holder, accepted=False)
    await world.add_registration(row, granted_by(ANN, BOB, "Ann"))
    await world.add_registration(mandate_row(subject, holder), granted_by(ANN, BOB, "Ann"))
    answer = await world.ask("/v1/mandates/history", world.patient(BOB))
    assert [one["own"] for one in answer.json()["people"]] == [True]
    denied = [event for event in world.log.audited() if event.decision == "deny"]
    assert [event.reason for event in denied] == ["no_mandate"]


async def test_the_audit_event_lets_decision_and_answer_be_derived_again(world: World) -> None:
    first, second = await world.add_line(days_ago=5), await world.add_line(days_ago=9)
    await world.ask("/v1/me/history", world.patient(), {"limit": 50})
    event = world.log.audited()[0]
    assert (event.decision, event.basis, event.role) == ("permit", "own_data", "patient")
    assert event.rows == 2
    assert event.digest == lines_digest([(second.dguid, 1), (first.dguid, 1)])
    assert event.policy_version == "access/3"
    assert len(event.positions) == 1 + 4
    assert event.decided_at == NOW


async def test_who_asked_and_what_was_asked_are_sealed(world: World) -> None:
    await world.add_line()
    await _consented(world, party=await world.professional())
    await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN, "limit": 7})
    _, _, headers, value = world.log.appended[0]
    assert DOCTOR.encode() not in value
    assert ANN.encode() not in value
    event, ce_id = world.log.audited()[0], dict(headers)["ce_id"].decode()
    reader = (await world.vault.reader_secrets([event.reader]))[event.reader]
    bound = access_associated_data(
        type_="be.dpp.access.decided.v1", subject=event.reader, generation=1
    )
    opened = unseal(access_keys(reader.secret, "reader"), ce_id, bound, event.sealed_reader)
    assert ReaderIdentity.read(opened).person == DOCTOR
    assert event.subject is not None
    assert event.sealed_parameters is not None
    secret = (await world.vault.find_subject_secrets([(event.subject, 1)]))[event.subject, 1]
    assert isinstance(secret, SubjectSecret)
    bound = access_associated_data(
        type_="be.dpp.access.decided.v1", subject=event.subject, generation=1
    )
    opened = unseal(access_keys(secret.secret, "access"), ce_id, bound, event.sealed_parameters)
    assert RequestParameters.read(opened).limit == 7


async def test_shredded_lines_are_left_out_and_counted(world: World) -> None:
    kept = await world.add_line(days_ago=5)
    gone = await world.add_line(days_ago=6)
    await world.vault.destroy_period(gone.period, NOW)
    body = (await world.ask("/v1/me/history", world.patient())).json()
    assert [line["dguid"] for line in body["lines"]] == [kept.dguid]
    assert body["unreadable"] == 1
    assert world.log.audited()[0].rows == 1


def _history_positions(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in body["positions"] if one["projection"] == "history"]


async def test_pages_follow_each_other_without_overlap_as_of_the_first(world: World) -> None:
    world.log.end = world.positions.reached = 0
    for days in range(1, 6):
        await world.add_line(days_ago=days)
    seen: list[str] = []
    body = (await world.ask("/v1/me/history", world.patient(), {"limit": 2})).json()
    pinned = _history_positions(body)
    await world.add_line(days_ago=4)
    while True:
        seen += [line["dguid"] for line in body["lines"]]
        assert _history_positions(body) == pinned
        if "next" not in body:
            break
        form = {"limit": 2, "cursor": body["next"]}
        body = (await world.ask("/v1/me/history", world.patient(), form)).json()
    assert len(seen) == len(set(seen)) == 5
    assert len(world.log.audited()) == 3


async def test_a_cursor_serves_its_own_reader_and_question_only(world: World) -> None:
    for days in range(1, 4):
        await world.add_line(days_ago=days)
        await world.add_line(BOB, days_ago=days)
    body = (await world.ask("/v1/me/history", world.patient(), {"limit": 1})).json()
    form = {"cursor": body["next"]}
    assert (await world.ask("/v1/me/history", world.patient(), form)).status_code == 200
    for path, token in (
        ("/v1/me/history", world.patient(BOB)),
        ("/v1/me/access-log", world.patient()),
    ):
        answer = await world.ask(path, token, form)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-cursor")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "A" * 400, "%%%", "é"])
async def test_a_damaged_cursor_is_a_400_bad(world: World, cursor: str) -> None:
    answer = await world.ask("/v1/me/history", world.patient(), {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-cursor")


async def test_a_pharmacy_sees_its_own_lines_and_each_patient_can_see_that(world: World) -> None:
    await world.add_line(pharmacy=PHARMACY)
    await world.add_line(BOB, pharmacy=PHARMACY, days_ago=300)
    await world.add_line(pharmacy=OTHER_PHARMACY)
    answer = await world.ask("/v1/pharmacy/dispensations", world.pharmacy())
    assert len(answer.json()["lines"]) == 2
    subjects = {event.subject for event in world.log.audited()}
    assert subjects == {None, await world.subject(ANN), await world.subject(BOB)}
    assert {event.purpose for event in world.log.audited()} == {"own_lines"}


async def test_a_profession_without_access_is_told_so_the_same_for_every_patient(
    world: World,
) -> None:
    """Nothing about a patient can be told from it: one who consented, one who died, nobody."""
    await world.add_line()
    token = world.token("caregiver", nihdi=DOCTOR, profession="astrologer")
    await _consented(world, party=await world.professional())
    subject = await world.subject(BOB)
    world.store.facts[subject] = AccessFacts(death="death-0001")
    found = set()
    for number in (ANN, BOB, NOBODY):
        answer = await world.ask("/v1/patients/history", token, {"patient": number})
        found.add((answer.status_code, answer.content))
    ((status, content),) = found
    assert (status, b"profession-not-allowed" in content) == (403, True)
    assert [event.decision for event in world.log.audited()] == ["deny"] * 3
