"""What an operator sees of a refused line."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from consumers.quality.masking import MaskedIssue, mask, mask_guid, mask_path
from projections.folds.quality import WHOLE_MESSAGE
from projections.quality_refusals import Refusal, RefusalKey
from schemas.receipts import Issue, LineOutcome, Receipt, SubmissionRef

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DGUID = "0f8fad5b-d9cb-069f-0165-70867728950e"
SECRETS = ("85000000138", "of-a-patient", DGUID, "whose-session", "epoch-of-theirs")


def refusal(line: int) -> Refusal:
    issues = (
        Issue(
            code="CNK_INVALID",
            severity="reject",
            scope="line",
            fault_class="FUNCTIONAL",
            path="/lines/0/product/cnk",
            hint="85000000138",
        ),
        Issue(
            code="LATE", severity="warn", scope="line", fault_class="FUNCTIONAL", path="/delivered"
        ),
    )
    receipt = Receipt(
        outcome="rejected",
        submission=SubmissionRef(
            partition=2,
            offset=9,
            appended_at=NOW,
            id="of-a-patient",
            source="/pharmacies/80000551",
            session="whose-session",
            epoch="epoch-of-theirs",
            sequence=4,
        ),
        issues=issues if line == WHOLE_MESSAGE else (),
        lines=(
            LineOutcome(path="/lines/0", dguid=DGUID, outcome="rejected", issues=issues),
            LineOutcome(path="/lines/1", outcome="rejected"),
        ),
    )
    return Refusal(RefusalKey(NOW, 2, 9, line), "80000551", receipt)


@pytest.mark.parametrize("line", [WHOLE_MESSAGE, 0])
def test_nothing_that_the_pharmacy_wrote_itself_is_shown(line: int) -> None:
    shown = json.dumps(asdict(mask(refusal(line))), default=str)
    assert [secret for secret in SECRETS if secret in shown] == []


def test_a_line_is_found_by_place_number_path_and_the_end_of_its_dguid() -> None:
    shown = mask(refusal(0))
    assert (shown.partition, shown.offset, shown.sequence) == (2, 9, 4)
    assert (shown.path, shown.dguid, shown.lines) == ("/lines/0", "*950e", 1)
    assert shown.issues == (MaskedIssue("CNK_INVALID", "FUNCTIONAL", "/lines/0/product/cnk"),)


def test_a_submission_refused_as_a_whole_has_no_line_but_says_how_many() -> None:
    shown = mask(refusal(WHOLE_MESSAGE))
    assert (shown.path, shown.dguid, shown.lines) == (None, None, 2)
    assert [issue.code for issue in shown.issues] == ["CNK_INVALID"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (DGUID, "*950e"),
        (DGUID.upper(), "*950e"),
        ("85000000138", None),
        ("", None),
        (None, None),
    ],
)
def test_only_the_last_digits_of_a_dguid_are_shown(given: str | None, shown: str | None) -> None:
    assert mask_guid(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", ""),
        ("/lines/12/product/cnk", "/lines/12/product/cnk"),
        ("/delivered_at", "/delivered_at"),
        ("/85000000138", "/*"),
        ("/patient/Jan Janssens", "/patient/*"),
        ("/lines/0/a~1b", "/lines/0/*"),
        ("/lines/1234", "/lines/*"),
    ],
)
def test_a_path_shows_names_and_positions_only(given: str, shown: str) -> None:
    assert mask_path(given) == shown
