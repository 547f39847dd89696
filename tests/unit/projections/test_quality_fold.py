from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def rows_of(event: quality.Event, key: bytes | None = None, body: bytes = b"{}") -> list[Upsert]:
    changes = quality.fold(event, AT, key=key, body=body)
    return [change for change in changes if isinstance(change, Upsert)]


def row_of(event: quality.Event, key: bytes | None = None, body: bytes = b"{}") -> Upsert:
    return rows_of(event, key, body)[0]


def findings_of(event: quality.Event) -> list[tuple[object, object, object]]:
    found = [change.row for change in rows_of(event) if change.table == "finding"]
    assert [row["ordinal"] for row in found] == list(range(len(found)))
    return [(row["line"], row["severity"], row["code"]) for row in found]


def test_a_receipt_has_one_row_at_its_submissions_place_and_keeps_its_bytes() -> None:
    change = row_of(receipt(), body=b'{"as":"written"}')
    assert change.table == "receipt"
    assert (change.row["partition"], change.row["source_offset"]) == (1, 9)
    assert (change.row["recorded_position"], change.row["body"]) == (40, b'{"as":"written"}')


def test_lines_are_counted_by_fate_and_every_finding_is_a_row() -> None:
    lines = (
        line("recorded", issue("late", "warn"), issue("late", "warn")),
        line("rejected", issue("cnk_checksum"), issue("late", "warn")),
        line("duplicate"),
        line("rejected", issue("cnk_checksum")),
    )
    answer = receipt(lines=lines, issues=(issue("clock", "warn"),))
    row = row_of(answer).row
    assert (row["lines_recorded"], row["lines_rejected"], row["lines_duplicate"]) == (1, 2, 1)
    assert findings_of(answer) == [
        (quality.WHOLE_MESSAGE, "warn", "clock"),
        (0, "warn", "late"),
        (0, "warn", "late"),
        (1, "reject", "cnk_checksum"),
        (1, "warn", "late"),
        (3, "reject", "cnk_checksum"),
    ]


def test_a_finding_stands_where_its_receipt_does() -> None:
    _, finding = rows_of(receipt(issues=(issue("body_malformed"),)))
    place = ("partition", "source_offset", "recorded_partition", "recorded_position")
    assert [finding.row[name] for name in place] == [1, 9, 1, 40]
    assert (finding.row["pharmacy"], finding.row["appended_at"]) == (PHARMACY, NOW)


def test_only_lines_that_enter_the_record_have_a_score() -> None:
    fates: tuple[tuple[LineResult, int | None], ...] = (
        ("recorded", 100),
        ("duplicate", 90),
        ("recorded", 0),
        ("rejected", 10),
        ("recorded", None),
    )
    scored = [LineOutcome(path="/lines/0", outcome=fate, score=score) for fate, score in fates]
    assert row_of(receipt(lines=tuple(scored))).row["scores"] == [100, 0]


def test_a_duplicate_counts_nothing_of_its_original_a_second_time() -> None:
    original = {"offset": 3, "outcome": "rejected", "issues": (issue("niss_invalid"),)}
    answer = receipt(outcome="duplicate", original=original)
    assert findings_of(answer) == []
    assert row_of(answer).row["scores"] == []


RECEIPTS = st.builds(
    receipt,
    issues=st.lists(st.builds(issue, st.sampled_from("AB")), max_size=2).map(tuple),
    lines=st.lists(
        st.builds(
            LineOutcome,
            path=st.just("/lines/0"),
            outcome=st.sampled_from(["recorded", "rejected", "duplicate", "erased"]),
            score=st.none() | st.integers(0, 100),
            issues=st.lists(
                st.builds(issue, st.sampled_from("AB"), st.sampled_from(["reject", "warn"])),
                max_size=3,
            ).map(tuple),
        ),
        max_size=4,
    ).map(tuple),
)


@given(st.lists(RECEIPTS, max_size=6), st.data())
def test_rows_are_the_same_however_often_and_in_whatever_order_receipts_are_applied(
    answers: list[Receipt], data: st.DataObject
) -> None:
    def applied(order: list[int]) -> dict[tuple[object, ...], dict[str, object]]:
        tables: dict[tuple[object, ...], dict[str, object]] = {}
        for index in order:
            place = answers[index].submission.model_copy(update={"offset": index})
            answer = answers[index].model_copy(update={"submission": place})
            for change in rows_of(answer, body=answer.write()):
                key = [change.row[name] for name in quality.PRIMARY_KEYS[change.table]]
                tables[change.table, *key] = dict(change.row)
        return tables

    once = list(range(len(answers)))
    again = data.draw(st.permutations(once + once[: len(once) // 2]))
    rows = applied(again)
    assert rows == applied(once)
    issues = [one for answer in answers for one in _all_issues(answer)]
    assert sorted(str(row["code"]) for key, row in rows.items() if key[0] == "finding") == sorted(
        one.code for one in issues
    )


def _all_issues(answer: Receipt) -> list[Issue]:
    return [*answer.issues, *(one for outcome in answer.lines for one in outcome.issues)]


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
