"""Decides one audited access again and names the members of its record that differ; pure.

Everything comes from the record itself, from the policy in force when it was decided, and from the
registrations as of the positions that the record names.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, assert_never

from projections.access import (
    AccessFacts,
    AccessRequest,
    Deny,
    Permit,
    Reader,
    decide,
    decide_own_lines,
    window_end,
    window_start,
)
from projections.registered import RegistrationRow
from projections.revealing import decide_reveal
from schemas.audit import EMERGENCY, Decided, Window
from schemas.policy import AccessPolicy, PolicyVersion

_UNKNOWN: Final = Deny("role_not_allowed")
"""What a role that reads nothing is answered."""


def again(
    event: Decided,
    facts: AccessFacts,
    mandates: Iterable[RegistrationRow],
    policy: AccessPolicy,
    *,
    reveals: bool = False,
) -> Permit | Deny:
    """The outcome that the record should hold.

    `mandates` are those of the subject that were not ended, waiting ones included; `reveals` says
    that the pharmacy of one line was asked for.
    """
    reader = _reader(event)
    if reader is None:
        return _UNKNOWN
    now = event.decided_at
    match event.purpose:
        case "history" | "own_history" | "emergency":
            request = AccessRequest(reader, event.subject or "", event.purpose)
            judge = decide_reveal if reveals else decide
            return judge(request, facts, policy, now)
        case "own_lines":
            return decide_own_lines(reader, reader.organisation or reader.person, policy, now)
        case "access_log":
            start = window_start(now, policy.access_log_months)
            return _own(event, facts, start)
        case "registrations":
            held = sorted(one.id for one in mandates if one.party == reader.person)
            if event.reader in _person(event, facts) or not held:
                return _own(event, facts, now)
            return Permit("mandate", tuple(held), "patient", now, window_end(now), ())
        case _:
            assert_never(event.purpose)


def differences(
    event: Decided, derived: Permit | Deny, facts: AccessFacts, version: PolicyVersion
) -> tuple[str, ...]:
    """Members of the record that are not as derived; empty if it is what it should be."""
    permit = derived if isinstance(derived, Permit) else None
    window = Window(start=permit.window_start, end=permit.window_end) if permit else None
    pairs: dict[str, tuple[object, object]] = {
        "decision": (event.decision, "permit" if permit else "deny"),
        "reason": (event.reason, derived.reason if isinstance(derived, Deny) else None),
        "basis": (event.basis, permit.basis if permit else None),
        "detail": (event.detail, derived.detail),
        "basis_refs": (_refs(event), sorted(permit.basis_refs) if permit else []),
        "window": (event.window, window),
        "policy_version": (event.policy_version, version.version),
    }
    if event.subject is not None and event.purpose in ("history", "own_history", EMERGENCY):
        pairs["generation"] = (event.generation, facts.generation)
    if not permit:
        pairs["rows"] = (event.rows, 0)
        pairs["digest"] = (event.digest, None)
    return tuple(name for name, (stands, should) in pairs.items() if stands != should)


def _refs(event: Decided) -> list[str]:
    return sorted(event.basis_refs)


def _own(event: Decided, facts: AccessFacts, start: datetime) -> Permit | Deny:
    """What patients read of themselves whatever is registered."""
    if event.role != "patient" or event.reader not in _person(event, facts):
        return Deny("not_own_data")
    return Permit("own_data", (), "patient", start, window_end(event.decided_at), ())


def _person(event: Decided, facts: AccessFacts) -> set[str | None]:
    return {event.subject, *facts.person}


def _reader(event: Decided) -> Reader | None:
    match event.role:
        case "patient" | "caregiver" | "pharmacist" | "pharmacy":
            return Reader(event.role, event.reader, event.organisation, event.profession)
        case _:
            return None
