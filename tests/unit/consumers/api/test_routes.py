"""Each address: who may use it, what it answers, and what it makes of malformed requests."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumers.api import limits
from consumers.api.limits import SECURITY_HEADERS
from projections.queries import AccessLogRow
from schemas.audit import ReaderIdentity
from schemas.sealing.facts import access_associated_data, access_keys, seal
from tests.unit.consumers.api.cast import ANN, BOB, DOCTOR, ISSUER, NOW
from tests.unit.consumers.api.mandates import granted_by, mandate_row
from tests.unit.consumers.api.world import World

TRACE_SIGNS = ("Traceback", 'File "', ".py", "psycopg", "Error(")
JSON_ROUTES = (
    "/v1/me/history",
    "/v1/mandates/history",
    "/v1/patients/history",
    "/v1/pharmacy/dispensations",
    "/v1/me/access-log",
    "/v1/me/registrations",
    "/v1/registrations",
    "/v1/receipts/search",
    "/v1/receipts/proof",
    "/v1/me/access-log/proof",
)


def _is_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"].endswith(body["code"])
    assert not any(sign in answer.text for sign in TRACE_SIGNS)


@pytest.mark.parametrize("path", JSON_ROUTES)
async def test_without_a_token_nothing_is_answered(world: World, path: str) -> None:
    answer = await world.ask(path, None, {"anything": 1})
    _is_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "no json": b"{",
    "random": bytes(range(256)),
    "bom": b"\xef\xbb\xbf{}",
    "duplicate keys": b'{"limit":1,"limit":2}',
    "nan": b'{"limit":NaN}',
    "huge number": b'{"limit":1e999}',
    "lone surrogate": b'{"cursor":"\\ud800"}',
    "nul": b'{"cursor":"\\u0000"}',
    "deep": b'{"cursor":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "array": b"[]",
    "null": b"null",
    "text": b'"x"',
    "unknown member": b'{"85000000138":1}',
    "number for text": b'{"cursor":5}',
    "text for number": b'{"limit":"5"}',
    "boolean for number": b'{"limit":true}',
    "zero": b'{"limit":0}',
    "too many": b'{"limit":100000}',
    "number for a person": b'{"patient":85000000138}',
}


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_bodies_are_a_400_bad(world: World, path: str, kind: str) -> None:
    token = world.pharmacy() if "pharmacy" in path or "receipts" in path else world.patient()
    answer = await world.ask(
        path, token, content=MALFORMED[kind], headers=[("content-type", "application/json")]
    )
    _is_problem(answer, 400)
    assert ANN not in answer.text


@pytest.mark.parametrize("path", JSON_ROUTES)
async def test_another_content_type_is_a_415_bad(world: World, path: str) -> None:
    answer = await world.ask(
        path, world.patient(), content=b"a=b", headers=[("content-type", "text/plain")]
    )
    _is_problem(answer, 415)


async def test_a_body_beyond_the_limit_is_a_413_bad(world: World) -> None:
    body = b'{"cursor":"' + b"a" * limits.MAX_BODY_BYTES + b'"}'
    headers = [("content-type", "application/json")]
    _is_problem(
        await world.ask("/v1/me/history", world.patient(), content=body, headers=headers), 413
    )


@pytest.mark.parametrize(
    "number", ["1", "85000000139", "abc", "8500000013", "85000000138850000", "8" * 32]
)
async def test_a_malformed_patient_number_is_a_400_bad(world: World, number: str) -> None:
    answer = await world.ask("/v1/patients/history", world.caregiver(), {"patient": number})
    _is_problem(answer, 400)
    assert answer.json()["errors"] == [{"path": "/patient", "code": "niss"}]
    assert number not in answer.text.replace("malformed-identifier", "") or len(number) < 2


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/v1/me/history", "caregiver"),
        ("/v1/mandates/history", "pharmacist"),
        ("/v1/patients/history", "pharmacy"),
        ("/v1/pharmacy/dispensations", "patient"),
        ("/v1/me/access-log", "caregiver"),
        ("/v1/me/registrations", "pharmacist"),
        ("/v1/receipts/search", "patient"),
    ],
)
async def test_a_role_that_has_no_business_there_is_a_403_bad(
    world: World, path: str, role: str
) -> None:
    body = {"patient": ANN} if "patients" in path else {}
    answer = await world.ask(path, getattr(world, role)(), body)
    _is_problem(answer, 403)
    assert answer.json()["code"] == "role-not-allowed"


async def test_an_unknown_address_is_a_404_problem(world: World) -> None:
    _is_problem(await world.ask("/v1/nothing", world.patient()), 404)


async def test_another_method_is_a_405_problem(world: World) -> None:
    _is_problem(await world.ask("/v1/me/history", world.patient(), method="GET"), 405)


async def test_an_unforeseen_failure_is_a_500_without_a_trace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(**_: object) -> None:
        raise ZeroDivisionError(f"secret of {ANN}")

    monkeypatch.setattr(world.store, "access_facts", fail)
    answer = await world.ask("/v1/me/history", world.patient())
    _is_problem(answer, 500)
    assert ANN not in answer.text


async def test_every_answer_carries_the_security_headers(world: World) -> None:
    for answer in (
        await world.ask("/v1/me/history", world.patient()),
        await world.ask("/v1/me/history"),
        await world.ask("/nowhere"),
        await world.ask("/livez", method="GET"),
    ):
        assert {k: answer.headers[k] for k in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "server" not in answer.headers


async def test_health_tells_what_fails(world: World) -> None:
    assert (await world.ask("/livez", method="GET")).json()["status"] == "ok"
    assert (await world.ask("/readyz", method="GET")).status_code == 200
    world.health.failing.append("access_state")
    answer = await world.ask("/readyz", method="GET")
    assert answer.status_code == 503
    assert answer.json()["failing"] == ["access_state"]


async def test_metrics_name_routes_and_no_person(world: World) -> None:
    await world.ask("/v1/patients/history", world.caregiver(), {"patient": ANN})
    text = (await world.ask("/metrics", method="GET")).text
    assert 'dpp_api_requests_total{route="/v1/patients/history",status="403"}' in text
    assert ANN not in text
    assert DOCTOR not in text


async def test_documents_and_development_tokens_are_off_by_default(world: World) -> None:
    assert (await world.ask("/docs", method="GET")).status_code == 404
    assert (await world.ask("/dev/token", body={"role": "patient"})).status_code == 404


async def _access(world: World, ce_id: str, minutes: int, **changes: Any) -> None:
    reader = await world.professional()
    secret = (await world.vault.reader_secrets([reader]))[reader]
    identity = ReaderIdentity(person=DOCTOR, name="Dr Who", token_issuer=ISSUER, token_id="t")
    bound = access_associated_data(type_="be.dpp.access.decided.v1", subject=reader, generation=1)
    row = AccessLogRow(
        ce_id=ce_id,
        event_type="be.dpp.access.decided.v1",
        subject=await world.subject(ANN),
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
        sealed_parameters=None,
        sealed_reader=seal(access_keys(secret.secret, "reader"), ce_id, bound, identity.write()),
    )
    world.store.accesses.append(replace(row, **changes))


async def test_the_access_log_tells_who_why_and_with_what_result(world: World) -> None:
    await _access(world, "a", 5)
    refused = {"decision": "deny", "reason": "excluded", "basis": None, "rows": 0}
    await _access(world, "b", 1, window_start=None, window_end=None, **refused)
    body = (await world.ask("/v1/me/access-log", world.patient())).json()
    denied, given = body["accesses"]
    assert denied["decision"] == "deny"
    assert set(denied["words"]) == {"fr", "nl", "de", "en"}
    assert "excluded" in denied["words"]["en"]
    assert given["reader"] == {"kind": "professional", "number": DOCTOR, "name": "Dr Who"}
    assert given["rows"] == 3
    assert given["window"]["end"] == "2026-03-10T12:00:00Z"
    assert world.log.audited()[0].purpose == "access_log"


async def test_the_access_log_is_paged(world: World) -> None:
    for number in range(5):
        await _access(world, f"id-{number}", number // 2)
    seen: list[str] = []
    form: dict[str, object] = {"limit": 2}
    while True:
        body = (await world.ask("/v1/me/access-log", world.patient(), form)).json()
        seen += [one["id"] for one in body["accesses"]]
        if "next" not in body:
            break
        form = {"limit": 2, "cursor": body["next"]}
    assert seen == ["id-0", "id-1", "id-2", "id-3", "id-4"]


async def test_the_overview_shows_ones_registrations_and_mandates_that_wait(world: World) -> None:
    subject, holder = await world.subject(ANN), await world.subject(BOB)
    row = mandate_row(subject, holder, accepted=False)
    await world.add_registration(row, granted_by(ANN, BOB, "Ann"))
    given = (await world.ask("/v1/me/registrations", world.patient())).json()
    assert given["registrations"][0]["party"]["number"] == BOB
    assert given["mandates_held"] == []
    held = (await world.ask("/v1/me/registrations", world.patient(BOB))).json()
    assert held["registrations"] == []
    assert held["mandates_held"][0]["state"] == "waiting"
    assert held["mandates_held"][0]["party"] == {"kind": "citizen", "number": ANN, "name": "Ann"}
    assert [event.subject for event in world.log.audited()] == [subject, holder, subject]
