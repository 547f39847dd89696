"""Submissions, sessions, intake keys and receipts for publishers that speak HTTP."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from consumers.api import receipts
from consumers.api.registrar import NoIntakeKey, SessionRegistrar
from projections.quality_queries import ReceiptRow
from schemas.dispensation import MAX_SUBMISSION_BYTES, REGISTER
from schemas.publisher import BackboneKeyPublished
from schemas.receipts import GAP_NOTICED, RECEIPT
from schemas.sealing.office import OfficeKeys
from schemas.sealing.submission import unseal
from schemas.topics import DISPENSATION_SUBMITTED, PUBLISHER_SESSIONS, SUBJECT_SUBMITTED
from streams.intake.http_transport import HttpTransport
from streams.intake.session import (
    Attributes,
    Session,
    WireRecord,
    open_session,
    seal_submission,
)
from streams.intake.tokens import publisher_token
from tests.unit.consumers.api.cast import NOW, OTHER_PHARMACY, PHARMACY
from tests.unit.consumers.api.world import World

BODY = b'{"sguid":"1"}'


def _session(world: World) -> tuple[Session, WireRecord]:
    fact = BackboneKeyPublished.read(world.publish_intake_key().value)
    return open_session(PHARMACY, world.publisher_key, fact, NOW)


def _sealed(session: Session) -> WireRecord:
    attributes = Attributes(id="1", type=REGISTER, time=NOW, sequence=1, epoch="e1")
    return seal_submission(session, PHARMACY, attributes, BODY)


@pytest.fixture
async def transport(world: World) -> AsyncIterator[HttpTransport]:
    """The publisher SDK's own way through the API."""
    asgi = httpx.ASGITransport(app=world.app)
    client = httpx.AsyncClient(transport=asgi, base_url="http://api.test")
    made = HttpTransport(
        client,
        publisher=PHARMACY,
        signing_key=world.publisher_key,
        office=OfficeKeys(world.office.public_bytes),
        clock=lambda: NOW,
    )
    yield made
    await made.close()


async def test_the_sdk_verifies_the_intake_key_that_the_api_hands_out(
    world: World, transport: HttpTransport
) -> None:
    record = world.publish_intake_key()
    assert await transport.intake_key() == BackboneKeyPublished.read(record.value)


async def test_a_submission_reaches_the_log_byte_for_byte(
    world: World, transport: HttpTransport
) -> None:
    session, opened = _session(world)
    record = _sealed(session)
    assert (await transport.open_session(opened)).offset == 0
    place = await transport.submit(record)
    assert place.partition == world.log.partition_of("", PHARMACY.encode())
    (topic, key, headers, value), (topic2, key2, headers2, value2) = world.log.appended
    assert (topic, key, value) == (PUBLISHER_SESSIONS.name, session.id.encode(), opened.value)
    assert dict(headers) == dict(opened.headers)
    assert (topic2, key2, value2) == (
        DISPENSATION_SUBMITTED.name,
        PHARMACY.encode(),
        record.value,
    )
    assert sorted(headers2) == sorted(record.headers)
    assert unseal(session.key, key2, headers2, value2) == BODY


def _token(world: World) -> str:
    return publisher_token(PHARMACY, world.publisher_key, NOW)


def _http(record: WireRecord) -> list[tuple[str, str]]:
    return [(name.replace("ce_", "ce-", 1), value.decode()) for name, value in record.headers]


async def test_another_publishers_submission_is_refused_bad(world: World) -> None:
    record = _sealed(_session(world)[0])
    headers = [(n, v.replace(PHARMACY, OTHER_PHARMACY)) for n, v in _http(record)]
    answer = await world.ask(
        "/v1/submissions", _token(world), content=record.value, headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "not-your-record")
    assert not world.log.appended


async def test_a_person_submits_nothing_bad(world: World) -> None:
    record = _sealed(_session(world)[0])
    for path in ("/v1/submissions", "/v1/publisher/sessions"):
        answer = await world.ask(
            path, world.pharmacy(), content=record.value, headers=_http(record)
        )
        assert answer.status_code in (403, 415)
    assert not world.log.appended


@pytest.mark.parametrize("name", ["ce-id", "ce-type", "ce-time", "ce-dataschema", "ce-source"])
async def test_a_missing_or_doubled_attribute_is_named_bad(world: World, name: str) -> None:
    record = _sealed(_session(world)[0])
    headers = _http(record)
    without = [(n, v) for n, v in headers if n != name]
    doubled = [*headers, *((n, v) for n, v in headers if n == name)]
    for given, code in ((without, "header_missing"), (doubled, "header_doubled")):
        answer = await world.ask(
            "/v1/submissions", _token(world), content=record.value, headers=given
        )
        assert answer.status_code == 400
        assert answer.json()["errors"] == [{"path": f"/{name}", "code": code}]


