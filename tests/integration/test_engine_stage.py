"""A whole stage on the real broker: group membership, group offsets, hostile records, failures."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.kafka import BrokerUnavailable, connection_options, consumer, producer
from infra.settings import Settings
from infra.topics import apply
from schemas import deadletter
from schemas.keyvault import VaultUnavailable
from schemas.topics import FOREVER, Topic
from streams.engine import transport
from streams.engine.app import Workers, run_stage
from streams.engine.failure import EXIT_CODE, FatalStageError
from streams.engine.health import Health
from streams.engine.outputs import source_position
from streams.engine.stage import Output, Submission
from streams.engine.transport import BatchConsumer
from tests.support.engine_stage import CountingStage, Counts, good
from tests.support.engine_world import (
    LARGEST,
    incompressible,
    new_stage,
    read_to_end,
    require_exact,
    submit,
    submit_odd_header,
    watching,
)

pytestmark = pytest.mark.integration


@asynccontextmanager
async def _running(
    settings: Settings, stage: CountingStage, health: Health | None = None
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_stage(settings, stage, stop=stop, health=health))
    try:
        yield
    finally:
        stop.set()
        await task


async def _answered(settings: Settings, stage: CountingStage, count: int) -> None:
    """Runs the stage until `count` submissions are answered."""
    async with watching(settings, stage) as watch, _running(settings, stage):
        await watch.until(count)


async def _set_group_offset(settings: Settings, stage: CountingStage, offset: int) -> None:
    one = TopicPartition(stage.submitted, 0)
    client = consumer(settings, group=f"dpp-{stage.name}")
    await client.start()
    try:
        client.assign([one])
        await client.commit({one: offset})
    finally:
        await client.stop()


@pytest.mark.parametrize("offset", [0, 47, 1_000], ids=lambda at: f"at {at}")
async def test_the_position_in_the_outputs_wins_over_the_group_offset(
    settings: Settings, offset: int
) -> None:
    stage = await new_stage(settings)
    await submit(settings, stage, range(40))
    await _answered(settings, stage, 40)
    await submit(settings, stage, range(40, 60))
    await _set_group_offset(settings, stage, offset)
    await _answered(settings, stage, 60)
    assert await require_exact(settings, stage) == 60


async def test_hostile_records_are_answered_and_good_ones_between_them_pass(
    settings: Settings,
) -> None:
    stage = await new_stage(settings)
    large = incompressible(5_000_000)
    hostile: list[tuple[bytes | None, bytes | None]] = [
        (b"k", b"\xff\xfe"),
        (b"k", b"{"),
        (b"k", None),
        (b"k", large),
        (None, good(1)),
        (None, large),
        (b"", b""),
        (b"\xff" * 200_000, b"{"),
        (b"k" * 200_000, None),
    ]
    async with producer(settings, max_request_size=LARGEST) as sending:
        for place, (key, value) in enumerate(hostile):
            await sending.send(stage.submitted, value, key=key, partition=0)
            await submit_odd_header(settings, stage, b"\xff\xfe\x00\xed")
            await sending.send(stage.submitted, good(place), key=b"k", partition=0)
    await _answered(settings, stage, 3 * len(hostile))
    assert await require_exact(settings, stage) == 3 * len(hostile)
    accepted = [
        record
        for record in (await read_to_end(settings, stage.receipts))[0]
        if json.loads(record.value or b"")["outcome"] == "accepted"
    ]
    assert len(accepted) == 2 * len(hostile)


async def test_a_keyless_record_with_odd_header_names_gets_its_dead_letter(
    settings: Settings,
) -> None:
    stage = await new_stage(settings)
    odd: tuple[tuple[str, bytes], ...] = (
        ("ce_sourceoffset", b"7"),
        ("dpp_sourceoffset", b"7"),
        ("\x00", b"\xff"),
        ("", b""),
    )
    async with producer(settings) as sending:
        await sending.send(stage.submitted, good(1), headers=odd, partition=0)
    await _answered(settings, stage, 1)
    (letter,) = (await read_to_end(settings, stage.letters))[0]
    assert letter.headers[:3] == (odd[0], *odd[2:])
    assert dict(letter.headers)[deadletter.SOURCE_OFFSET] == b"0"


async def test_order_is_kept_within_each_key_on_several_partitions(settings: Settings) -> None:
    stage = await new_stage(settings, 3)
    await submit(settings, stage, range(1, 1500), keys=30)
    await _answered(settings, stage, 1499)
    assert await require_exact(settings, stage) == 1499
    numbers: dict[bytes | None, list[tuple[int, int]]] = {}
    for records in (await read_to_end(settings, stage.facts)).values():
        for record in records:
            fact = json.loads(record.value or b"")
            numbers.setdefault(record.key, []).append((fact["n"], fact["count"]))
    assert len(numbers) == 30
    for facts in numbers.values():
        assert facts == sorted(facts)
        assert [count for _, count in facts] == list(range(1, len(facts) + 1))


async def test_trouble_outside_delays_but_loses_and_doubles_nothing(settings: Settings) -> None:
    troubles: list[Exception] = [VaultUnavailable("away"), BrokerUnavailable("away"), OSError()]

    async def gather(batch: Sequence[Submission]) -> None:
        assert batch
        if troubles:
            raise troubles.pop()

    stage = await new_stage(settings)
    stage = CountingStage(stage.name, gather)
    await submit(settings, stage, range(50))
    await _answered(settings, stage, 50)
    assert await require_exact(settings, stage) == 50
    assert troubles == []


async def test_a_stage_is_ready_once_its_partitions_run_and_not_after_it_stopped(
    settings: Settings,
) -> None:
    stage = await new_stage(settings, 2)
    await submit(settings, stage, range(20))
    health = Health(stage.name)
    async with watching(settings, stage) as watch:
        async with _running(settings, stage, health):
            assert not health.ready
            await watch.until(20)
            found = health.snapshot()
            assert found["ready"], found
            assert set(found["partitions"]) == {"0", "1"}
        assert not health.ready


async def test_faust_is_stopped_even_if_the_partitions_were_not_let_go_in_order(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = Workers.close

    async def close(workers: Workers[Counts, None]) -> None:
        await intact(workers)
        raise OSError("planted")

    monkeypatch.setattr(Workers, "close", close)
    stage = await new_stage(settings)
    await submit(settings, stage, range(5))
    before = asyncio.all_tasks()
    with pytest.raises(OSError, match="planted"):
        await _answered(settings, stage, 5)
    assert asyncio.all_tasks() <= before
    assert await require_exact(settings, stage) == 5


async def _answered_up_to(settings: Settings, stage: CountingStage) -> dict[int, int]:
    """One after the source offset of each partition's last receipt."""
    return {
        number: max(
            (place.offset for one in records if (place := source_position(one.headers))), default=-1
        )
        + 1
        for number, records in (await read_to_end(settings, stage.receipts)).items()
    }


