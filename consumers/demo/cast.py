"""Who plays in the demo: names of roles, and what the simulated year says they must see."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from consumers.simulation.plan import HistoryLine, Plan, expected_history
from consumers.simulation.registrations import (
    Personas,
    TokenPersona,
    caregiver,
    patient,
    pharmacist,
)

Identity = tuple[str, int, str]
"""A line as readers see it: DGUID, version and status."""


def personas(cast: Personas) -> dict[str, TokenPersona]:
    """Everybody who gets a token, by the name that `endpoints.json` uses."""
    return {
        "patient": patient(cast.patient),
        "holder": patient(cast.holder),
        "family_holder": patient(cast.family_holder),
        "unconsented": patient(cast.unconsented),
        "withdrawing": patient(cast.withdrawing),
        "physician": caregiver(cast.physician),
        "nurse": caregiver(cast.nurse),
        "unlinked": caregiver(cast.unlinked),
        "excluded": caregiver(cast.excluded),
        "pharmacist": pharmacist(cast.pharmacist),
        "pharmacy": TokenPersona("pharmacy", organisation=cast.pharmacy.number),
    }


def planned_lines(plan: Plan, niss: str, since: datetime) -> list[Identity]:
    """What a reader of this person's record must see of a window that begins at `since`."""
    return _standing(expected_history(plan, niss, since))


def planned_own_lines(plan: Plan, pharmacy: str, since: datetime) -> list[Identity]:
    """What a pharmacy must see of its own lines."""
    lines = [
        line
        for person in {effect.niss for one in plan.submissions() for effect in one.effects}
        for line in expected_history(plan, person, since)
        if line.pharmacy == pharmacy
    ]
    return _standing(lines)


def seen_lines(lines: Iterable[Mapping[str, Any]]) -> list[Identity]:
    """What an answer of the API shows."""
    return sorted((line["dguid"], line["version"], line["status"]) for line in lines)


def _standing(lines: Iterable[HistoryLine]) -> list[Identity]:
    return sorted(
        (line.dguid, line.version, line.status) for line in lines if line.status != "revoked"
    )
