"""What is remembered survives being written to a store, for a year and no longer."""

from datetime import timedelta
from typing import Any

from streams.engine.tables import NOTHING, MemoryStore, Table
from streams.quality.state import HORIZON, QualityState
from tests.support.quality_bench import OTHER_PHARMACY, PHARMACY, Bench, guid, line, visit
from tests.support.state import entries


def _lived() -> Bench:
    bench = Bench()
    bench.submit(visit(line(1), line(2)))
    bench.correct(line(1, units=2, replaces=1))
    bench.revoke(2, 1)
    bench.submit(visit(line(3)), sequence=9)
    bench.submit(visit(line(1)), pharmacy=OTHER_PHARMACY)
    return bench


def test_what_is_read_back_from_a_store_is_what_was_remembered() -> None:
    bench = _lived()
    lived = bench.state
    tables: list[Table[Any, Any]] = [
        lived.lines,
        lived.held,
        lived.numbers.epochs,
        lived.numbers.used,
        lived.numbers.ids,
    ]
    known = [entries(table) for table in tables]
    assert all(known)
    store = lived._tables._backing
    assert isinstance(store, MemoryStore)
    store.keep(NOTHING)
    again = QualityState(store.reopened().tables)
    again.at(bench.now)
    read: list[Table[Any, Any]] = [
        again.lines,
        again.held,
        again.numbers.epochs,
        again.numbers.used,
        again.numbers.ids,
    ]
    for table, expected in zip(read, known, strict=True):
        assert {key: table.get(key) for key in expected} == expected


def test_after_its_horizon_a_line_is_unknown_and_a_used_number_still_is_used() -> None:
    bench = _lived()
    line_key, number = (PHARMACY, guid(1)), (PHARMACY, "epoch-1", 1)
    bench.state.at(bench.now + HORIZON)
    assert bench.state.lines.get(line_key) is not None
    assert bench.state.numbers.used.get(number) is not None
    bench.state.at(bench.now + HORIZON + timedelta(seconds=1))
    assert bench.state.lines.get(line_key) is None
    assert bench.state.numbers.used.get(number) is None
    epoch = bench.state.numbers.epochs.get((PHARMACY, "epoch-1"))
    assert epoch is not None
    assert (epoch.is_used(1), epoch.is_used(5), epoch.is_used(9)) == (True, False, True)
