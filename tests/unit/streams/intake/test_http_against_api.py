"""The HTTP transport against the API's own app: both sides mean the same bytes and attributes."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from projections.quality_queries import ReceiptRow
from schemas.receipts import RECEIPT
from schemas.sealing.office import OfficeKeys
from schemas.topics import DISPENSATION_SUBMITTED, PUBLISHER_SESSIONS
from streams.intake import (
    HttpTransport,
    Outbox,
    Publisher,
    SigningKey,
    TransportRefused,
    WireRecord,
)
from tests.unit.consumers.api.world import World
from tests.unit.streams.intake.backbone import PHARMACY, FakeBackbone, visit


@pytest.fixture
def world() -> World:
    made = World(stream_seconds=3.0)
    made.publish_intake_key()
    return made


@pytest.fixture
def key(world: World) -> SigningKey:
    return world.publisher_key


@pytest.fixture
def through(world: World, key: SigningKey) -> HttpTransport:
    return HttpTransport(
        httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="http://api.test"),
        publisher=PHARMACY,
        signing_key=key,
        office=OfficeKeys(world.office.public_bytes),
        clock=lambda: world.now,
    )


@pytest.fixture
def publisher(key: SigningKey, outbox: Outbox, through: HttpTransport, world: World) -> Publisher:
    return Publisher(PHARMACY, key, outbox, through, clock=lambda: world.now, pause=0)


def deliver(world: World, backbone: FakeBackbone) -> None:
    """What the quality stage and the projection would do with what the API appended."""
    backbone.clock.now = world.now
    for topic, record_key, headers, value in world.log.appended:
        record = WireRecord(record_key, tuple(headers), value)
        if topic == PUBLISHER_SESSIONS.name:
            backbone.open_session(record)
        else:
            assert topic == DISPENSATION_SUBMITTED.name
            assert record_key == PHARMACY.encode()
            backbone.append(record)
    world.store.letters = [
        ReceiptRow(
            type=RECEIPT, partition=0, offset=offset, ce_id=f"quality/0/{offset}/0", body=body
        )
        for offset, (_, body) in enumerate(backbone.letters)
    ]


def tick(world: World) -> None:
    """Lets time pass whenever receipts are asked for, so that a stream ends."""
    ask = world.store.receipts

    async def ticking(**wanted: Any) -> list[ReceiptRow]:
        world.now += timedelta(seconds=1)
        return await ask(**wanted)

    world.store.receipts = ticking  # type: ignore[method-assign]  # a clock that moves


async def test_seals_hold_after_the_way_through_the_api_and_receipts_settle(
    publisher: Publisher, world: World, backbone: FakeBackbone
) -> None:
    entries = [await publisher.register(visit()) for _ in range(3)]
    done = await publisher.flush()
    assert (done.sent, done.trouble) == (3, None)
    deliver(world, backbone)
    assert [arrived.body for arrived in backbone.log] == [visit().write()] * 3
    assert [arrived.sequence for arrived in backbone.log] == [1, 2, 3]
    letters = [one async for one in publisher.receipts(follow=False)]
    assert [(one.effect, one.entry) for one in letters] == [
        ("answered", entry.id) for entry in entries
    ]


async def test_the_first_receipt_of_a_partition_is_not_passed_over(
    publisher: Publisher, world: World, backbone: FakeBackbone
) -> None:
    assert [one async for one in publisher.receipts(follow=False)] == []
    await publisher.register(visit())
    await publisher.flush()
    deliver(world, backbone)
    assert [one.cursor async for one in publisher.receipts(follow=False)] == ["0"]


async def test_the_stream_is_understood_and_resumed(
    publisher: Publisher, through: HttpTransport, world: World, backbone: FakeBackbone
) -> None:
    for _ in range(3):
        await publisher.register(visit())
    await publisher.flush()
    deliver(world, backbone)
    tick(world)
    assert [letter.cursor async for letter in through.follow(None)] == ["0", "1", "2"]
    assert [letter.cursor async for letter in through.follow("1")] == ["2"]


async def test_a_broker_out_of_reach_leaves_everything_waiting(
    publisher: Publisher, world: World
) -> None:
    world.log.down.add(PUBLISHER_SESSIONS.name)
    await publisher.register(visit())
    done = await publisher.flush()
    assert (done.sent, done.waiting) == (0, 1)
    assert done.trouble is not None
    assert "503" in done.trouble


async def test_a_key_that_is_not_enrolled_is_told_so_bad(
    publisher: Publisher, world: World
) -> None:
    world.tables.keys.clear()
    await publisher.register(visit())
    with pytest.raises(TransportRefused, match="has enrolled this key") as refused:
        await publisher.flush()
    assert refused.value.code == "unauthenticated"


async def test_another_pharmacys_record_is_refused_bad(
    through: HttpTransport, world: World, backbone: FakeBackbone
) -> None:
    record = backbone.intake_record()
    with pytest.raises(TransportRefused) as refused:
        await through.open_session(record)
    assert refused.value.code == "not-your-record"


async def test_an_intake_key_of_another_office_is_not_used_bad(
    world: World, key: SigningKey, outbox: Outbox
) -> None:
    stranger = HttpTransport(
        httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="http://api.test"),
        publisher=PHARMACY,
        signing_key=key,
        office=OfficeKeys(SigningKey.generate("x").public_bytes),
        clock=lambda: world.now,
    )
    async with Publisher(PHARMACY, key, outbox, stranger, clock=lambda: world.now) as publisher:
        await publisher.register(visit())
        with pytest.raises(TransportRefused, match="office has signed"):
            await publisher.flush()
    assert world.log.appended == []
