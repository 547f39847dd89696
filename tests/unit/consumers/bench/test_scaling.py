"""What `dpp bench scaling` needs no broker for: the gaps of partitions, and who holds which."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from consumers.bench.quality.counting import NotAnswered
from consumers.bench.scaling import rebalance
from consumers.bench.scaling.measure import FULL, _held
from consumers.bench.scaling.rebalance import _alive, _Watch
from consumers.stack.parts import Part
from infra.kafka import Partition, PartitionReader, Record
from schemas.receipts import GAP_NOTICED, RECEIPT


class _Reading:
    """Hands out one batch of records at each poll."""

    def __init__(self, polls: Sequence[dict[Partition, list[Record]]]) -> None:
        self._polls = iter(polls)

    async def poll(self, *, max_records: int) -> dict[Partition, list[Record]]:
        assert max_records > 0
        return next(self._polls)


def _record(partition: int, type_: str = RECEIPT) -> Record:
    return Record("t", partition, 0, 0, None, (("ce_type", type_.encode()),), b"")


async def test_the_gap_of_a_partition_is_the_longest_time_between_two_of_its_receipts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zero, one = Partition("t", 0), Partition("t", 1)
    clock = iter([1.0, 1.5, 4.0, 4.25])
    monkeypatch.setattr(rebalance, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    polls = [
        {zero: [_record(0)], one: [_record(1)]},
        {zero: [_record(0)]},
        {zero: [_record(0, GAP_NOTICED)], one: [_record(1)]},
        {zero: [_record(0)]},
    ]
    watch = _Watch()
    await watch.follow(cast("PartitionReader", _Reading(polls)), 5)
    assert watch.seen == 5
    assert watch.gaps() == {0: 2.75, 1: 3.0}


def test_partitions_of_a_process_that_has_not_told_yet_are_none(tmp_path: Path) -> None:
    assert _held(tmp_path / "none") == []
    (tmp_path / "torn").write_text("[1, 2")
    assert _held(tmp_path / "torn") == []
    (tmp_path / "told").write_text("[1, 2]")
    assert _held(tmp_path / "told") == [1, 2]


def test_a_process_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    part = Part("quality", 0, {}, tmp_path)
    part.log.parent.mkdir()
    part.log.write_text("dpp: no broker\n")
    with pytest.raises(NotAnswered, match="ended: no broker"):
        _alive(part)


def test_every_partition_is_due_many_times_a_second_during_a_rebalance() -> None:
    assert FULL.rate / 8 >= 20
