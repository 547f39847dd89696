"""The dispensing pharmacy of one line, revealed to a pharmacist on the patient's request.

The request is signed by the patient with eID and PIN; why it was made is recorded with it. It has
an event of its own, which the patient finds in the access log.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import audit
from consumers.api.callers import Caller, patient_of
from consumers.api.forms import RevealForm
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.reads import Narrow, Page, read_history, refused
from consumers.api.settling import access_policy, settle, step
from projections.revealing import decide_reveal
from schemas.audit import PHARMACY_REVEALED, PositionUsed
from schemas.identifiers import guid
from schemas.policy import AccessPolicy

ENDPOINT: Final = "/v1/patients/pharmacy"


class RevealAnswer(BaseModel):
    """Which pharmacy dispensed the line."""

    dguid: str
    version: int
    pharmacy: str
    as_of: datetime
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records of the history, of everybody, that the log had and this answer has not."""


async def answer(deps: Dependencies, caller: Caller, form: RevealForm) -> RevealAnswer:
    """Decides, records with the motivation, answers.

    Raises:
        Problem: 400 malformed or not as policy asks, 403 refused, 404 the patient has no such line
            in the window, 503 stale or not recorded.
    """
    _, policy = access_policy(deps, deps.clock())
    _check(form, policy)
    subject = await patient_of(deps, caller, form.patient)
    settled = await settle(deps, [subject])
    page = Page(ENDPOINT, 1, None, Narrow(dguid=_line(form.dguid)))
    read = await read_history(deps, caller, subject, page, settled, judge=decide_reveal)
    parameters = read.decision.parameters.model_copy(
        update={
            "motivation": form.motivation,
            "motivation_type": form.motivation_type,
            "evidence": form.evidence.proof,
            "evidence_reference": form.evidence.reference,
        }
    )
    decision = replace(read.decision, parameters=parameters, event_type=PHARMACY_REVEALED)
    with step("audit"):
        await audit.record(deps, [decision])
    if read.answer is None:
        raise refused(deps, caller)
    if not read.answer.lines:
        raise Problem(404, "not-found")
    line = read.answer.lines[0]
    return RevealAnswer(
        dguid=line.dguid,
        version=line.version,
        pharmacy=line.pharmacy or "",
        as_of=read.answer.as_of,
        policy_version=read.answer.policy_version,
        positions=read.answer.positions,
        behind=read.answer.behind,
    )


def _check(form: RevealForm, policy: AccessPolicy) -> None:
    if form.motivation_type not in policy.reveal_motivations:
        raise _refused("/motivation_type", "motivation-type")
    if form.evidence.proof not in policy.reveal_proofs:
        raise _refused("/evidence/proof", "proof")


def _refused(path: str, code: str) -> Problem:
    return Problem(400, "malformed-request", [FieldIssue(path=path, code=code)])


def _line(dguid: str) -> str:
    if not guid.is_valid(dguid):
        raise Problem(400, "malformed-identifier", [FieldIssue(path="/dguid", code="dguid")])
    return guid.validate(dguid)
