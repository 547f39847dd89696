"""A row as of a cut is what the events before the cut had made of it."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from projections.cutting import as_of
from projections.folds import access_state, erasures
from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Upsert
from projections.memory import Key, Row, Tables
from schemas import subject
from tests.unit.projections.state_logs import NOON, SUBJECTS, state_logs

STATE = dict.fromkeys(access_state.TABLES, access_state.PRIMARY_KEY)


def position_of(changes: tuple[Change, ...]) -> int:
    """Where the event stands that asked for these changes; -1 if it asked for none."""
    for one in changes:
        return one.row["recorded_position"] if isinstance(one, Upsert) else one.position  # type: ignore[return-value]
    return -1


def folded(log: Iterable[tuple[Change, ...]]) -> dict[tuple[str, Key], Row]:
    tables = Tables(STATE)
    for changes in log:
        tables.apply(changes)
    found = {(name, key): row for name, rows in tables.rows.items() for key, row in rows.items()}
    # Columns that were never filled are empty in the database, and absent here.
    return {
        (name, key): {one: row.get(one) for one in access_state.TABLES[name]}
        for (name, key), row in found.items()
    }


@given(state_logs(), st.integers(0, 14))
def test_what_stood_at_a_cut_follows_from_what_stands_later(
    log: list[tuple[Change, ...]], cut: int
) -> None:
    later, earlier = folded(log), folded(one for one in log if position_of(one) < cut)
    for place, row in later.items():
        stood = as_of(row, {0: cut}, {0: 14})
        if stood is None:
            # It began behind the cut, or began anew there: then what it was before is not kept.
            assert row["recorded_position"] >= cut
        else:
            assert stood == earlier[place]
    assert set(earlier) <= set(later)


def test_an_erasure_that_is_carried_out_later_is_asked_for_at_the_cut() -> None:
    common = {
        "subject": SUBJECTS[0],
        "generation": 1,
        "erasure": "erasure-one",
        "author": SUBJECTS[1],
    }
    common |= {"author_role": "privacy_officer", "sealed": "AAAA"}
    asked = subject.ErasureRequested.model_validate({**common, "ground": "objection"})
    done = subject.ErasureExecuted.model_validate(common)
    tables = Tables(erasures.PRIMARY_KEYS)
    tables.apply(erasures.fold(asked, Recorded(0, 3, NOON, "a")))
    (before,) = tables.rows["erasure"].values()
    before = {**before, "executed_at": None, "executed_position": None, "executed_by": None}
    tables.apply(erasures.fold(done, Recorded(0, 7, NOON, "b")))
    (row,) = tables.rows["erasure"].values()
    assert as_of(row, {0: 7}, {0: 9}) == before
    assert as_of(row, {0: 8}, {0: 9}) == row


def test_positions_that_nobody_has_reached_stay_as_they_are() -> None:
    row: Row = {"recorded_partition": 0, "recorded_position": 900, "superseded_position": None}
    assert as_of(row, {0: 5}, {0: 10}) == row
    assert as_of({**row, "recorded_partition": 7}, {0: 5}, {0: 10}) is not None
    ended: Row = {**row, "recorded_position": 1, "superseded_position": 900}
    assert as_of(ended, {0: 5}, {0: 10}) == ended
