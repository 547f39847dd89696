"""The publisher over a network that comes and goes: nothing lost, nothing doubled, order kept."""

import asyncio
from pathlib import Path

import pytest

from schemas.dispensation import (
    CORRECT,
    REGISTER,
    REVOKE,
    CorrectBody,
    CorrectedLine,
    RegisterBody,
    RevokeBody,
)
from schemas.receipts import GapNoticed, Receipt
from streams.intake import (
    BEGINNING,
    Answered,
    Outbox,
    Publisher,
    SigningKey,
    SubmissionTooLarge,
    TransportRefused,
    TransportUnavailable,
)
from streams.intake.settling import MAX_AGAIN
from tests.unit.streams.intake.backbone import PHARMACY, FakeBackbone, FakeTransport, visit


async def heard(publisher: Publisher, after: str | None = None) -> list[Answered]:
    return [letter async for letter in publisher.receipts(after, follow=False)]


def numbers(backbone: FakeBackbone) -> list[int]:
    return [arrived.sequence for arrived in backbone.log]


async def test_a_registration_is_sealed_numbered_and_answered(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    entry = await publisher.register(visit())
    done = await publisher.flush()
    assert (done.sent, done.waiting, done.trouble) == (1, 0, None)
    arrived = backbone.log[0]
    assert arrived.body is not None
    assert RegisterBody.read(arrived.body) == visit()
    assert (arrived.envelope.id, arrived.envelope.type) == (entry.id, REGISTER)
    [letter] = await heard(publisher)
    assert (letter.effect, letter.entry) == ("answered", entry.id)
    assert (await publisher.status()).answered == 1


async def test_corrections_and_revocations_take_the_same_way(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    first = visit()
    line = CorrectedLine(
        **first.lines[0].model_dump(exclude={"product"}), replaces=1, product=first.lines[0].product
    )
    await publisher.register(first)
    await publisher.correct(
        CorrectBody(
            sguid=first.sguid, patient=first.patient, delivered_at=first.delivered_at, lines=(line,)
        )
    )
    await publisher.revoke(
        RevokeBody(sguid=first.sguid, patient=first.patient, dguid=line.dguid, replaces=2)
    )
    await publisher.flush()
    assert [arrived.envelope.type for arrived in backbone.log] == [REGISTER, CORRECT, REVOKE]
    assert numbers(backbone) == [1, 2, 3]


async def test_what_is_registered_offline_waits_and_goes_out_in_order(
    publisher: Publisher, transport: FakeTransport, backbone: FakeBackbone
) -> None:
    transport.down = True
    for _ in range(150):
        await publisher.register(visit())
    done = await publisher.flush()
    assert (done.sent, done.waiting) == (0, 150)
    assert done.trouble is not None
    backbone.clock.advance(hours=30)
    assert (await publisher.status()).oldest_unanswered is not None
    transport.down = False
    assert (await publisher.flush()).sent == 150
    assert numbers(backbone) == list(range(1, 151))
    assert {letter.effect for letter in await heard(publisher)} == {"answered"}


async def test_a_short_outage_is_bridged_within_one_flush(
    publisher: Publisher, transport: FakeTransport, backbone: FakeBackbone
) -> None:
    for _ in range(3):
        await publisher.register(visit())
    transport.faults.extend(["down", "down", None, "down"])
    assert (await publisher.flush()).sent == 3
    assert numbers(backbone) == [1, 2, 3]


async def test_a_longer_outage_leaves_the_rest_for_the_next_flush(
    publisher: Publisher, transport: FakeTransport, backbone: FakeBackbone
) -> None:
    for _ in range(3):
        await publisher.register(visit())
    transport.faults.extend([None, *["down"] * 4])  # type: ignore[list-item]  # literals in a list
    done = await publisher.flush()
    assert (done.sent, done.waiting) == (1, 2)
    assert (await publisher.flush()).sent == 2
    assert numbers(backbone) == [1, 2, 3]


async def test_a_lost_acknowledgement_makes_a_duplicate_with_the_same_id_and_number(
    publisher: Publisher, transport: FakeTransport, backbone: FakeBackbone
) -> None:
    entry = await publisher.register(visit())
    await publisher.register(visit("1" * 8))
    transport.faults.append("ack_lost")
    assert (await publisher.flush()).sent == 2
    assert numbers(backbone) == [1, 1, 2]
    first, copy, _ = backbone.log
    assert first.record == copy.record
    effects = [(one.effect, one.entry) for one in await heard(publisher)]
    assert effects[:2] == [("answered", entry.id), ("repeated", entry.id)]
    outcomes = [Receipt.read(body).outcome for _, body in backbone.letters]
    assert outcomes == ["accepted", "duplicate", "accepted"]


async def test_after_a_crash_the_unacknowledged_goes_out_again_as_a_duplicate(
    tmp_path: Path, key: SigningKey, backbone: FakeBackbone
) -> None:
    path = tmp_path / "crashing"
    before = FakeTransport(backbone)
    before.faults.extend(["ack_lost"] * 4)
    crashed = Publisher(PHARMACY, key, Outbox(path, PHARMACY, key), before, clock=backbone.clock)
    entry = await crashed.register(visit())
    assert (await crashed.flush()).waiting == 1
    await crashed.close()
    async with Publisher(
        PHARMACY, key, Outbox(path, PHARMACY, key), FakeTransport(backbone), clock=backbone.clock
    ) as restarted:
        assert (await restarted.flush()).sent == 1
        assert {arrived.envelope.id for arrived in backbone.log} == {entry.id}
        assert set(numbers(backbone)) == {1}
        assert len(backbone.sessions) == 2
        [first, *copies] = await heard(restarted)
        assert first.effect == "answered"
        assert {one.effect for one in copies} == {"repeated"}


async def test_a_receipt_settles_what_was_never_acknowledged(
    publisher: Publisher, transport: FakeTransport
) -> None:
    await publisher.register(visit())
    transport.faults.extend(["ack_lost"] * 4)
    await publisher.flush()
    await heard(publisher)
    assert (await publisher.flush()).sent == 0
    assert (await publisher.status()).answered == 1


async def test_one_session_serves_until_shortly_before_its_end(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    for hours in (0, 8, 8, 8):
        backbone.clock.advance(hours=hours)
        await publisher.register(visit())
        await publisher.flush()
    used = [arrived.envelope.extensions["sessionid"] for arrived in backbone.log]
    assert len(set(used[:3])) == 1
    assert used[3] != used[0]
    assert {letter.effect for letter in await heard(publisher)} == {"answered"}


@pytest.mark.parametrize(
    "code", ["SESSION_UNKNOWN", "SESSION_EXPIRED", "SEAL_BROKEN", "UNDECIDABLE"]
)
async def test_a_refusal_that_a_new_session_cures_is_cured_without_anybody(
    publisher: Publisher, backbone: FakeBackbone, code: str
) -> None:
    entry = await publisher.register(visit())
    backbone.refusals.append(code)
    await publisher.flush()
    assert [one.effect for one in await heard(publisher)] == ["sent_again"]
    assert (await publisher.flush()).sent == 1
    assert numbers(backbone) == [1, 1]
    assert len(backbone.sessions) == 2
    assert [(one.effect, one.entry) for one in await heard(publisher)] == [("answered", entry.id)]


async def test_a_refusal_that_does_not_pass_is_held_in_the_end(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    await publisher.register(visit())
    backbone.refusals.extend(["SESSION_EXPIRED"] * (MAX_AGAIN + 1))
    effects: list[str] = []
    while (await publisher.flush()).sent:
        effects += [one.effect for one in await heard(publisher)]
    assert effects == ["sent_again"] * MAX_AGAIN + ["held"]


async def test_what_only_a_person_can_cure_is_held_with_its_number_until_released(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    await publisher.register(visit())
    backbone.refusals.append("CONTRACT_NOT_VALID")
    await publisher.flush()
    assert [one.effect for one in await heard(publisher)] == ["held"]
    assert (await publisher.flush()).sent == 0
    assert (await publisher.status()).held == 1
    assert await publisher.release() == 1
    assert (await publisher.flush()).sent == 1
    assert numbers(backbone) == [1, 1]
    assert [one.effect for one in await heard(publisher)] == ["answered"]


async def test_a_refusal_that_overtakes_its_acknowledgement_is_not_forgotten(
    publisher: Publisher, backbone: FakeBackbone, transport: FakeTransport
) -> None:
    await publisher.register(visit())
    backbone.refusals.append("SESSION_EXPIRED")
    submit = transport.submit
    effects: list[str] = []

    async def slow(record: object) -> object:
        place = await submit(record)  # type: ignore[arg-type]  # passed on as it came
        effects.extend([one.effect for one in await heard(publisher)])
        return place

    transport.submit = slow  # type: ignore[method-assign,assignment]  # the receipt is quicker
    assert (await publisher.flush()).sent == 2
    assert effects == ["unknown", "answered"]


async def test_content_that_was_refused_is_answered_and_not_sent_again(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    await publisher.register(visit())
    backbone.rejections.append("NISS_INVALID")
    await publisher.flush()
    [letter] = await heard(publisher)
    assert letter.effect == "answered"
    assert isinstance(letter.answer, Receipt)
    assert letter.answer.issues[0].code == "NISS_INVALID"
    assert (await publisher.flush()).sent == 0


async def test_flushes_at_the_same_time_take_turns_and_send_everything_once(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    for _ in range(20):
        await publisher.register(visit())
    done = await asyncio.gather(*(publisher.flush() for _ in range(4)))
    assert sum(one.sent for one in done) == 20
    assert numbers(backbone) == list(range(1, 21))


async def test_registering_and_flushing_at_the_same_time_keeps_the_order(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    async def counter() -> None:
        for _ in range(10):
            await publisher.register(visit())

    await asyncio.gather(counter(), counter(), publisher.flush(), counter())
    await publisher.flush()
    assert numbers(backbone) == list(range(1, 31))


@pytest.mark.parametrize("body", [visit(lines=101), visit(lines=30, text="é" * 900)])
async def test_a_body_that_no_submission_can_hold_is_refused_before_it_is_numbered_bad(
    publisher: Publisher, body: RegisterBody
) -> None:
    with pytest.raises(SubmissionTooLarge, match="split it"):
        await publisher.register(body)
    assert (await publisher.register(visit())).sequence == 1


async def test_letters_are_given_again_until_the_next_one_is_asked_for(
    publisher: Publisher,
) -> None:
    for _ in range(5):
        await publisher.register(visit())
    await publisher.flush()
    letters = publisher.receipts(follow=False)
    first = await anext(letters)
    second = await anext(letters)
    await letters.aclose()
    again = await heard(publisher)
    assert [one.cursor for one in (first, second)] == ["0", "1"]
    assert [one.cursor for one in again] == ["1", "2", "3", "4"]
    assert again[0].effect == "answered"
    assert await heard(publisher) == []


async def test_an_own_cursor_leaves_the_kept_place_alone(publisher: Publisher) -> None:
    for _ in range(4):
        await publisher.register(visit())
    await publisher.flush()
    assert [one.cursor for one in await heard(publisher, BEGINNING)] == ["0", "1", "2", "3"]
    assert [one.cursor for one in await heard(publisher, "2")] == ["3"]
    assert len(await heard(publisher)) == 4


async def test_following_outlives_an_outage_and_hears_notices(
    publisher: Publisher, backbone: FakeBackbone, transport: FakeTransport
) -> None:
    notice = GapNoticed(publisher=PHARMACY, epoch="e", first=1, last=2)
    letters = publisher.receipts()
    await publisher.register(visit())
    await publisher.flush()
    assert (await anext(letters)).effect == "answered"
    tries = 0
    receipts = transport.receipts

    async def flaky(after: str | None) -> object:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise TransportUnavailable("The backbone does not answer (test).")
        return await receipts(after)

    transport.receipts = flaky  # type: ignore[method-assign,assignment]  # an outage
    backbone.tell("gap_noticed", notice)
    backbone.tell("something_newer", notice)
    backbone.tell("gap_noticed", notice)
    heard_notices = [await anext(letters), await anext(letters)]
    await letters.aclose()
    assert [one.effect for one in heard_notices] == ["notice", "notice"]
    assert heard_notices[1].answer == notice


async def test_without_following_an_outage_is_told(
    publisher: Publisher, transport: FakeTransport
) -> None:
    transport.down = True
    with pytest.raises(TransportUnavailable):
        await heard(publisher)


async def test_receipts_of_other_software_of_the_pharmacy_touch_nothing(
    publisher: Publisher, backbone: FakeBackbone, tmp_path: Path, key: SigningKey
) -> None:
    async with Publisher(
        PHARMACY,
        key,
        Outbox(tmp_path / "second", PHARMACY, key),
        FakeTransport(backbone),
        clock=backbone.clock,
    ) as other:
        await other.register(visit())
        await other.flush()
    await publisher.register(visit())
    assert [one.effect for one in await heard(publisher)] == ["unknown"]
    assert (await publisher.status()).waiting == 1


async def test_a_refusal_of_the_transport_is_raised_and_loses_nothing(
    publisher: Publisher, transport: FakeTransport
) -> None:
    async def refuse() -> None:
        raise TransportRefused("unauthenticated", "The key is not enrolled (test).")

    transport.intake_key = refuse  # type: ignore[method-assign,assignment]  # not enrolled yet
    await publisher.register(visit())
    with pytest.raises(TransportRefused, match="not enrolled"):
        await publisher.flush()
    assert (await publisher.status()).waiting == 1


async def test_closing_closes_what_was_taken_over(
    publisher: Publisher, transport: FakeTransport
) -> None:
    async with publisher:
        pass
    assert transport.closed
