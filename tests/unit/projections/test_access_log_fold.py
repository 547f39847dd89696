from datetime import UTC, datetime

from projections.folds import access_log
from projections.folds.access_state import Recorded
from projections.folds.changes import Upsert
from schemas.audit import AccessDecided, EmergencyDecided, OperationsRead, PharmacyRevealed, Window

NOW = datetime(2026, 3, 10, tzinfo=UTC)
SUBJECT, READER = "a" * 26, "b" * 26


def decided(**members: object) -> AccessDecided:
    return AccessDecided.model_validate(
        {
            "decision": "deny",
            "reason": "no_link",
            "subject": SUBJECT,
            "reader": READER,
            "role": "caregiver",
            "purpose": "history",
            "decided_at": NOW,
            "policy_version": "access/1",
            "sealed_reader": "AAAA",
            **members,
        }
    )


def row_of(event: AccessDecided) -> dict[str, object]:
    (change,) = access_log.fold(event, Recorded(2, 7, NOW, "id-1"))
    assert isinstance(change, Upsert)
    return dict(change.row)


def test_a_decision_becomes_one_row_at_its_place_in_the_log() -> None:
    row = row_of(decided())
    assert (row["ce_id"], row["recorded_partition"], row["recorded_position"]) == ("id-1", 2, 7)
    assert (row["decision"], row["reason"], row["subject"]) == ("deny", "no_link", SUBJECT)
    assert row["window_start"] is None


def test_a_permit_keeps_its_window_and_what_it_rests_on() -> None:
    window = Window(start=NOW.replace(month=1), end=NOW)
    row = row_of(
        decided(
            decision="permit",
            reason=None,
            basis="consent_and_link",
            basis_refs=("consent-id", "link-id"),
            window=window,
            rows=3,
        )
    )
    assert (row["window_start"], row["window_end"]) == (window.start, window.end)
    assert (row["basis_refs"], row["row_count"]) == (["consent-id", "link-id"], 3)


def test_a_read_without_a_subject_has_a_row_without_one() -> None:
    assert row_of(decided(subject=None))["subject"] is None


def test_the_same_decision_asks_for_the_same_row_wherever_it_is_read_again() -> None:
    again = access_log.fold(decided(), Recorded(2, 7, NOW, "id-1"))
    assert again == access_log.fold(decided(), Recorded(2, 7, NOW, "id-1"))
    assert access_log.PRIMARY_KEYS == {"decision": ("ce_id",)}


def test_what_an_operator_read_concerns_no_subject_and_has_no_row() -> None:
    read = OperationsRead(
        reader=READER,
        role="operator",
        purpose="quality_refused",
        read_at=NOW,
        digest="AAAA",
        sealed="AAAA",
    )
    assert access_log.fold(read, Recorded(2, 7, NOW, "id-1")) == ()


def test_a_revealed_pharmacy_is_a_row_of_its_own_kind() -> None:
    event = PharmacyRevealed(access=decided(decision="permit", reason=None, rows=1))
    (change,) = access_log.fold(event, Recorded(2, 8, NOW, "id-2"))
    assert isinstance(change, Upsert)
    assert change.row["event_type"] == "be.dpp.access.pharmacy-revealed.v1"
    assert (change.row["purpose"], change.row["row_count"]) == (access_log.REVEALED, 1)


def test_an_emergency_is_a_row_with_its_own_basis() -> None:
    plain = decided(decision="permit", reason=None, rows=1).model_dump()
    event = EmergencyDecided.model_validate({**plain, "basis": "emergency", "purpose": "emergency"})
    (change,) = access_log.fold(event, Recorded(2, 9, NOW, "id-3"))
    assert isinstance(change, Upsert)
    assert change.row["event_type"] == "be.dpp.access.emergency-decided.v1"
    assert (change.row["purpose"], change.row["basis"]) == ("emergency", "emergency")
