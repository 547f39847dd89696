from datetime import UTC, datetime

import pytest

from projections.folds import quality
from projections.folds.access_state import Recorded
from projections.folds.changes import Upsert
from schemas.receipts import (
    GapClosed,
    GapNoticed,
    Issue,
    LineOutcome,
    LineResult,
    Receipt,
    Severity,
    SubmissionRef,
)

NOW = datetime(2026, 3, 10, tzinfo=UTC)
PHARMACY, OTHER = "80000551", "80000252"
AT = Recorded(1, 40, NOW, "quality/1/9/2")


def issue(code: str, severity: Severity = "reject") -> Issue:
    return Issue(code=code, severity=severity, scope="line", fault_class="FUNCTIONAL", path="")


def line(outcome: LineResult, *issues: Issue) -> LineOutcome:
    return LineOutcome(path="/lines/0", outcome=outcome, issues=issues)


def receipt(source: str | None = f"/pharmacies/{PHARMACY}", **members: object) -> Receipt:
    submission = SubmissionRef(partition=1, offset=9, appended_at=NOW, source=source)
    return Receipt.model_validate({"outcome": "partial", "submission": submission, **members})


def row_of(event: quality.Event, key: bytes | None = None, body: bytes = b"{}") -> Upsert:
    (change,) = quality.fold(event, AT, key=key, body=body)
    assert isinstance(change, Upsert)
    return change


def test_a_receipt_has_one_row_at_its_submissions_place_and_keeps_its_bytes() -> None:
    change = row_of(receipt(), body=b'{"as":"written"}')
    assert change.table == "receipt"
    assert (change.row["partition"], change.row["source_offset"]) == (1, 9)
    assert (change.row["recorded_position"], change.row["body"]) == (40, b'{"as":"written"}')


def test_lines_are_counted_by_fate_and_codes_by_finding() -> None:
    lines = (
        line("recorded", issue("late", "warn"), issue("late", "warn")),
        line("rejected", issue("cnk_checksum")),
        line("duplicate"),
        line("rejected", issue("cnk_checksum")),
    )
    row = row_of(receipt(lines=lines, issues=(issue("clock", "warn"),))).row
    assert (row["lines_recorded"], row["lines_rejected"], row["lines_duplicate"]) == (1, 2, 1)
    assert row["rejections"] == ["cnk_checksum", "cnk_checksum"]
    assert row["warnings"] == ["clock", "late", "late"]


@pytest.mark.parametrize(
    ("source", "key", "addressee"),
    [
        (f"/pharmacies/{PHARMACY}", None, PHARMACY),
        (f"/pharmacies/{PHARMACY}", OTHER.encode(), PHARMACY),
        (None, PHARMACY.encode(), PHARMACY),
        (None, None, None),
        (None, b"\xff\xfe", None),
        (None, b"80000552", None),
        (None, b"80-000551", None),
        ("/registrar", PHARMACY.encode(), None),
    ],
)
def test_a_receipt_is_for_whom_the_seal_shows_and_else_for_whom_the_key_claims(
    source: str | None, key: bytes | None, addressee: str | None
) -> None:
    assert quality.addressee(receipt(source), key) == addressee


def test_a_gap_is_a_row_and_so_is_each_number_that_arrives() -> None:
    noticed = row_of(GapNoticed(publisher=PHARMACY, epoch="e", first=3, last=5))
    assert (noticed.table, noticed.row["first"], noticed.row["last"]) == ("gap", 3, 5)
    closed = row_of(GapClosed(publisher=PHARMACY, epoch="e", number=4))
    assert (closed.table, closed.row["number"]) == ("gap_closed", 4)
