"""One partition on a broker in memory: every submission is answered once, whatever fails."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import BrokerUnavailable, Fenced, Record
from schemas.keyvault import VaultUnavailable
from streams.engine import inbox, partition
from streams.engine.failure import FatalStageError, OrderBroken, StoreUnavailable
from streams.engine.stage import Output, Submission
from streams.engine.tables import MemoryStore
from tests.support.engine_fakes import (
    FakeBroker,
    FakeWriter,
    Fault,
    Running,
    Workbench,
    submitted,
)
from tests.support.engine_stage import CountingStage, Counts, answers, good

Bench = Workbench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with Workbench(monkeypatch) as ready:
        yield ready


def _loaded(count: int = 6) -> FakeBroker:
    return FakeBroker(submitted(good(number) for number in range(count)))


def _is_answered(broker: FakeBroker) -> bool:
    return broker.outputs == answers(CountingStage("s"), broker.records)


async def test_an_empty_batch_fences_restores_seeks_and_reports(bench: Bench) -> None:
    broker = _loaded()
    running = bench.on(broker)
    assert await running.worker.run_batch([])
    assert (broker.opened, broker.outputs) == (["dpp-s-0"], [])
    assert (running.sought, running.worker.expected) == ([0], 0)
    assert running.health.ready


async def test_a_batch_is_answered_in_one_transaction(bench: Bench) -> None:
    broker = _loaded()
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert broker.transactions == [12]
    assert running.worker.expected == 6


async def test_a_second_worker_goes_on_where_the_first_ended(bench: Bench) -> None:
    broker = _loaded()
    await bench.on(broker).worker.run_batch(broker.records[:4])
    second = bench.on(broker)
    assert await second.worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert second.sought == []


@pytest.mark.parametrize(("first", "sought"), [(3, []), (4, []), (5, [4])])
async def test_the_fetcher_is_moved_unless_it_began_early_enough(
    bench: Bench, first: int, sought: list[int]
) -> None:
    broker = _loaded()
    await bench.on(broker).worker.run_batch(broker.records[:4])
    second = bench.on(broker)
    assert await second.worker.run_batch(broker.records[first:])
    assert _is_answered(broker)
    assert second.sought == sought


async def test_what_is_fetched_again_is_passed_over(bench: Bench) -> None:
    broker = _loaded()
    running = bench.on(broker)
    for batch in (broker.records[:4], broker.records[:3], broker.records[2:], broker.records):
        assert await running.worker.run_batch(batch)
    assert _is_answered(broker)


async def test_what_the_fetcher_left_out_is_read_and_answered_first(bench: Bench) -> None:
    broker = _loaded(12)
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records[9:])
    assert _is_answered(broker)


async def test_offsets_that_hold_no_record_are_passed(bench: Bench) -> None:
    broker = FakeBroker(submitted([good(0)]) + submitted([good(1)], first=5))
    running = bench.on(broker)
    for record in broker.records:
        assert await running.worker.run_batch([record])
    assert _is_answered(broker)
    assert running.worker.expected == 6


POISON = {
    "no JSON": b"{",
    "JSON of another form": b"[]",
    "bytes that are no text": b"\xff\xfe",
    "a tombstone": None,
    "nothing": b"",
    "5 MB": b"1" * 5_000_000,
    "nested too deep": b"[" * 40_000,
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON.keys())
async def test_a_bad_submission_is_answered_and_the_next_good_one_passes(
    bench: Bench, value: bytes | None
) -> None:
    broker = FakeBroker(submitted([good(0), value, good(2)]))
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert _is_answered(broker)
    receipts = [one for one in broker.outputs if one.topic == "s.receipts"]
    assert len(receipts) == 3
    assert b"accepted" in (receipts[0].value or b"")
    assert b"accepted" not in (receipts[1].value or b"")
    assert b"accepted" in (receipts[2].value or b"")


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"k" * 100_000])
async def test_a_bad_submission_with_any_key_is_answered(bench: Bench, key: bytes | None) -> None:
    records = [
        Record("s.submitted", 0, place, 0, key, (), value)
        for place, value in enumerate((None, b"{", b"1" * 100_000))
    ]
    broker = FakeBroker([*records, *submitted([good(1)], first=3)])
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert _is_answered(broker)


async def test_the_log_of_an_undecidable_submission_holds_none_of_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broker = FakeBroker(submitted([b"SECRET"], key=b"SECRET"))
    with caplog.at_level(logging.DEBUG):
        await bench.on(broker).worker.run_batch(broker.records)
    assert "cannot be decided" in caplog.text
    assert "SECRET" not in caplog.text


class _Misbehaving(CountingStage):
    """Decides in a way that breaks the engine's rules for one key."""

    def __init__(self, outputs: tuple[Output, ...]) -> None:
        super().__init__("s")
        self._made = outputs

    def decide(self, state: Counts, submission: Submission, gathered: None) -> tuple[Output, ...]:
        if submission.value == b"odd":
            return self._made
        return super().decide(state, submission, gathered)


