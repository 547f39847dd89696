"""Recalls become rows: opened, acknowledged by pharmacies, ended by who opened them."""

from datetime import UTC, datetime

from projections.folds import recall
from projections.folds.access_state import Recorded
from projections.folds.changes import Close, Upsert
from schemas.recall import RecallAcknowledged, RecallClosed, RecallOpened

NOW = datetime(2026, 3, 10, tzinfo=UTC)
AT = Recorded(1, 9, NOW, "id-1")
ACT = {"recall": "recall-0001", "at": NOW, "token_issuer": "i", "token_id": "t"}
AFMPS = "0000000394"


def test_a_recall_is_a_row_with_all_that_it_says() -> None:
    event = RecallOpened.model_validate(
        {**ACT, "authority": AFMPS, "cnk": "0041020", "reference": "R", "reason": "why"}
    )
    (change,) = recall.fold(event, AT)
    assert isinstance(change, Upsert)
    assert (change.table, change.row["recall"]) == ("notice", "recall-0001")
    assert (change.row["opened_at"], change.row["batch"]) == (NOW, None)
    assert change.row["recorded_position"] == 9


def test_an_acknowledgement_is_a_row_of_its_pharmacy() -> None:
    event = RecallAcknowledged.model_validate({**ACT, "pharmacy": "80000551", "lines": 3})
    (change,) = recall.fold(event, AT)
    assert isinstance(change, Upsert)
    assert change.table == "acknowledgement"
    assert (change.row["pharmacy"], change.row["lines"]) == ("80000551", 3)


def test_closing_ends_the_recall_of_the_same_authority_only() -> None:
    event = RecallClosed.model_validate({**ACT, "authority": AFMPS})
    assert recall.fold(event, AT) == (
        Close("notice", {"recall": "recall-0001", "authority": AFMPS}, 9, {"closed_at": NOW}),
    )