async def test_an_unsealed_or_oversize_submission_is_refused_bad(world: World) -> None:
    record = _sealed(_session(world)[0])
    plain = [(n, v if n != "content-type" else "application/json") for n, v in _http(record)]
    answer = await world.ask("/v1/submissions", _token(world), content=BODY, headers=plain)
    assert answer.status_code == 415
    large = b"x" * (MAX_SUBMISSION_BYTES + 1)
    answer = await world.ask("/v1/submissions", _token(world), content=large, headers=_http(record))
    assert answer.status_code == 413
    huge = b"x" * (5 * 1024 * 1024)
    answer = await world.ask("/v1/submissions", _token(world), content=huge, headers=_http(record))
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xfe", b'{"session":5}', b"[" * 50_000])
async def test_what_is_no_session_is_a_400_bad(world: World, body: bytes) -> None:
    _, opened = _session(world)
    answer = await world.ask(
        "/v1/publisher/sessions", _token(world), content=body, headers=_http(opened)
    )
    assert answer.status_code == 400
    assert not world.log.appended


async def test_a_session_for_another_publisher_is_refused_bad(world: World) -> None:
    _, opened = _session(world)
    body = opened.value.replace(PHARMACY.encode(), OTHER_PHARMACY.encode())
    answer = await world.ask(
        "/v1/publisher/sessions", _token(world), content=body, headers=_http(opened)
    )
    assert answer.status_code == 403


async def test_a_broker_that_is_down_is_a_503(world: World) -> None:
    world.log.down.add(DISPENSATION_SUBMITTED.name)
    record = _sealed(_session(world)[0])
    answer = await world.ask(
        "/v1/submissions", _token(world), content=record.value, headers=_http(record)
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"


def _letters(world: World, count: int) -> None:
    world.store.letters = [
        ReceiptRow(
            type=GAP_NOTICED if n % 3 == 2 else RECEIPT,
            partition=0,
            offset=2 * n,
            ce_id=f"quality/0/{n}/0",
            body=json.dumps({"outcome": "accepted", "n": n}).encode(),
        )
        for n in range(count)
    ]


async def test_receipts_and_notices_are_paged_by_cursor(world: World) -> None:
    _letters(world, 5)
    seen, after = [], None
    while True:
        form = {"limit": 2} if after is None else {"limit": 2, "after": after}
        body = (await world.ask("/v1/receipts/search", _token(world), form)).json()
        seen += [(one["kind"], one["cursor"], one["body"]["n"]) for one in body["receipts"]]
        after = body["next"]
        if not body["more"]:
            break
    assert [n for _, _, n in seen] == [0, 1, 2, 3, 4]
    assert seen[2][:2] == ("gap_noticed", "4")
    again = (await world.ask("/v1/receipts/search", _token(world), {"after": after})).json()
    assert (again["receipts"], again["next"], again["more"]) == ([], after, False)
    assert (again["as_of"], again["behind"]) == ("2026-03-10T12:00:00Z", 0)


async def test_asking_before_the_first_receipt_passes_none_over(world: World) -> None:
    body = (await world.ask("/v1/receipts/search", _token(world))).json()
    assert body["receipts"] == []
    assert "next" not in body
    _letters(world, 1)
    body = (await world.ask("/v1/receipts/search", _token(world))).json()
    assert [one["cursor"] for one in body["receipts"]] == ["0"]


async def test_the_stream_of_receipts_goes_on_behind_the_last_event(world: World) -> None:
    _letters(world, 3)
    heard: list[bytes] = []

    async def gone() -> bool:
        return len(heard) > 3

    async for chunk in receipts.stream(world.deps, PHARMACY, 0, gone):
        heard.append(chunk)  # noqa: PERF401 - `gone` looks at the list meanwhile
    events = [chunk for chunk in heard if chunk.startswith(b"id:")]
    assert events[0] == b'id: 2\nevent: receipt\ndata: {"outcome": "accepted", "n": 1}\n\n'
    assert [event.split(b"\n")[0] for event in events] == [b"id: 2", b"id: 4"]
    assert b": still here\n\n" in heard


async def test_the_stream_ends_with_the_life_of_a_token(world: World) -> None:
    async def never() -> bool:
        return False

    heard = 0
    async for _ in receipts.stream(world.deps, PHARMACY, -1, never):
        heard += 1
        world.now = NOW.replace(hour=13)
    assert heard <= 2


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 40, "é"])
async def test_a_last_event_that_never_was_is_a_400_bad(world: World, given: str) -> None:
    answer = await world.ask(
        "/v1/receipts/stream",
        _token(world),
        method="GET",
        headers=[("last-event-id", given.encode("latin-1").decode("latin-1"))]
        if given.isascii()
        else [("last-event-id", "%C3%A9")],
    )
    assert answer.status_code == 400


async def test_the_registrar_opens_one_session_and_seals_under_it(world: World) -> None:
    world.publish_intake_key()
    registrar = SessionRegistrar(
        key=world.publisher_key, log=world.log, tables=world.tables, clock=lambda: world.now
    )
    subject = "a" * 26
    for number in range(2):
        await registrar.submit(
            subject=subject, type_="be.dpp.subject.give-consent.v1", id_=f"i{number}", body=b"{}"
        )
    topics = [topic for topic, *_ in world.log.appended]
    assert topics == [PUBLISHER_SESSIONS.name, SUBJECT_SUBMITTED.name, SUBJECT_SUBMITTED.name]
    session = await registrar.session()
    _, key, headers, value = world.log.appended[1]
    assert key == subject.encode()
    assert unseal(session.key, key, headers, value) == b"{}"
    world.now = NOW.replace(day=11, hour=10)
    assert (await registrar.session()).id != session.id
    registrar.forget_session()
    assert (await registrar.session()).id


async def test_without_an_intake_key_the_registrar_says_so_bad(world: World) -> None:
    registrar = SessionRegistrar(
        key=world.publisher_key, log=world.log, tables=world.tables, clock=lambda: NOW
    )
    with pytest.raises(NoIntakeKey, match="dpp office init"):
        await registrar.session()