async def _group_offsets(settings: Settings, stage: CountingStage, count: int) -> dict[int, int]:
    client = consumer(settings, group=f"dpp-{stage.name}")
    await client.start()
    try:
        places = [TopicPartition(stage.submitted, number) for number in range(count)]
        return {one.partition: await client.committed(one) or 0 for one in places}
    finally:
        await client.stop()


async def test_a_stop_under_load_leaves_nothing_to_redo(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_POLL_RECORDS", 50)
    batches = 0
    held, go = asyncio.Event(), asyncio.Event()

    async def gather(batch: Sequence[Submission]) -> None:
        nonlocal batches
        assert batch
        batches += 1
        if batches > 3:
            held.set()
            await go.wait()

    stage = CountingStage((await new_stage(settings, 3)).name, gather)
    decided: list[tuple[int, int]] = []
    decide = stage.decide

    def counted(state: Counts, submission: Submission, gathered: None) -> tuple[Output, ...]:
        decided.append((submission.partition, submission.offset))
        return decide(state, submission, gathered)

    monkeypatch.setattr(stage, "decide", counted)
    await submit(settings, stage, range(4_000), keys=30)
    async with watching(settings, stage) as watch:
        async with _running(settings, stage):
            await held.wait()
            go.set()
        stopped_at = await _answered_up_to(settings, stage)
        assert await _group_offsets(settings, stage, 3) == stopped_at
        assert 0 < sum(stopped_at.values()) < 4_000
        async with _running(settings, stage):
            await watch.until(4_000)
    assert len(decided) == len(set(decided)) == 4_000
    assert await require_exact(settings, stage) == 4_000


async def _make_anew(settings: Settings, stage: CountingStage) -> None:
    client = AIOKafkaAdminClient(**connection_options(settings))
    await client.start()
    try:
        await client.delete_topics([stage.submitted])
    finally:
        await client.close()
    await apply(settings, partitions=1, topics=[Topic(stage.submitted, "key", "test", FOREVER)])


async def test_a_submitted_topic_that_was_made_anew_ends_the_stage_and_nothing_is_written(
    settings: Settings,
) -> None:
    stage = await new_stage(settings)
    await submit(settings, stage, range(40))
    await _answered(settings, stage, 40)
    await _make_anew(settings, stage)
    await submit(settings, stage, range(3))
    async with asyncio.timeout(120):
        with pytest.raises(FatalStageError, match="made anew") as caught:
            await run_stage(settings, stage, stop=asyncio.Event())
    assert f"answer offset 39, but {stage.submitted} ends at 3" in str(caught.value)
    assert caught.value.exit_code == EXIT_CODE
    assert await _answered_up_to(settings, stage) == {0: 40}
    assert len((await read_to_end(settings, stage.receipts))[0]) == 40


async def test_a_consumer_that_breaks_ends_the_stage_instead_of_leaving_it_idle(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_consumer: BatchConsumer, _timeout: float) -> None:
        raise ValueError("SECRET")

    stage = await new_stage(settings)
    await submit(settings, stage, range(20))
    with monkeypatch.context() as patch:
        patch.setattr(BatchConsumer, "getmany", broken)
        async with asyncio.timeout(120):
            with pytest.raises(FatalStageError, match="lost its consumer") as caught:
                await run_stage(settings, stage, stop=asyncio.Event())
    assert "SECRET" not in str(caught.value)
    await _answered(settings, stage, 20)
    assert await require_exact(settings, stage) == 20