class _Silent(_Misbehaving):
    """Does not even reject."""

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        del submission, error_type
        return ()


HEADERS = (("ce_sourceoffset", b"1"), ("ce_sourceordinal", b"0"))
WRONG = {
    "no output": ((), "OrderBroken"),
    "no receipt": ((Output("s.recorded", None, HEADERS, None),), "OrderBroken"),
    "no position": ((Output("s.receipts", None, (), None),), "OrderBroken"),
    "too large": ((Output("s.receipts", None, HEADERS, bytes(80_000)),), "OutputTooLarge"),
}


@pytest.mark.parametrize(("outputs", "kind"), WRONG.values(), ids=WRONG.keys())
async def test_wrong_outputs_are_never_written_and_the_submission_is_rejected(
    bench: Bench, outputs: tuple[Output, ...], kind: str
) -> None:
    broker = FakeBroker(submitted([good(0), b"odd", good(2)]))
    assert await bench.on(broker, _Misbehaving(outputs)).worker.run_batch(broker.records)
    receipts = [one.value or b"" for one in broker.outputs if one.topic == "s.receipts"]
    assert kind.encode() in receipts[1]
    assert b"accepted" in receipts[2]


async def test_a_rejection_that_breaks_the_rules_ends_the_process(bench: Bench) -> None:
    broker = FakeBroker(submitted([b"odd"]))
    with pytest.raises(OrderBroken):
        await bench.on(broker, _Silent(())).worker.run_batch(broker.records)
    assert broker.outputs == []
    assert broker.closed == 1


async def test_a_chunk_with_many_outputs_becomes_several_transactions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "MAX_TRANSACTION_BYTES", 1000)
    broker = _loaded(40)
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert len(broker.transactions) > 5
    assert all(count % 2 == 0 for count in broker.transactions)


async def test_a_failure_between_two_transactions_of_a_batch_repeats_neither(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_CHUNK_RECORDS", 2)
    broker = _loaded()
    broker.faults = deque(["fine", "lost", "committed", "fine"])
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert _is_answered(broker)


@given(
    st.lists(st.sampled_from(["fine", "lost", "committed"]), max_size=12),
    st.lists(st.tuples(st.integers(0, 10), st.integers(1, 5)), max_size=8),
)
def test_whatever_writes_fail_and_whatever_is_fetched_each_submission_is_answered_once(
    faults: list[Fault], fetched: list[tuple[int, int]]
) -> None:
    values = [good(place) if place % 4 else (b"{", None)[place % 8 // 4] for place in range(12)]
    broker = FakeBroker(submitted(values))
    broker.faults = deque(faults)

    async def run(running: Running) -> None:
        for start, length in fetched:
            assert await running.worker.run_batch(broker.records[start : start + length])
        assert await running.worker.run_batch(broker.records)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inbox, "MAX_CHUNK_RECORDS", 3)
        asyncio.run(run(Workbench(patch).on(broker)))
    assert _is_answered(broker)


@pytest.mark.parametrize("fault", ["lost", "committed"])
async def test_state_of_a_failed_write_is_dropped_and_restored(bench: Bench, fault: Fault) -> None:
    broker = _loaded()
    broker.faults = deque([fault])
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert len(broker.opened) == 2
    assert broker.closed == 1


async def test_trouble_outside_stops_the_partition_shows_and_is_tried_again(bench: Bench) -> None:
    troubles: list[Exception] = [VaultUnavailable("vault"), OSError("disk"), KeyError("SECRET")]
    ready: list[bool] = []

    async def gather(batch: Sequence[Submission]) -> None:
        assert batch
        ready.append(running.health.ready)
        if troubles:
            raise troubles.pop(0)

    broker = _loaded(2)
    running = bench.on(broker, CountingStage("s", gather))
    assert await running.worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert running.health.ready
    assert ready == [True] * 4
    assert running.health.reasons == ["VaultUnavailable", "OSError", "KeyError"]


async def test_a_log_line_about_an_unforeseen_error_does_not_quote_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broker = _loaded(1)
    broker.restore_faults = deque([ValueError("SECRET")])
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert "ValueError" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_restore_that_fails_lets_go_of_its_writer(bench: Bench) -> None:
    broker = _loaded(1)
    broker.restore_faults = deque([BrokerUnavailable("down"), BrokerUnavailable("down")])
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert (len(broker.opened), broker.closed) == (3, 2)


async def test_being_fenced_while_the_partition_is_ours_ends_the_process(bench: Bench) -> None:
    broker = _loaded()
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records[:2])
    broker.faults = deque(["fenced"])
    with pytest.raises(FatalStageError, match="s/0 is written by another process") as caught:
        await running.worker.run_batch(broker.records)
    assert isinstance(caught.value.__cause__, Fenced)
    assert broker.outputs == answers(CountingStage("s"), broker.records[:2])
    assert len(broker.opened) == 1


async def test_being_fenced_while_the_group_hands_over_waits_and_leaves_the_new_owner_alone(
    bench: Bench,
) -> None:
    broker = _loaded()
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records[:2])
    broker.faults = deque(["fenced"])
    running.settled.clear()
    batch = asyncio.create_task(running.worker.run_batch(broker.records))
    await running.health.failed.wait()
    done, _ = await asyncio.wait([batch], timeout=0.05)
    assert not done
    assert len(broker.opened) == 1
    await running.worker.close()
    assert await batch is False
    assert len(broker.opened) == 1


