"""The tables in memory: what the fold of a row without a subject, or applied again, leaves."""

from hypothesis import given

from projections.folds import access_state
from projections.folds.changes import Change, Upsert
from projections.memory import Tables
from tests.unit.projections.state_logs import state_logs

KEYS = dict.fromkeys(access_state.TABLES, access_state.PRIMARY_KEY)


def test_a_row_without_a_subject_is_nobodys_to_erase() -> None:
    tables = Tables({"decision": ("ce_id",)}, {"a" * 26: 1})
    row = {"ce_id": "d", "subject": None, "generation": None, "recorded_position": 0}
    tables.apply([Upsert("decision", row)])
    assert tables.rows["decision"] == {("d",): row}


@given(state_logs())
def test_a_log_that_is_applied_again_changes_nothing(log: list[tuple[Change, ...]]) -> None:
    once, twice = Tables(KEYS), Tables(KEYS)
    for changes in log:
        once.apply(changes)
    for changes in [*log, *log]:
        twice.apply(changes)
    assert once.rows == twice.rows
