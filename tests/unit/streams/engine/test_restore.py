"""A partition's state is the fold of its outputs in the order in which they were decided."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import BrokerUnavailable, Partition, Record
from streams.engine.outputs import source_position
from streams.engine.restore import QUIET_POLLS, Merge, _Source
from streams.engine.stage import Headers, Recorded

TOPICS = ("facts", "receipts")
FACTS = Partition("facts", 0)


def _headers(offset: int, ordinal: int) -> Headers:
    return (
        ("ce_sourceoffset", str(offset).encode()),
        ("ce_sourceordinal", str(ordinal).encode()),
    )


def _at(topic: str, offset: int, ordinal: int = 0) -> Recorded:
    return Recorded(topic, 0, 0, b"k", _headers(offset, ordinal), b"{}")


def _merge(facts: Sequence[Recorded], receipts: Sequence[Recorded]) -> tuple[Merge, list[Recorded]]:
    merge = Merge(TOPICS, "receipts")
    for record in (*facts, *receipts):
        merge.add(record)
    for topic in TOPICS:
        merge.finish(topic)
    return merge, list(merge.ready())


def _places(records: Sequence[Recorded]) -> list[tuple[str, tuple[int, int] | None]]:
    return [(record.topic, source_position(record.headers)) for record in records]


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(1, 4)))
def test_outputs_come_back_in_the_order_decided_however_the_topics_are_read(
    facts_per_submission: list[int], steps: list[int]
) -> None:
    decided = [
        _at("receipts" if ordinal == count else "facts", 3 * place, ordinal)
        for place, count in enumerate(facts_per_submission)
        for ordinal in range(count + 1)
    ]
    queues = {topic: [one for one in decided if one.topic == topic] for topic in TOPICS}
    merge = Merge(TOPICS, "receipts")
    found: list[Recorded] = []
    sizes = iter(steps)
    while missing := merge.missing():
        for topic in missing:
            size = next(sizes, 2)
            for record in queues[topic][:size]:
                merge.add(record)
            del queues[topic][:size]
            if not queues[topic]:
                merge.finish(topic)
        found += merge.ready()
    assert found == decided
    assert merge.position == 3 * (len(facts_per_submission) - 1) if facts_per_submission else -1
    assert (merge.doubled, merge.foreign, merge.torn) == (0, 0, 0)


def test_nothing_written_is_position_minus_1() -> None:
    merge, found = _merge([], [])
    assert (merge.position, found) == (-1, [])


def test_nothing_is_handed_out_before_every_topic_is_known_to_its_next_record() -> None:
    merge = Merge(TOPICS, "receipts")
    merge.add(_at("facts", 0, 0))
    assert merge.missing() == ["receipts"]
    assert list(merge.ready()) == []
    merge.add(_at("receipts", 0, 1))
    merge.add(_at("receipts", 1, 0))
    assert list(merge.ready()) == []
    assert merge.missing() == ["facts"]
    merge.finish("facts")
    assert _places(list(merge.ready())) == [("facts", (0, 0)), ("receipts", (0, 1))]
    merge.finish("receipts")
    assert _places(list(merge.ready())) == [("receipts", (1, 0))]


def test_outputs_at_the_end_without_a_receipt_are_torn_and_left_out() -> None:
    merge, found = _merge([_at("facts", 0, 0), _at("facts", 1, 0), _at("facts", 1, 1)], [
        _at("receipts", 0, 1)
    ])  # fmt: skip
    assert _places(found) == [("facts", (0, 0)), ("receipts", (0, 1))]
    assert (merge.position, merge.torn) == (0, 2)


def test_the_first_submission_alone_can_be_torn() -> None:
    merge, found = _merge([_at("facts", 0, 0)], [])
    assert (merge.position, merge.torn, found) == (-1, 1, [])


def test_outputs_in_the_middle_without_a_receipt_count_because_they_were_committed() -> None:
    merge, found = _merge([_at("facts", 0, 0), _at("facts", 1, 0)], [_at("receipts", 1, 1)])
    assert _places(found) == [("facts", (0, 0)), ("facts", (1, 0)), ("receipts", (1, 1))]
    assert (merge.position, merge.torn) == (1, 0)


def test_what_a_reader_has_passed_is_dropped_and_counted() -> None:
    facts = [_at("facts", 0, 0), _at("facts", 1, 0), _at("facts", 0, 0), _at("facts", 1, 0)]
    receipts = [_at("receipts", 0, 1), _at("receipts", 0, 1), _at("receipts", 1, 1)]
    merge, found = _merge(facts, receipts)
    assert [place for _, place in _places(found)] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (merge.doubled, merge.position) == (3, 1)


def test_a_late_copy_of_old_receipts_does_not_move_the_position_back() -> None:
    merge, _ = _merge([], [_at("receipts", 5), _at("receipts", 3)])
    assert (merge.position, merge.doubled) == (5, 1)


def test_records_without_a_position_are_foreign_left_out_and_counted() -> None:
    merge, found = _merge([Recorded("facts", 0, 0, b"k", (), b"{}"), _at("facts", 0, 0)], [
        _at("receipts", 0, 1), Recorded("receipts", 0, 0, b"k", (("ce_sourceoffset", b"9"),), None)
    ])  # fmt: skip
    assert len(found) == 2
    assert (merge.foreign, merge.position) == (2, 0)


class _Reading:
    """A reader of the facts; each entry of `polls` is a position to move to and what is found."""

    def __init__(self, end: int, polls: Sequence[tuple[int, list[Record]]]) -> None:
        self._end = end
        self._polls = list(polls)
        self.at = 0

    async def end_offsets(self, wanted: Sequence[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(wanted, self._end)

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        assert positions == {FACTS: -1}

    async def position(self, _one: Partition) -> int:
        return self.at

    async def poll(self, *, max_records: int) -> dict[Partition, list[Record]]:
        assert max_records > 0
        if not self._polls:
            return {}
        self.at, found = self._polls.pop(0)
        return {FACTS: found} if found else {}


async def _source(end: int, *polls: tuple[int, list[Record]]) -> tuple[_Source, Merge]:
    reading: Any = _Reading(end, polls)
    return await _Source.after(reading, FACTS, None), Merge(TOPICS, "receipts")


def _record(offset: int) -> Record:
    return Record("facts", 0, offset, 0, b"k", _headers(offset, 0), b"{}")


async def test_a_topic_is_read_to_the_end_it_had_at_the_start_and_no_further() -> None:
    source, merge = await _source(2, (3, [_record(0), _record(1), _record(2)]))
    await source.feed(merge)
    assert merge.missing() == ["receipts"]
    await source.feed(merge)
    merge.finish("receipts")
    assert (len(list(merge.ready())), merge.torn) == (1, 1)


async def test_an_end_of_markers_alone_is_reached_by_position() -> None:
    source, merge = await _source(5, (2, []), (5, []))
    for _ in range(3):
        await source.feed(merge)
    assert merge.missing() == ["receipts"]


async def test_an_empty_topic_is_finished_at_once() -> None:
    source, merge = await _source(0)
    await source.feed(merge)
    assert merge.missing() == ["receipts"]


async def test_a_broker_that_sends_nothing_is_given_up_after_a_bound() -> None:
    source, merge = await _source(5, (2, []))
    for _ in range(QUIET_POLLS + 1):
        await source.feed(merge)
    with pytest.raises(BrokerUnavailable, match="nothing of facts"):
        await source.feed(merge)