async def test_a_partition_that_stays_after_the_handing_over_goes_on(bench: Bench) -> None:
    broker = _loaded()
    broker.faults = deque(["fenced"])
    running = bench.on(broker)
    running.settled.clear()
    batch = asyncio.create_task(running.worker.run_batch(broker.records))
    await running.health.failed.wait()
    running.settled.set()
    assert await batch
    assert _is_answered(broker)


async def test_outputs_ahead_of_the_submitted_log_end_the_process(bench: Bench) -> None:
    broker = _loaded()
    assert await bench.on(broker).worker.run_batch(broker.records)
    del broker.records[3:]
    with pytest.raises(FatalStageError, match=r"answer offset 5, but s\.submitted ends at 3"):
        await bench.on(broker).worker.run_batch([])


async def test_outputs_up_to_the_very_end_of_the_log_are_no_alarm(bench: Bench) -> None:
    broker = _loaded()
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert await bench.on(broker).worker.run_batch([])


async def test_what_retention_removed_unanswered_is_told_and_passed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broker = FakeBroker(submitted([good(0), good(1)], first=7), begin=7)
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records)
    assert "retention removed offsets 0 to 6" in caplog.text
    assert _is_answered(broker)


async def test_retention_of_what_was_answered_is_no_loss(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broker = _loaded()
    assert await bench.on(broker).worker.run_batch(broker.records)
    broker.begin = 4
    assert await bench.on(broker).worker.run_batch([])
    assert "retention" not in caplog.text


async def test_closing_ends_a_batch_under_way_which_is_then_not_answered(bench: Bench) -> None:
    broker = _loaded()
    broker.hold = asyncio.Event()
    running = bench.on(broker)
    batch = asyncio.create_task(running.worker.run_batch(broker.records))
    await broker.writing.wait()
    assert running.worker.busy
    await running.worker.close()
    assert await batch is False
    assert [running.worker.busy, running.worker.expected] == [False, None]
    assert (broker.outputs, broker.closed) == ([], 1)
    assert await running.worker.run_batch(broker.records) is False
    assert len(broker.opened) == 1


async def test_batches_of_one_partition_never_overlap(bench: Bench) -> None:
    broker = _loaded()
    running = bench.on(broker)
    parts = (broker.records[:2], broker.records[2:4], broker.records[4:])
    assert all(await asyncio.gather(*(running.worker.run_batch(part) for part in parts)))
    assert _is_answered(broker)
    assert len(broker.opened) == 1


async def test_what_queues_up_behind_a_transaction_is_the_next_one(bench: Bench) -> None:
    broker = _loaded(9)
    broker.hold = asyncio.Event()
    running = bench.on(broker)
    first = asyncio.create_task(running.worker.run_batch(broker.records[:1]))
    await broker.writing.wait()
    broker.writing.clear()
    rest = [
        asyncio.create_task(running.worker.run_batch([record])) for record in broker.records[1:]
    ]
    broker.hold.set()
    assert all(await asyncio.gather(first, *rest))
    assert broker.transactions == [2, 16]
    assert _is_answered(broker)


class _Following(CountingStage):
    """Tells when a submission is decided."""

    def __init__(self) -> None:
        super().__init__("s")
        self.decided = asyncio.Queue[int]()

    def decide(self, state: Counts, submission: Submission, gathered: None) -> tuple[Output, ...]:
        self.decided.put_nowait(submission.offset)
        return super().decide(state, submission, gathered)


async def test_one_batch_is_decided_while_the_one_before_is_committed_and_no_second(
    bench: Bench,
) -> None:
    broker = _loaded(3)
    broker.hold = asyncio.Event()
    stage = _Following()
    running = bench.on(broker, stage)
    batches = []
    for place, record in enumerate(broker.records[:2]):
        batches.append(asyncio.create_task(running.worker.run_batch([record])))
        assert await stage.decided.get() == place
        await broker.writing.wait()
    batches.append(asyncio.create_task(running.worker.run_batch(broker.records[2:])))
    for _ in range(20):
        await asyncio.sleep(0)
    assert stage.decided.empty()
    assert (broker.outputs, running.worker.expected) == ([], 0)
    broker.hold.set()
    assert all(await asyncio.gather(*batches))
    assert broker.transactions == [2, 2, 2]
    assert _is_answered(broker)


@pytest.mark.parametrize("fault", ["lost", "committed"])
async def test_what_was_decided_behind_a_failed_write_is_dropped_with_it(
    bench: Bench, fault: Fault
) -> None:
    broker = _loaded(4)
    broker.hold = asyncio.Event()
    broker.faults = deque([fault])
    stage = _Following()
    running = bench.on(broker, stage)
    first = asyncio.create_task(running.worker.run_batch(broker.records[:2]))
    await broker.writing.wait()
    second = asyncio.create_task(running.worker.run_batch(broker.records[2:]))
    assert [await stage.decided.get() for _ in range(4)] == [0, 1, 2, 3]
    broker.hold.set()
    assert all(await asyncio.gather(first, second))
    assert _is_answered(broker)
    assert len(broker.opened) == 2


async def test_trouble_with_the_next_batch_lets_the_one_before_be_committed(bench: Bench) -> None:
    troubles: list[Exception] = [VaultUnavailable("vault")]
    gathering = asyncio.Event()

    async def gather(batch: Sequence[Submission]) -> None:
        if batch[0].offset == 2 and troubles:
            gathering.set()
            raise troubles.pop()

    broker = _loaded(4)
    broker.hold = asyncio.Event()
    running = bench.on(broker, CountingStage("s", gather))
    first = asyncio.create_task(running.worker.run_batch(broker.records[:2]))
    await broker.writing.wait()
    second = asyncio.create_task(running.worker.run_batch(broker.records[2:]))
    await gathering.wait()
    broker.hold.set()
    assert all(await asyncio.gather(first, second))
    assert broker.transactions == [4, 4]
    assert running.health.reasons == ["VaultUnavailable"]
    assert _is_answered(broker)


async def test_being_fenced_says_more_than_trouble_with_the_next_batch(bench: Bench) -> None:
    gathering = asyncio.Event()

    async def gather(batch: Sequence[Submission]) -> None:
        if batch[0].offset == 2:
            gathering.set()
            raise VaultUnavailable("vault")

    broker = _loaded(4)
    broker.hold = asyncio.Event()
    broker.faults = deque(["fenced"])
    running = bench.on(broker, CountingStage("s", gather))
    first = asyncio.create_task(running.worker.run_batch(broker.records[:2]))
    await broker.writing.wait()
    second = asyncio.create_task(running.worker.run_batch(broker.records[2:]))
    await gathering.wait()
    broker.hold.set()
    for batch in (first, second):
        with pytest.raises(FatalStageError, match="written by another process"):
            await batch
    assert broker.outputs == []


async def test_a_partition_that_goes_while_it_fails_lets_go_of_its_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, go, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def close(_writer: FakeWriter) -> None:
        closing.set()
        await go.wait()

    async def let_go(_store: MemoryStore) -> None:
        closed.set()

    monkeypatch.setattr(FakeWriter, "close", close)
    monkeypatch.setattr(MemoryStore, "close", let_go)
    broker = _loaded()
    broker.faults = deque(["lost"])
    running = bench.on(broker)
    batch = asyncio.create_task(running.worker.run_batch(broker.records))
    await closing.wait()
    leaving = asyncio.create_task(running.worker.close())
    await asyncio.sleep(0)
    go.set()
    await leaving
    assert closed.is_set()
    assert await batch is False


async def test_leaving_ends_what_was_begun_and_begins_nothing(bench: Bench) -> None:
    broker = _loaded()
    broker.hold = asyncio.Event()
    running = bench.on(broker)
    begun = asyncio.create_task(running.worker.run_batch(broker.records[:2]))
    await broker.writing.wait()
    rest = asyncio.create_task(running.worker.run_batch(broker.records[2:]))
    leaving = asyncio.create_task(running.worker.leave())
    await asyncio.sleep(0)
    assert not leaving.done()
    broker.hold.set()
    await leaving
    assert [await begun, await rest] in ([True, False], [True, True])
    assert await running.worker.run_batch(broker.records) is False
    await running.worker.close()
    assert broker.outputs == answers(CountingStage("s"), broker.records)[: len(broker.outputs)]


async def test_leaving_does_not_wait_for_a_partition_that_fails(bench: Bench) -> None:
    broker = _loaded()
    broker.restore_faults = deque([BrokerUnavailable("down")] * 1000)
    running = bench.on(broker)
    bench._patch.setattr(partition, "pause_seconds", lambda _failures: 3600.0)
    batch = asyncio.create_task(running.worker.run_batch(broker.records))
    await running.health.failed.wait()
    async with asyncio.timeout(30):
        await running.worker.leave()
        await running.worker.close()
    assert await batch is False


async def test_what_is_left_and_closed_while_it_opens_lets_go_of_its_connections(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, allowed, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def opening_for_ever(*_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await allowed.wait()
            let_go.set()

    running = bench.on(_loaded())
    monkeypatch.setattr(partition, "open_partition", opening_for_ever)
    answered = asyncio.create_task(running.worker.run_batch([]))
    await begun.wait()
    leaving = asyncio.create_task(running.worker.leave())
    await asyncio.sleep(0)
    closing = asyncio.create_task(running.worker.close())
    await asyncio.sleep(0)
    allowed.set()
    await asyncio.gather(leaving, closing)
    assert let_go.is_set()
    assert not await answered


async def test_a_restart_folds_only_what_its_store_does_not_have(bench: Bench) -> None:
    broker = _loaded()
    await bench.on(broker).worker.run_batch(broker.records[:4])
    assert broker.disk().position.source == 3
    second = bench.on(broker)
    folded: list[bytes | None] = []
    second.stage.evolve = lambda *one: folded.append(one[-1])  # type: ignore[method-assign]
    await second.worker.run_batch([])
    assert folded == []
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert _is_answered(broker)


async def test_a_store_behind_the_log_is_brought_up_to_it(bench: Bench) -> None:
    broker = _loaded()
    broker.faults = deque(["committed"])
    assert await bench.on(broker).worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert broker.disk().position.source == 5


@pytest.mark.parametrize("change", ["cut", "rewritten"])
async def test_a_store_that_is_no_fold_of_the_log_is_set_aside_and_rebuilt(
    bench: Bench, change: str
) -> None:
    broker = _loaded()
    await bench.on(broker).worker.run_batch(broker.records[:4])
    if change == "cut":
        del broker.outputs[4:]
    else:
        broker.outputs[-1] = replace(broker.outputs[-1], value=b"{}")
        broker.records = broker.records[:4]
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records)
    assert running.health.reasons == ["StoreDistrusted"]
    if change == "cut":
        assert _is_answered(broker)


async def test_a_disk_that_fails_stops_the_partition_until_it_works_again(bench: Bench) -> None:
    broker = _loaded()
    broker.store_faults = deque([StoreUnavailable("full"), StoreUnavailable("full")])
    running = bench.on(broker)
    assert await running.worker.run_batch(broker.records)
    assert _is_answered(broker)
    assert running.health.reasons == ["StoreUnavailable"] * 2
