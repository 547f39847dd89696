"""Register, correct, revoke: given where a line stands, when it is claimed, then what happens."""

from typing import Any

import pytest

from schemas.dispensation import CorrectedFact, RegisteredFact, RevokedFact, Supersedes
from streams.quality import lifecycle
from streams.quality.lifecycle import (
    Claim,
    Correct,
    Decision,
    Duplicate,
    LineFact,
    LineState,
    Record,
    Refused,
    Register,
    Revoke,
)

ANN, BEN = "a" * 26, "b" * 26


def state(
    version: int = 1, status: lifecycle.Status = "registered", digest: str = "d1"
) -> LineState:
    return LineState(version, status, ANN, 1, "p1", digest, 100)


FIRST = state()
SECOND = state(2, "corrected", "d2")
WITHDRAWN = state(2, "revoked", "r")


@pytest.mark.parametrize(
    ("given", "claim", "then"),
    [
        (None, Claim(ANN, 1, "d1"), Record(1)),
        (FIRST, Claim(ANN, 1, "d1"), Duplicate(FIRST)),
        (FIRST, Claim(ANN, 1, "d2"), Refused("DGUID_CONFLICT", 1)),
        (FIRST, Claim(BEN, 1, "d1"), Refused("DGUID_CONFLICT", 1)),
        (FIRST, Claim(ANN, 2, "d1"), Refused("DGUID_CONFLICT", 1)),
        (SECOND, Claim(ANN, 1, "d2"), Refused("DGUID_CONFLICT", 2)),
        (SECOND, Claim(ANN, 1, "d1"), Refused("DGUID_CONFLICT", 2)),
        (WITHDRAWN, Claim(ANN, 1, "r"), Refused("LINE_REVOKED", 2)),
    ],
)
def test_registering(given: LineState | None, claim: Claim, then: Decision) -> None:
    assert lifecycle.decide(given, Register(claim), erased=False) == then


@pytest.mark.parametrize(
    ("given", "claim", "replaces", "then"),
    [
        (None, Claim(ANN, 1, "d2"), 1, Refused("LINE_UNKNOWN")),
        (FIRST, Claim(ANN, 1, "d2"), 1, Record(2, FIRST)),
        (FIRST, Claim(ANN, 1, "d1"), 1, Record(2, FIRST)),
        (FIRST, Claim(BEN, 1, "d2"), 1, Record(2, FIRST)),
        (FIRST, Claim(ANN, 1, "d2"), 2, Refused("VERSION_STALE", 1)),
        (SECOND, Claim(ANN, 1, "d2"), 1, Duplicate(SECOND)),
        (SECOND, Claim(BEN, 1, "d2"), 1, Refused("VERSION_STALE", 2)),
        (SECOND, Claim(ANN, 1, "d3"), 1, Refused("VERSION_STALE", 2)),
        (SECOND, Claim(ANN, 1, "d2"), 3, Refused("VERSION_STALE", 2)),
        (WITHDRAWN, Claim(ANN, 1, "d2"), 1, Refused("LINE_REVOKED", 2)),
        (WITHDRAWN, Claim(ANN, 1, "d2"), 2, Refused("LINE_REVOKED", 2)),
    ],
)
def test_correcting(given: LineState | None, claim: Claim, replaces: int, then: Decision) -> None:
    assert lifecycle.decide(given, Correct(claim, replaces), erased=False) == then


@pytest.mark.parametrize(
    ("given", "subject", "replaces", "then"),
    [
        (None, ANN, 1, Refused("LINE_UNKNOWN")),
        (FIRST, ANN, 1, Record(2, FIRST)),
        (FIRST, BEN, 1, Refused("PATIENT_MISMATCH", 1)),
        (FIRST, ANN, 2, Refused("VERSION_STALE", 1)),
        (SECOND, ANN, 2, Record(3, SECOND)),
        (SECOND, ANN, 1, Refused("VERSION_STALE", 2)),
        (WITHDRAWN, ANN, 1, Duplicate(WITHDRAWN)),
        (WITHDRAWN, ANN, 2, Refused("LINE_REVOKED", 2)),
        (WITHDRAWN, BEN, 1, Refused("PATIENT_MISMATCH", 2)),
    ],
)
def test_revoking(given: LineState | None, subject: str, replaces: int, then: Decision) -> None:
    assert lifecycle.decide(given, Revoke(subject, replaces), erased=False) == then


@pytest.mark.parametrize("given", [FIRST, SECOND, WITHDRAWN])
def test_an_erased_line_is_answered_so_whatever_is_asked(given: LineState) -> None:
    claim = Claim(ANN, 2, given.digest)
    for command in (Register(claim), Correct(claim, 1), Revoke(BEN, 1)):
        assert lifecycle.decide(given, command, erased=True) == Refused("LINE_ERASED")


def test_facts_move_a_line_from_version_to_version() -> None:
    common: dict[str, Any] = {
        "pharmacy": "80000551",
        "dguid": "00000000-0000-0000-0000-000000000001",
        "sealed": "AA",
        "generation": 1,
    }
    replaced = Supersedes(version=1, month="2026-03", subject=ANN)
    first = RegisteredFact(**common, version=1, subject=ANN, period="p1", digest="d1", score=90)
    second = CorrectedFact(
        **common, version=2, subject=BEN, period="p2", digest="d2", score=80, supersedes=replaced
    )
    third = RevokedFact(
        **common, version=3, subject=BEN, period="p2", digest="r", supersedes=replaced
    )
    one, two, three = (LineFact.read(fact.write()) for fact in (first, second, third))
    after_first = lifecycle.evolve(None, one, "id1")
    after_second = lifecycle.evolve(after_first, two, "id2")
    after_third = lifecycle.evolve(after_second, three, "id3")
    assert after_first == LineState(1, "registered", ANN, 1, "p1", "d1", 90, "AA", "id1")
    assert after_second == LineState(2, "corrected", BEN, 1, "p2", "d2", 80, "AA", "id2")
    assert after_third == LineState(3, "revoked", BEN, 1, "p2", "r", 80)
    assert lifecycle.evolve(None, three, "id3").score is None
