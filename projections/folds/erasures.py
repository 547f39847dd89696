"""The register of erasures and legal holds: who asked, who agreed, what was carried out and when.

It outlives the erasures that it tells of: what is left of a person in it are pseudonyms and times.
Source: DESIGN section 4.2; audit reference, section 2.
"""

from typing import Final, assert_never

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Close, Fill, Upsert
from schemas.subject import (
    ErasureApproved,
    ErasureExecuted,
    ErasureFact,
    ErasureRejected,
    ErasureRequested,
    HoldLifted,
    HoldPlaced,
    SubjectFact,
)

SCHEMA: Final = "erasures_v1"
PRIMARY_KEYS: Final = {
    "erasure": ("subject", "generation", "id"),
    "approval": ("subject", "generation", "id", "officer"),
    "hold": ("subject", "generation", "id"),
}


def fold(fact: SubjectFact, recorded: Recorded) -> tuple[Change, ...]:
    """The row changes of a step; other facts about the subject change nothing here."""
    if not isinstance(fact, ErasureFact):
        return ()
    change: Change
    match fact:
        case ErasureRequested():
            own = {"ground": fact.ground, "author_role": fact.author_role}
            change = Upsert("erasure", _begun(fact, fact.erasure, recorded) | own)
        case ErasureApproved():
            row = _begun(fact, fact.erasure, recorded)
            change = Upsert("approval", row | {"officer": row.pop("author")})
        case ErasureRejected():
            rejected = {"rejected_at": recorded.at}
            change = Close("erasure", _key(fact, fact.erasure), recorded.offset, rejected)
        case ErasureExecuted():
            change = Fill(
                "erasure", _key(fact, fact.erasure), recorded.offset, _done(fact, recorded)
            )
        case HoldPlaced():
            change = Upsert("hold", _begun(fact, fact.hold, recorded))
        case HoldLifted():
            lifted = {"lifted_at": recorded.at}
            change = Close("hold", _key(fact, fact.hold), recorded.offset, lifted)
        case _:
            assert_never(fact)
    return (change,)


def _done(fact: ErasureExecuted, recorded: Recorded) -> dict[str, object]:
    return {
        "executed_at": recorded.at,
        "executed_position": recorded.offset,
        "executed_by": fact.author,
    }


def _begun(fact: ErasureFact, row_id: str, recorded: Recorded) -> dict[str, object]:
    return {
        **_key(fact, row_id),
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
        "recorded_at": recorded.at,
        "author": fact.author,
    }


def _key(fact: ErasureFact, row_id: str) -> dict[str, object]:
    return {"subject": fact.subject, "generation": fact.generation, "id": row_id}
