"""Whether a pharmacist learns which pharmacy dispensed one line: pure, like `access.decide`.

Pharmacists see each other's lines without the pharmacy. One line's is revealed to who may read the
patient's history as pharmacist, on the patient's request with a recorded motivation. Source: DESIGN
section 8; domain reference 9.4.
"""

from dataclasses import replace
from datetime import datetime

from projections.access import AccessFacts, AccessRequest, Deny, Permit, decide
from schemas.policy import AccessPolicy


def decide_reveal(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy, now: datetime
) -> Permit | Deny:
    """Decides one request about one line; a permit shows the pharmacy and nothing else."""
    outcome = decide(request, facts, policy, now)
    if isinstance(outcome, Deny):
        return outcome
    if outcome.reader_role != "pharmacist":
        return Deny("role_not_allowed")
    return replace(outcome, fields=("pharmacy",))
