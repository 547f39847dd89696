"""The fault suite's model of quality control: by a table, and beside the stage itself."""

import random
from typing import Final

import pytest

from schemas.dispensation import CORRECT, REGISTER, REVOKE
from tests.support.chaos import dispensing
from tests.support.chaos.dispensing import (
    Correcting,
    Intent,
    Line,
    Registering,
    Revoking,
    Unusable,
)
from tests.support.quality_bench import Bench, guid, line, revocation, visit

PHARMACY: Final = "80000551"
FIRST: Final = Line(guid(1), 1, "visit")
OTHER: Final = Line(guid(2), 1, "visit")
CHANGED: Final = Line(guid(1), 2, "visit")
REGISTERED: Final = Registering(PHARMACY, (FIRST,))
CORRECTED: Final = Correcting(PHARMACY, CHANGED, 1)
REVOKED: Final = Revoking(PHARMACY, guid(1), 1)

CASES: dict[str, tuple[list[Intent], list[str]]] = {
    "registered": ([REGISTERED], ["accepted"]),
    "again": ([REGISTERED, REGISTERED], ["accepted", "duplicate"]),
    "with other content": (
        [REGISTERED, Registering(PHARMACY, (CHANGED,))],
        ["accepted", "rejected"],
    ),
    "one line of two known": (
        [REGISTERED, Registering(PHARMACY, (CHANGED, OTHER))],
        ["accepted", "partial"],
    ),
    "corrected": ([REGISTERED, CORRECTED], ["accepted", "accepted"]),
    "corrected again": ([REGISTERED, CORRECTED, CORRECTED], ["accepted", "accepted", "duplicate"]),
    "corrected from a stale version": (
        [REGISTERED, CORRECTED, Correcting(PHARMACY, FIRST, 1)],
        ["accepted", "accepted", "rejected"],
    ),
    "corrected before it is there": ([CORRECTED], ["rejected"]),
    "revoked": ([REGISTERED, REVOKED], ["accepted", "accepted"]),
    "revoked again": ([REGISTERED, REVOKED, REVOKED], ["accepted", "accepted", "duplicate"]),
    "revoked from a stale version": (
        [REGISTERED, CORRECTED, REVOKED],
        ["accepted", "accepted", "rejected"],
    ),
    "revoked before it is there": ([REVOKED], ["rejected"]),
    "registered after its withdrawal": (
        [REGISTERED, REVOKED, REGISTERED],
        ["accepted", "accepted", "rejected"],
    ),
    "of another pharmacy": (
        [REGISTERED, Correcting("27457532", CHANGED, 1)],
        ["accepted", "rejected"],
    ),
    "unusable": ([Unusable(PHARMACY), REGISTERED], ["rejected", "accepted"]),
}


def _outcomes(intents: list[Intent]) -> list[str]:
    lines: dispensing.Lines = {}
    return [dispensing.outcome_of(dispensing.decide(lines, one)[1]) for one in intents]


def _body(intent: Intent) -> tuple[dict[str, object] | bytes, str]:
    match intent:
        case Registering(lines=lines):
            return visit(*(line(dguid=one.dguid, units=one.units) for one in lines)), REGISTER
        case Correcting(line=one, replaces=replaces):
            changed = line(dguid=one.dguid, units=one.units, replaces=replaces)
            return visit(changed), CORRECT
        case Revoking(dguid=dguid, replaces=replaces):
            return {**revocation(replaces=replaces), "dguid": dguid}, REVOKE
        case Unusable():
            return b'{"sguid": 1}', REGISTER


@pytest.mark.parametrize(("intents", "outcomes"), CASES.values(), ids=CASES.keys())
def test_the_model_knows_the_life_of_a_line(intents: list[Intent], outcomes: list[str]) -> None:
    assert _outcomes(intents) == outcomes


def test_the_model_and_quality_control_agree() -> None:
    draw, bench = random.Random(3), Bench()  # noqa: S311 - no secret
    lines: dispensing.Lines = {}
    for _ in range(300):
        one = Line(guid(draw.randint(1, 12)), draw.randint(1, 2), "visit")
        intent: Intent = draw.choice(
            (
                Registering(PHARMACY, (one,)),
                Correcting(PHARMACY, one, draw.randint(1, 3)),
                Revoking(PHARMACY, one.dguid, draw.randint(1, 3)),
                Unusable(PHARMACY),
            )
        )
        facts, outcomes = dispensing.decide(lines, intent)
        answer = bench.submit(*_body(intent), pharmacy=PHARMACY)
        assert answer.receipt.outcome == dispensing.outcome_of(outcomes)
        assert [one.outcome for one in answer.receipt.lines] == outcomes
        assert [(one.dguid, one.version, one.status) for one in answer.facts] == [
            made[2:5]  # type: ignore[index] # facts of the model are tuples
            for made in facts
        ]
