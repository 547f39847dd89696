"""Searches of the FHIR face: same decisions, same records, same refusals as under `/v1`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from consumers.api.fhir.capability import statement
from consumers.api.fhir.resources import (
    AuditEvent,
    Bundle,
    CapabilityStatement,
    Consent,
    OperationOutcome,
)
from projections.access import AccessFacts, Exclusion, Link, Mandate
from projections.queries import AccessLogRow
from projections.registered import RegistrationRow
from schemas.audit import ACCESS_DECIDED, ReaderIdentity, RequestParameters
from schemas.registrations import Author, Party
from schemas.sealing.facts import access_associated_data, access_keys, seal
from schemas.subject import SubjectContent
from tests.unit.consumers.api.cast import (
    ANN,
    BOB,
    DOCTOR,
    ISSUER,
    NOBODY,
    NOW,
    OTHER_PHARMACY,
    PHARMACY,
)
from tests.unit.consumers.api.fhir.profiles import (
    ACCESS,
    CONSENT,
    DISPENSE,
    PATIENT_QUERY,
    E,
    faults,
)
from tests.unit.consumers.api.mandates import granted_by
from tests.unit.consumers.api.world import World

DISPENSES = "/fhir/MedicationDispense/_search"
ACCESSES = "/fhir/AuditEvent/_search"
CONSENTS = "/fhir/Consent/_search"
FORM = [("content-type", "application/x-www-form-urlencoded")]


async def search(world: World, path: str, token: str, *pairs: tuple[str, str]) -> httpx.Response:
    return await world.ask(path, token, content=urlencode(pairs).encode(), headers=FORM)


async def follow(world: World, token: str, body: dict[str, Any]) -> httpx.Response | None:
    urls = [link["url"] for link in body["link"] if link["relation"] == "next"]
    return await world.ask(urls[0], token, method="GET") if urls else None


def matches(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [e["resource"] for e in body.get("entry", ()) if e["search"]["mode"] == "match"]


async def linked(world: World, party: str, *, consent: str | None = "subject/0/1/0") -> None:
    link = Link("link-0001", party, "consultation", NOW - timedelta(days=9), NOW + timedelta(9))
    world.store.facts[await world.subject(ANN)] = AccessFacts(consent=consent, links=(link,))


async def test_a_patient_finds_their_dispenses_in_the_belgian_profile(world: World) -> None:
    await world.add_line()
    answer = await search(world, DISPENSES, world.patient())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    (found,) = matches(answer.json())
    assert faults(found, DISPENSE) == []
    assert found["subject"]["identifier"]["value"] == ANN
    assert found["performer"][0]["actor"]["identifier"]["value"] == PHARMACY
    assert Bundle.model_validate_json(answer.content).type == "searchset"


async def test_both_faces_show_the_same_lines_and_leave_the_same_record(world: World) -> None:
    for days in (3, 5, 8):
        await world.add_line(days_ago=days)
    plain = (await world.ask("/v1/me/history", world.patient())).json()
    found = (await search(world, DISPENSES, world.patient())).json()
    assert [line["dguid"] for line in plain["lines"]] == [one["id"] for one in matches(found)]
    first, second = world.log.audited()
    unlike = {"sealed_parameters", "sealed_reader"}
    assert first.model_dump(exclude=unlike) == second.model_dump(exclude=unlike)


async def test_both_faces_take_the_same_steps(world: World) -> None:
    await world.add_line()
    traces = []
    for path, content, headers in (
        (
            "/v1/patients/history",
            f'{{"patient":"{ANN}"}}'.encode(),
            [("content-type", "application/json")],
        ),
        (DISPENSES, urlencode({"patient": ANN}).encode(), FORM),
    ):
        world.trace.clear()
        await world.ask(path, world.caregiver(), content=content, headers=headers)
        traces.append([step for step in world.trace if not step.startswith("root_key")])
    assert traces[0] == traces[1]


async def test_every_page_says_on_what_it_rests(world: World) -> None:
    await world.add_line()
    world.log.end = world.positions.reached + 3
    world.positions.reached = world.log.end
    body = (await search(world, DISPENSES, world.patient())).json()
    (basis,) = body["meta"]["extension"]
    told = {one["url"] for one in basis["extension"]}
    assert told == {"asOf", "policyVersion", "behind", "position"}
    assert body["meta"]["lastUpdated"] == "2026-03-10T12:00:00Z"
    positions = [one for one in basis["extension"] if one["url"] == "position"]
    assert len(positions) == 1 + 4


async def test_behind_counts_what_the_log_has_and_the_answer_has_not(world: World) -> None:
    await world.add_line()
    world.positions.reached = world.log.end = 10
    body = (await world.ask("/v1/me/history", world.patient())).json()
    assert body["behind"] == 0


async def test_a_caregiver_sees_neither_pharmacy_nor_motivation(world: World) -> None:
    await world.add_line()
    await linked(world, await world.professional())
    pair = ("patient", f"{E}/NamingSystem/ssin|{ANN}")
    answer = await search(world, DISPENSES, world.caregiver(), pair)
    (found,) = matches(answer.json())
    assert faults(found, DISPENSE) == []
    assert PHARMACY not in answer.text
    assert "note" not in found


async def test_a_pharmacist_sees_twelve_months_without_the_dispensing_pharmacy(
    world: World,
) -> None:
    await world.add_line(days_ago=300)
    await linked(world, await world.organisation(OTHER_PHARMACY))
    answer = await search(world, DISPENSES, world.pharmacist(), ("patient", ANN))
    assert len(matches(answer.json())) == 1
    assert PHARMACY not in answer.text


async def test_a_mandate_holder_finds_the_dispenses_of_who_gave_it(world: World) -> None:
    await world.add_line()
    mandate = Mandate("m-1", await world.subject(BOB), "prescription")
    world.store.facts[await world.subject(ANN)] = AccessFacts(mandates=(mandate,))
    answer = await search(world, DISPENSES, world.patient(BOB), ("patient", ANN))
    assert [one["subject"]["identifier"]["value"] for one in matches(answer.json())] == [ANN]


async def test_unknown_unlinked_and_unconsented_look_the_same(world: World) -> None:
    await world.add_line()
    doctor = await world.professional()
    found = set()
    for kind in ("unlinked", "unconsented", "unknown"):
        world.store.facts.clear()
        if kind == "unconsented":
            await linked(world, doctor, consent=None)
        number = NOBODY if kind == "unknown" else ANN
        answer = await search(world, DISPENSES, world.caregiver(), ("patient", number))
        found.add((answer.status_code, answer.content, tuple(answer.headers.raw)))
    ((status, content, _),) = found
    assert status == 403
    outcome = OperationOutcome.model_validate_json(content)
    assert outcome.issue[0].code == "forbidden"
    assert [event.decision for event in world.log.audited()] == ["deny"] * 3


async def test_an_exclusion_holds_under_every_number_that_a_professional_has_had_bad(
    world: World,
) -> None:
    doctor = await world.professional()
    await linked(world, doctor)
    before = await world.professional(f"{DOCTOR[:8]}004")
    ann = await world.subject(ANN)
    excluded = replace(world.store.facts[ann], exclusions=(Exclusion("e", before),))
    assert (await search(world, DISPENSES, world.caregiver(), ("patient", ANN))).status_code == 200
    world.store.facts[ann] = excluded
    answer = await search(world, DISPENSES, world.caregiver(), ("patient", ANN))
    assert (answer.status_code, world.log.audited()[-1].reason) == (403, "excluded")


async def _all_pages(
    world: World, token: str, *pairs: tuple[str, str], path: str = DISPENSES
) -> list[list[str]]:
    pages = []
    answer: httpx.Response | None = await search(world, path, token, *pairs)
    while answer is not None:
        assert answer.status_code == 200, answer.text
        pages.append([one["id"] for one in matches(answer.json())])
        answer = await follow(world, token, answer.json())
    return pages


async def test_next_links_are_read_by_get_and_stay_stable_while_the_log_grows(
    world: World,
) -> None:
    world.log.end = world.positions.reached = 0
    rows = [await world.add_line(days_ago=days) for days in range(1, 6)]
    first = await search(world, DISPENSES, world.patient(), ("_count", "2"))
    await world.add_line(days_ago=3)
    seen = [one["id"] for one in matches(first.json())]
    answer = await follow(world, world.patient(), first.json())
    while answer is not None:
        seen += [one["id"] for one in matches(answer.json())]
        answer = await follow(world, world.patient(), answer.json())
    assert seen == [row.dguid for row in rows]
    assert len(world.log.audited()) == 3


async def test_the_same_link_gives_the_same_page_again(world: World) -> None:
    for days in range(1, 5):
        await world.add_line(days_ago=days)
    body = (await search(world, DISPENSES, world.patient(), ("_count", "2"))).json()
    one, two = [await follow(world, world.patient(), body) for _ in range(2)]
    assert one is not None
    assert two is not None
    assert matches(one.json()) == matches(two.json()) != []


async def test_the_oldest_come_first_when_asked_for(world: World) -> None:
    rows = [await world.add_line(days_ago=days) for days in (9, 7, 5, 3, 1)]
    pages = await _all_pages(world, world.patient(), ("_sort", "whenhandedover"), ("_count", "2"))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == [row.dguid for row in rows]


async def test_a_link_names_nobody_and_serves_its_own_reader_only(world: World) -> None:
    for days in (1, 2):
        await world.add_line(days_ago=days)
    body = (await search(world, DISPENSES, world.patient(), ("_count", "1"))).json()
    (url,) = [link["url"] for link in body["link"] if link["relation"] == "next"]
    assert ANN not in url
    assert await world.subject(ANN) not in url
    ((name, sealed),) = parse_qsl(urlsplit(url).query)
    assert name == "_page"
    other = await world.ask(url, world.patient(BOB), method="GET")
    elsewhere = await world.ask(
        "/fhir/AuditEvent?" + urlencode({"_page": sealed}), world.patient(), method="GET"
    )
    assert [other.status_code, elsewhere.status_code] == [400, 400]
    assert OperationOutcome.model_validate_json(other.content).issue[0].code == "invalid"


@pytest.mark.parametrize("page", ["", "x", "AAAA", "A" * 400, "%%%"])
async def test_a_damaged_link_is_a_400_bad(world: World, page: str) -> None:
    url = "/fhir/MedicationDispense?" + urlencode({"_page": page})
    answer = await world.ask(url, world.patient(), method="GET")
    assert answer.status_code == 400
    OperationOutcome.model_validate_json(answer.content)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", f"{DISPENSES}?patient={ANN}"),
        ("GET", f"/fhir/MedicationDispense?patient={ANN}"),
        ("GET", f"/fhir/MedicationDispense?_page=AAAA&patient={ANN}"),
    ],
)
async def test_nobody_is_named_in_an_address_bad(world: World, method: str, url: str) -> None:
    content, headers = (b"", FORM) if method == "POST" else (None, [])
    answer = await world.ask(url, world.patient(), method=method, content=content, headers=headers)
    assert answer.status_code == 400
    assert ANN not in answer.text


async def test_a_search_is_narrowed_to_a_period_and_its_record_says_so(world: World) -> None:
    rows = [await world.add_line(days_ago=days) for days in (2, 20, 40)]
    form = [("whenhandedover", "ge2026-02-10"), ("whenhandedover", "lt2026-03-05")]
    answer = await search(world, DISPENSES, world.patient(), *form)
    assert [one["id"] for one in matches(answer.json())] == [rows[1].dguid]
    assert world.log.audited()[0].rows == 1


async def test_a_period_never_widens_the_window(world: World) -> None:
    await world.add_line(days_ago=200)
    answer = await search(world, DISPENSES, world.patient(), ("whenhandedover", "ge2000"))
    assert matches(answer.json()) == []


async def test_one_line_is_found_by_its_identifier(world: World) -> None:
    rows = [await world.add_line(days_ago=days) for days in (2, 20)]
    answer = await search(world, DISPENSES, world.patient(), ("identifier", rows[1].dguid.upper()))
    assert [one["id"] for one in matches(answer.json())] == [rows[1].dguid]


async def test_dispenses_in_another_status_are_none_and_are_recorded_too(world: World) -> None:
    await world.add_line()
    answer = await search(world, DISPENSES, world.patient(), ("status", "in-progress"))
    assert matches(answer.json()) == []
    assert world.log.audited()[0].decision == "permit"


async def test_shredded_lines_are_told_as_a_remark(world: World) -> None:
    row = await world.add_line()
    await world.vault.destroy_period(row.period, NOW)
    (entry,) = (await search(world, DISPENSES, world.patient())).json()["entry"]
    assert entry["search"]["mode"] == "outcome"
    assert entry["resource"]["issue"][0]["diagnostics"] == "1"


@pytest.mark.parametrize("path", [DISPENSES, ACCESSES, CONSENTS])
async def test_refusals_are_operation_outcomes_bad(world: World, path: str) -> None:
    no_token = await world.ask(path, None, content=b"", headers=FORM)
    other_type = await world.ask(
        path, world.patient(), content=b"{}", headers=[("content-type", "text/plain")]
    )
    unknown = await search(world, path, world.patient(), ("no-such-parameter", "1"))
    role = await search(world, path, world.pharmacy())
    for answer, status in ((no_token, 401), (other_type, 415), (unknown, 400), (role, 403)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/fhir+json"
        OperationOutcome.model_validate_json(answer.content)
    assert no_token.headers["www-authenticate"] == "Bearer"


async def test_an_address_that_is_none_is_an_operation_outcome_too(world: World) -> None:
    for url, status in (("/fhir/Patient/1", 404), (DISPENSES, 405)):
        answer = await world.ask(url, world.patient(), method="GET")
        assert answer.status_code == status
        OperationOutcome.model_validate_json(answer.content)
    large = await world.ask(DISPENSES, world.patient(), content=b"a" * 70_000, headers=FORM)
    assert OperationOutcome.model_validate_json(large.content).issue[0].code == "too-long"


async def test_without_a_durable_audit_event_there_is_no_bundle(world: World) -> None:
    await world.add_line()
    world.log.down.add("dpp.access.audited")
    answer = await search(world, DISPENSES, world.patient())
    assert answer.status_code == 503
    assert OperationOutcome.model_validate_json(answer.content).issue[0].code == "transient"
    assert "Bundle" not in answer.text


async def test_a_caregiver_has_to_name_the_patient_bad(world: World) -> None:
    answer = await search(world, DISPENSES, world.caregiver())
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["http.patient"]


async def test_the_statement_of_capabilities_is_public_and_names_what_is_served(
    world: World,
) -> None:
    answer = await world.ask("/fhir/metadata", method="GET")
    told = CapabilityStatement.model_validate_json(answer.content)
    assert told == statement("1.0.0")
    assert told.fhir_version == "4.0.1"
    served = {resource.type: resource for resource in told.rest[0].resource}
    for name in served:
        answer = await search(world, f"/fhir/{name}/_search", world.patient())
        assert answer.status_code == 200
    names = {param.name for param in served["MedicationDispense"].search_param or ()}
    emergency = {"purpose", "motivation_type", "motivation"}
    others = {"patient", "whenhandedover", "status", "identifier", "_count", "_sort"}
    assert names == others | emergency
    assert all(resource.search_param != () for resource in served.values())


async def add_access(world: World, ce_id: str, minutes: int, **changes: Any) -> None:
    reader, subject = await world.professional(), await world.subject(ANN)
    secret = (await world.vault.reader_secrets([reader]))[reader]
    identity = ReaderIdentity(
        person=DOCTOR,
        organisation=PHARMACY,
        name="Dr Who",
        token_issuer=ISSUER,
        token_id="t",
    )
    bound = access_associated_data(type_=ACCESS_DECIDED, subject=reader, generation=1)
    asked = RequestParameters(endpoint=DISPENSES, motivation=None)
    row = AccessLogRow(
        ce_id=ce_id,
        event_type=ACCESS_DECIDED,
        subject=subject,
        generation=1,
        decision="permit",
        reason=None,
        basis="consent_and_link",
        basis_refs=[],
        reader=reader,
        role="caregiver",
        profession="physician",
        organisation=None,
        on_behalf_of=None,
        purpose="history",
        decided_at=NOW - timedelta(minutes=minutes),
        window_start=NOW - timedelta(days=180),
        window_end=NOW,
        policy_version="access/1",
        rows=3,
        sealed_parameters=await world.sealed(subject, ACCESS_DECIDED, ce_id, asked),
        sealed_reader=seal(access_keys(secret.secret, "reader"), ce_id, bound, identity.write()),
    )
    world.store.accesses.append(replace(row, **changes))


REFUSED = {"decision": "deny", "reason": "excluded", "basis": None, "rows": 0}


async def test_accesses_are_audit_events_in_the_basic_patterns(world: World) -> None:
    await add_access(world, "a-1", 5)
    await add_access(world, "a-2", 1, window_start=None, window_end=None, **REFUSED)
    body = (await search(world, ACCESSES, world.patient())).json()
    denied, given = matches(body)
    for one in (denied, given):
        assert faults(one, ACCESS) == []
        codes = [agent["type"]["coding"][0]["code"] for agent in one["agent"]]
        assert codes == ["110153", "110152", "IRCP", "PROV"]
        assert [agent["requestor"] for agent in one["agent"]] == [False, False, True, False]
        roles = [entity["role"]["code"] for entity in one["entity"]]
        assert roles == ["24", "1", "3"]
        assert one["entity"][0]["query"]
    assert (denied["outcome"], given["outcome"]) == ("4", "0")
    assert faults(given, PATIENT_QUERY) == []
    assert "meta" not in denied
    assert "excluded" in denied["outcomeDesc"]
    assert given["agent"][2]["who"] == {
        "identifier": {"system": f"{E}/core/NamingSystem/nihdi", "value": DOCTOR},
        "display": "Dr Who",
    }
    details = {one["type"]: one["valueString"] for one in given["entity"][2]["detail"]}
    assert details["rows"] == "3"
    assert AuditEvent.model_validate(given).recorded == NOW - timedelta(minutes=5)
    assert world.log.audited()[0].purpose == "access_log"


async def test_accesses_are_paged_by_links(world: World) -> None:
    for number in range(5):
        await add_access(world, f"id-{number}", number)
    pages = await _all_pages(world, world.patient(), ("_count", "2"), path=ACCESSES)
    assert pages == [["id-0", "id-1"], ["id-2", "id-3"], ["id-4"]]


def registration(name: str, subject: str, **changes: Any) -> RegistrationRow:
    row = RegistrationRow(
        kind="consent",
        id=f"subject/0/{len(name)}/0",
        subject=subject,
        generation=1,
        ce_id=f"subject/0/{len(name)}/0",
        event_type=f"be.dpp.subject.{name}.v1",
        recorded_at=NOW - timedelta(days=9),
        author_role="patient",
        author=subject,
        sealed="",
        party=None,
        party_kind=None,
        variety=None,
        valid_from=None,
        valid_until=None,
        accepted_at=None,
        ended_at=None,
    )
    return replace(row, **changes)


async def test_a_consent_carries_the_exclusions_in_force(world: World) -> None:
    subject = await world.subject(ANN)
    given = granted_by(ANN, ANN, "Ann").model_copy(update={"party": None})
    excluded = SubjectContent(
        author=Author(
            role="patient",
            person=Party(party_kind="citizen", number=ANN),
            token_issuer=ISSUER,
            token_id="t",
        ),
        party=Party(party_kind="professional", number=DOCTOR, name="Dr Who"),
    )
    await world.add_registration(registration("consent-given", subject), given)
    await world.add_registration(
        registration("exclusion-put", subject, kind="exclusion", party="x"), excluded
    )
    (found,) = matches((await search(world, CONSENTS, world.patient())).json())
    assert faults(found, CONSENT) == []
    assert found["status"] == "active"
    (exception,) = found["provision"]["provision"]
    assert exception["actor"][0]["reference"]["identifier"]["value"] == DOCTOR
    assert Consent.model_validate(found).provision.type == "permit"
    assert {event.purpose for event in world.log.audited()} == {"registrations"}


async def test_a_consent_that_was_withdrawn_is_inactive(world: World) -> None:
    subject = await world.subject(ANN)
    given = granted_by(ANN, ANN, "Ann").model_copy(update={"party": None})
    row = registration("consent-given", subject, ended_at=NOW - timedelta(days=1))
    await world.add_registration(row, given)
    (found,) = matches((await search(world, CONSENTS, world.patient())).json())
    assert faults(found, CONSENT) == []
    assert found["status"] == "inactive"
    assert found["provision"]["period"]["end"] == "2026-03-09T12:00:00Z"


async def test_the_limit_on_different_patients_counts_on_this_face_too() -> None:
    world = World(patients_per_hour=1)
    assert (await search(world, DISPENSES, world.caregiver(), ("patient", ANN))).status_code == 403
    answer = await search(world, DISPENSES, world.caregiver(), ("patient", BOB))
    assert answer.status_code == 429
    assert OperationOutcome.model_validate_json(answer.content).issue[0].code == "throttled"


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        ({"outcome": "4"}, "outcome"),
        ({"meta": {}}, "meta.profile"),
        ({"agent": []}, "agent#110153"),
        ({"entity": []}, "entity#2"),
    ],
)
async def test_an_access_that_breaks_the_pattern_is_named_bad(
    world: World, broken: dict[str, Any], path: str
) -> None:
    await add_access(world, "a-1", 5)
    (given,) = matches((await search(world, ACCESSES, world.patient())).json())
    assert any(fault.startswith(f"{path}:") for fault in faults(given | broken, PATIENT_QUERY))


async def test_what_the_pattern_keeps_out_of_the_query_is_found_there_bad(world: World) -> None:
    await add_access(world, "a-1", 5)
    (given,) = matches((await search(world, ACCESSES, world.patient())).json())
    given["entity"][0]["detail"] = given["entity"][2]["detail"]
    given["agent"][0].pop("network")
    told = {fault.partition(":")[0] for fault in faults(given, PATIENT_QUERY)}
    assert told == {"entity#2.detail", "agent#110153.network"}
