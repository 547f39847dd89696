"""Who looked at whose data, when, in what role and with what result: one row per decision.

What operators and auditors read concerns no subject: it is in the log under the reader, and has no
row here.
"""

from typing import Final, assert_never

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Upsert
from schemas.audit import (
    ACCESS_DECIDED,
    AUDIT_READ,
    EMERGENCY_DECIDED,
    LOG_AUDITED,
    LOG_READ,
    OPERATIONS_READ,
    PHARMACY_REVEALED,
    REGISTRATIONS_READ,
    AccessDecided,
    AuditRead,
    Decided,
    EmergencyDecided,
    LogAudited,
    LogRead,
    OperationsRead,
    PharmacyRevealed,
    RegistrationsRead,
)

SCHEMA: Final = "access_log_v1"
PRIMARY_KEYS: Final = {"decision": ("ce_id",)}
REVEALED: Final = "pharmacy_revealed"
"""Purpose of the rows of `PharmacyRevealed`."""


Event = (
    AccessDecided
    | AuditRead
    | EmergencyDecided
    | LogAudited
    | LogRead
    | OperationsRead
    | PharmacyRevealed
    | RegistrationsRead
)
EVENTS: Final[dict[str, type[Event]]] = {
    ACCESS_DECIDED: AccessDecided,
    AUDIT_READ: AuditRead,
    EMERGENCY_DECIDED: EmergencyDecided,
    LOG_AUDITED: LogAudited,
    LOG_READ: LogRead,
    REGISTRATIONS_READ: RegistrationsRead,
    OPERATIONS_READ: OperationsRead,
    PHARMACY_REVEALED: PharmacyRevealed,
}


def fold(event: Event, recorded: Recorded) -> tuple[Change, ...]:
    """The row of a decision; the same decision written twice stays one row."""
    match event:
        case AccessDecided():
            return (Upsert("decision", _decision(event, recorded)),)
        case EmergencyDecided():
            own = {"event_type": EMERGENCY_DECIDED}
            return (Upsert("decision", _decision(event, recorded) | own),)
        case PharmacyRevealed(access=access):
            own = {"event_type": PHARMACY_REVEALED, "purpose": REVEALED}
            return (Upsert("decision", _decision(access, recorded) | own),)
        case AuditRead() | LogAudited() | LogRead() | OperationsRead() | RegistrationsRead():
            return ()
        case _:
            assert_never(event)


def _decision(event: Decided, recorded: Recorded) -> dict[str, object]:
    window = event.window
    return {
        "ce_id": recorded.ce_id,
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
        "event_type": ACCESS_DECIDED,
        "subject": event.subject,
        "generation": event.generation,
        "decision": event.decision,
        "reason": event.reason,
        "basis": event.basis,
        "detail": event.detail,
        "basis_refs": list(event.basis_refs),
        "reader": event.reader,
        "role": event.role,
        "profession": event.profession,
        "organisation": event.organisation,
        "on_behalf_of": event.on_behalf_of,
        "purpose": event.purpose,
        "decided_at": event.decided_at,
        "window_start": None if window is None else window.start,
        "window_end": None if window is None else window.end,
        "policy_version": event.policy_version,
        "row_count": event.rows,
        "sealed_parameters": event.sealed_parameters,
        "sealed_reader": event.sealed_reader,
    }
