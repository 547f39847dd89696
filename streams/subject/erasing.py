"""Decides the steps of an erasure: asked for with a ground, agreed to by two officers, carried out.

Nobody agrees to what they asked for themselves, and nothing is carried out under a legal hold. The
fact that an erasure was carried out comes first; what it means for keys and rows is the keeper's.
Source: audit reference, section 2; DESIGN section 4.2; GDPR article 17.
"""

from typing import Final, assert_never

from schemas.registrations import (
    ApproveErasure,
    ErasureStep,
    ExecuteErasure,
    LiftHold,
    PlaceHold,
    RejectErasure,
    RequestErasure,
)
from schemas.subject import (
    ErasureApproved,
    ErasureExecuted,
    ErasureRejected,
    ErasureRequested,
    HoldLifted,
    HoldPlaced,
    SubjectFact,
)
from streams.subject.request import Refusal, Request, common_by, refuse
from streams.subject.state import ErasureState, SubjectState

APPROVERS: Final = 2
"""Different privacy officers who have to agree."""


def decide(
    state: SubjectState, request: Request, registration: ErasureStep
) -> SubjectFact | Refusal:
    """The fact that a step becomes, or why there is none."""
    code = _fault(state, request, registration)
    if code is not None:
        return refuse(*code)
    members = common_by(registration.author.role, state, request)
    fact: SubjectFact
    match registration:
        case RequestErasure():
            erasure, ground = registration.erasure, registration.ground
            fact = ErasureRequested(**members, erasure=erasure, ground=ground)
        case ApproveErasure():
            fact = ErasureApproved(**members, erasure=registration.erasure)
        case RejectErasure():
            fact = ErasureRejected(**members, erasure=registration.erasure)
        case ExecuteErasure():
            fact = ErasureExecuted(**members, erasure=registration.erasure)
        case PlaceHold():
            fact = HoldPlaced(**members, hold=registration.hold)
        case LiftHold():
            fact = HoldLifted(**members, hold=registration.hold)
        case _:
            assert_never(registration)
    return fact


def _fault(
    state: SubjectState, request: Request, registration: ErasureStep
) -> tuple[str, str] | None:
    """Why a step may not be taken, and where its body says so."""
    match registration:
        case RequestErasure():
            asked = registration.erasure in state.erasures or any(
                one.open for one in state.erasures.values()
            )
            return ("ERASURE_EXISTS", "") if asked else None
        case PlaceHold():
            return ("HOLD_EXISTS", "/hold") if registration.hold in state.holds else None
        case LiftHold():
            return None if registration.hold in state.holds else ("HOLD_UNKNOWN", "/hold")
        case ApproveErasure() | RejectErasure() | ExecuteErasure():
            erasure = state.erasures.get(registration.erasure)
            code = _fault_of(state, erasure, registration, request.parties.author)
            return None if code is None else (code, "/erasure")
        case _:
            assert_never(registration)


def _fault_of(
    state: SubjectState,
    erasure: ErasureState | None,
    step: ApproveErasure | RejectErasure | ExecuteErasure,
    officer: str,
) -> str | None:
    if erasure is None:
        return "ERASURE_UNKNOWN"
    approved = len(erasure.approvals) >= APPROVERS
    approves, executes = isinstance(step, ApproveErasure), isinstance(step, ExecuteErasure)
    faults = (
        (not erasure.open, "ERASURE_OVER"),
        (approves and officer == erasure.requested_by, "ERASURE_OWN_REQUEST"),
        (approves and (approved or officer in erasure.approvals), "ERASURE_APPROVED"),
        (executes and not approved, "ERASURE_NOT_APPROVED"),
        (executes and bool(state.holds), "ERASURE_ON_HOLD"),
    )
    return next((code for is_so, code in faults if is_so), None)
