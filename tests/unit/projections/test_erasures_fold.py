"""The register of erasures: one change for each step, and none for what else happens."""

from datetime import UTC, datetime

import pytest

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Close, Fill, Upsert
from projections.folds.erasures import PRIMARY_KEYS, fold
from schemas.subject import (
    SUBJECT_FACTS,
    ConsentGiven,
    ErasureApproved,
    ErasureExecuted,
    ErasureFact,
    ErasureRejected,
    ErasureRequested,
    HoldLifted,
    HoldPlaced,
)

AT = datetime(2026, 11, 26, tzinfo=UTC)
ANN, OFFICER, ID = "a" * 26, "o" * 26, "erasure-0001"
RECORDED = Recorded(1, 7, AT, "subject/1/3/0")
KEY = {"subject": ANN, "generation": 2, "id": ID}
BEGUN = {**KEY, "recorded_partition": 1, "recorded_position": 7, "recorded_at": AT}


def fact(model: type[ErasureFact], **members: object) -> ErasureFact:
    common = {
        "subject": ANN,
        "generation": 2,
        "author_role": "privacy_officer",
        "author": OFFICER,
        "sealed": "",
    }
    made: ErasureFact = model.model_validate({**common, **members})
    return made


CASES: list[tuple[ErasureFact, Change]] = [
    (
        fact(ErasureRequested, erasure=ID, ground="unlawful"),
        Upsert(
            "erasure",
            {**BEGUN, "author": OFFICER, "ground": "unlawful", "author_role": "privacy_officer"},
        ),
    ),
    (fact(ErasureApproved, erasure=ID), Upsert("approval", {**BEGUN, "officer": OFFICER})),
    (fact(ErasureRejected, erasure=ID), Close("erasure", KEY, 7, {"rejected_at": AT})),
    (
        fact(ErasureExecuted, erasure=ID),
        Fill(
            "erasure",
            KEY,
            7,
            {"executed_at": AT, "executed_position": 7, "executed_by": OFFICER},
        ),
    ),
    (fact(HoldPlaced, hold=ID), Upsert("hold", {**BEGUN, "author": OFFICER})),
    (fact(HoldLifted, hold=ID), Close("hold", KEY, 7, {"lifted_at": AT})),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case[0]).__name__)
def test_each_step_is_one_change(case: tuple[ErasureFact, Change]) -> None:
    given, expected = case
    assert fold(given, RECORDED) == (expected,)
    if isinstance(expected, Upsert):
        assert set(PRIMARY_KEYS[expected.table]) <= set(expected.row)


def test_every_step_has_its_case() -> None:
    steps = {model for name, model in SUBJECT_FACTS.items() if "erasure" in name or "hold" in name}
    assert {type(given) for given, _ in CASES} == steps


def test_other_facts_about_a_person_change_nothing() -> None:
    consent = ConsentGiven(subject=ANN, generation=1, author_role="patient", author=ANN, sealed="")
    assert fold(consent, RECORDED) == ()
