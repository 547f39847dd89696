"""The way through the API: what is sent, what is believed, and what each failure means."""

import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from schemas.envelope import SEALED
from schemas.publisher import BACKBONE_KEY_PUBLISHED, BackboneKeyPublished, BackboneKeyRetired
from schemas.receipts import GapNoticed
from schemas.sealing import b64encode
from schemas.sealing.office import OfficeKeys
from streams.intake import (
    HttpTransport,
    Outbox,
    Publisher,
    SigningKey,
    TransportRefused,
    TransportUnavailable,
    WireRecord,
    connect_http,
)
from streams.intake.http_transport import _events
from streams.intake.office import publisher_record
from tests.unit.streams.intake.backbone import PHARMACY, START, FakeBackbone, visit

Handler = Callable[[httpx.Request], httpx.Response]


def through(backbone: FakeBackbone, handler: Handler | None = None) -> HttpTransport:
    client = httpx.AsyncClient(
        base_url="https://api.example.be",
        transport=httpx.MockTransport(handler or backbone.answer),
    )
    return HttpTransport(
        client,
        publisher=PHARMACY,
        signing_key=backbone.key,
        office=OfficeKeys(backbone.office.public_bytes),
    )


async def test_a_visit_goes_out_by_http_and_its_receipt_comes_back(
    backbone: FakeBackbone, key: SigningKey, outbox: Outbox
) -> None:
    async with Publisher(PHARMACY, key, outbox, through(backbone), clock=backbone.clock) as one:
        entry = await one.register(visit())
        assert (await one.flush()).sent == 1
        arrived = backbone.log[0]
        assert arrived.body == visit().write()
        assert arrived.envelope.content_type == SEALED
        assert [(x.effect, x.entry) async for x in one.receipts(follow=False)] == [
            ("answered", entry.id)
        ]


async def test_the_stream_goes_on_behind_the_last_letter(backbone: FakeBackbone) -> None:
    notice = GapNoticed(publisher=PHARMACY, epoch="e\u2028é", first=1, last=2)
    for _ in range(3):
        backbone.tell("gap_noticed", notice)
    transport = through(backbone)
    found = [letter async for letter in transport.follow("0")]
    assert [letter.cursor for letter in found] == ["1", "2"]
    assert found[0].answer == notice
    await transport.close()


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_events_are_read_however_the_bytes_are_cut(size: int) -> None:
    text = (
        b': hi\n\nid: 1\r\nevent: receipt\r\ndata: {"a":"\xe2\x80\xa8\\n"}\r\n\r\n'
        b"event: x\n\nid:2\ndata:y\n\n"
    )

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    assert [event async for event in _events(chunks())] == [
        ("receipt", "1", b'{"a":"\xe2\x80\xa8\\n"}'),
        ("", "2", b"y"),
    ]


async def test_an_event_without_end_is_not_collected_forever_bad() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65_536

    with pytest.raises(TransportUnavailable, match="without end"):
        _ = [event async for event in _events(chunks())]


async def test_the_newest_key_with_the_offices_signature_is_taken(backbone: FakeBackbone) -> None:
    assert (await through(backbone).intake_key()).key_id == "intake-1"


def _view(record: WireRecord) -> dict[str, object]:
    headers = {name: value.decode() for name, value in record.headers}
    return {"key": b64encode(record.key), "headers": headers, "value": b64encode(record.value)}


def _published(purpose: str) -> BackboneKeyPublished:
    return BackboneKeyPublished.model_validate(
        {"key_id": "k", "purpose": purpose, "public_key": "AA"}
    )


def _of_a_stranger(_office: SigningKey) -> dict[str, object]:
    return _view(publisher_record(SigningKey.generate("x"), _published("intake"), START))


def _for_another_purpose(office: SigningKey) -> dict[str, object]:
    return _view(publisher_record(office, _published("log"), START))


def _of_another_type(office: SigningKey) -> dict[str, object]:
    retired = BackboneKeyRetired(key_id="k", purpose="intake")
    return _view(publisher_record(office, retired, START))


def _altered(office: SigningKey) -> dict[str, object]:
    view = _view(publisher_record(office, _published("intake"), START))
    return {**view, "value": b64encode(_published("intake").write() + b" ")}


def _renamed(office: SigningKey) -> dict[str, object]:
    retired = BackboneKeyRetired(key_id="k", purpose="intake")
    view = _view(publisher_record(office, retired, START))
    assert isinstance(view["headers"], dict)
    return {**view, "headers": {**view["headers"], "ce_type": BACKBONE_KEY_PUBLISHED}}


def _no_base64(office: SigningKey) -> dict[str, object]:
    return {**_of_another_type(office), "value": "%%%"}


@pytest.mark.parametrize(
    "forge",
    [_of_a_stranger, _for_another_purpose, _of_another_type, _altered, _renamed, _no_base64],
)
async def test_no_other_key_is_believed_bad(
    backbone: FakeBackbone, forge: Callable[[SigningKey], dict[str, object]]
) -> None:
    answer = httpx.Response(200, json={"keys": [forge(backbone.office)]})
    with pytest.raises(TransportRefused, match="office has signed") as refused:
        await through(backbone, lambda _: answer).intake_key()
    assert refused.value.code == "no-intake-key"


@pytest.mark.parametrize("status", [301, 408, 429, 500, 502, 503])
async def test_trouble_that_passes_is_to_be_tried_again(
    backbone: FakeBackbone, status: int
) -> None:
    with pytest.raises(TransportUnavailable, match=f"status {status}"):
        await through(backbone, lambda _: httpx.Response(status)).receipts(None)


async def test_an_answer_of_somebody_else_is_no_acknowledgement(backbone: FakeBackbone) -> None:
    portal = httpx.Response(200, text="<html>Welcome to our network</html>")
    with pytest.raises(TransportUnavailable, match="not the API's"):
        await through(backbone, lambda _: portal).submit(backbone.intake_record())


async def test_a_broken_connection_is_to_be_tried_again(backbone: FakeBackbone) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    transport = through(backbone, broken)
    with pytest.raises(TransportUnavailable, match="ConnectError"):
        await transport.receipts(None)
    with pytest.raises(TransportUnavailable, match="ConnectError"):
        await anext(transport.follow(None))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b'{"code": "unauthenticated"}', "unauthenticated"),
        (403, b'{"code": "not-your-record"}', "not-your-record"),
        (400, b"<html>", "unknown"),
        (413, json.dumps({"code": "x\n" * 9}).encode(), "unknown"),
    ],
)
async def test_a_refusal_names_its_code_and_what_to_do_bad(
    backbone: FakeBackbone, status: int, body: bytes, code: str
) -> None:
    transport = through(backbone, lambda _: httpx.Response(status, content=body))
    with pytest.raises(TransportRefused, match=str(status)) as refused:
        await transport.submit(backbone.intake_record())
    assert refused.value.code == code
    with pytest.raises(TransportRefused):
        await anext(transport.follow(None))


@pytest.mark.parametrize("office", ["", "AAAA", "not base64!"])
def test_an_office_key_that_is_none_is_refused_at_once_bad(key: SigningKey, office: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        connect_http("https://api.example.be", PHARMACY, key, office_public_key=office)
