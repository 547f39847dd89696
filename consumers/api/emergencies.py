"""A patient's history in an emergency: a caregiver without a therapeutic link says why.

It is a basis of its own, open only where policy data has opened it, never past an exclusion or a
consent that is not there. It has an event of its own, which the patient is told of and finds with
its motivation in the access log. Source: DESIGN section 8; docs/decisions/0090.
"""

from dataclasses import replace
from typing import Final

from consumers.api import audit
from consumers.api.callers import Caller, patient_of
from consumers.api.forms import EmergencyForm
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.reads import Page, read_history
from consumers.api.settling import access_policy, settle, step
from consumers.api.views import HistoryAnswer
from projections.explaining import is_barred_in_emergency
from schemas.audit import EMERGENCY, EMERGENCY_DECIDED
from schemas.policy import EmergencyRule

ENDPOINT: Final = "/v1/patients/emergency"


async def answer(
    deps: Dependencies, caller: Caller, form: EmergencyForm, page: Page
) -> HistoryAnswer:
    """Decides, records with the motivation, answers; refused attempts are recorded too.

    Raises:
        Problem: 400 malformed or not as policy asks, 403 refused, 503 stale or not recorded.
    """
    _, policy = access_policy(deps, deps.clock())
    rule = policy.emergency
    if rule is not None and form.motivation_type not in rule.motivation_types:
        issue = FieldIssue(path="/motivation_type", code="motivation-type")
        raise Problem(400, "malformed-request", [issue])
    subject = await patient_of(deps, caller, form.patient)
    settled = await settle(deps, [subject])
    read = await read_history(deps, caller, subject, page, settled, declared=EMERGENCY)
    parameters = read.decision.parameters.model_copy(
        update={"motivation": form.motivation, "motivation_type": form.motivation_type}
    )
    decision = replace(read.decision, parameters=parameters, event_type=EMERGENCY_DECIDED)
    with step("audit"):
        await audit.record(deps, [decision])
    if read.answer is None:
        raise _refused(caller, rule)
    return read.answer


def _refused(caller: Caller, rule: EmergencyRule | None) -> Problem:
    """It says no more than would be so of every patient."""
    if rule is None:
        return Problem(403, "emergency-not-open")
    barred = is_barred_in_emergency(caller.reader, rule)
    return Problem(403, "profession-not-allowed" if barred else "access-refused")
