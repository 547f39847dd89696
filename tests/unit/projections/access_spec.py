"""A second, independent writing of the access rules: rows of conditions, first failure wins.

It shares nothing with `projections.access` but the types; a rule is data here, control flow there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from projections.access import AccessFacts, AccessRequest
from schemas.policy import AccessPolicy

Condition = Callable[[AccessRequest, AccessFacts, AccessPolicy, datetime], bool]


def _has_role(name: str) -> Condition:
    return lambda _r, _f, policy, _now: name in policy.readers


def _not_excluded(r: AccessRequest, f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    shut_out = {e.party for e in f.exclusions}
    return not shut_out & {r.reader.person, r.reader.organisation}


def _consented(_r: AccessRequest, f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return f.consent is not None


def _consented_if_asked(r: AccessRequest, f: AccessFacts, p: AccessPolicy, n: datetime) -> bool:
    return p.patient_reads_without_consent or _consented(r, f, p, n)


def _asks_history(r: AccessRequest, _f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return r.purpose == "history"


def _profession(r: AccessRequest, _f: AccessFacts, p: AccessPolicy, _n: datetime) -> bool:
    return r.reader.profession in p.professions


def _is_pharmacist(r: AccessRequest, _f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return r.reader.profession == "pharmacist"


def _in_pharmacy(r: AccessRequest, _f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return r.reader.organisation is not None


def _linked(*sides: str) -> Condition:
    def condition(r: AccessRequest, f: AccessFacts, _p: AccessPolicy, now: datetime) -> bool:
        mine = {getattr(r.reader, side) for side in sides} - {None}
        return any(x.party in mine and x.valid_from <= now < x.valid_until for x in f.links)

    return condition


def _mandated(r: AccessRequest, f: AccessFacts, p: AccessPolicy, now: datetime) -> bool:
    mine = {r.reader.person, r.reader.organisation}
    return any(
        m.holder in mine
        and m.mandate_type in p.mandate_types
        and not (m.valid_until is not None and m.valid_until <= now)
        for m in f.mandates
    ) or any(c.party == r.reader.person and not c.valid_until <= now for c in f.parents)


def _one_person(_r: AccessRequest, f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return not f.merge_pending


def _alive(_r: AccessRequest, f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return f.death is None


LIVING = ((_one_person, "no_consent merge_pending"), (_alive, "no_consent deceased"))


def _opened(_r: AccessRequest, _f: AccessFacts, p: AccessPolicy, _n: datetime) -> bool:
    return p.emergency is not None


def _is_caregiver(r: AccessRequest, _f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return r.reader.role == "caregiver"


def _may_declare(r: AccessRequest, _f: AccessFacts, p: AccessPolicy, _n: datetime) -> bool:
    return p.emergency is not None and r.reader.profession in set(p.emergency.professions)


def _never(_r: AccessRequest, _f: AccessFacts, _p: AccessPolicy, _n: datetime) -> bool:
    return False


@dataclass(frozen=True)
class Row:
    """What must hold, in the order in which a missing condition is reported."""

    must: tuple[tuple[Condition, str], ...]
    basis: str


ROWS = {
    "own": Row(
        (
            (_has_role("patient"), "role_not_allowed"),
            *LIVING,
            (_consented_if_asked, "no_consent"),
        ),
        "own_data",
    ),
    "other": Row(
        (
            (_has_role("mandate_holder"), "role_not_allowed"),
            (_asks_history, "not_own_data"),
            *LIVING,
            (_not_excluded, "excluded"),
            (_mandated, "no_mandate"),
            (_consented_if_asked, "no_consent"),
        ),
        "mandate",
    ),
    "caregiver": Row(
        (
            (_has_role("caregiver"), "role_not_allowed"),
            (_asks_history, "not_own_data"),
            *LIVING,
            (_profession, "profession_not_allowed"),
            (_not_excluded, "excluded"),
            (_consented, "no_consent"),
            (_linked("person", "organisation"), "no_link"),
        ),
        "consent_and_link",
    ),
    "pharmacist": Row(
        (
            (_in_pharmacy, "role_not_allowed"),
            (_has_role("pharmacist"), "role_not_allowed"),
            (_asks_history, "not_own_data"),
            *LIVING,
            (_is_pharmacist, "profession_not_allowed"),
            (_not_excluded, "excluded"),
            (_consented, "no_consent"),
            (_linked("organisation"), "no_link"),
        ),
        "consent_and_link",
    ),
    "emergency": Row(
        (
            (_opened, "role_not_allowed"),
            (_is_caregiver, "role_not_allowed"),
            *LIVING,
            (_may_declare, "profession_not_allowed"),
            (_not_excluded, "excluded"),
            (_consented, "no_consent"),
        ),
        "emergency",
    ),
    "pharmacy": Row(((_never, "role_not_allowed"),), ""),
}


def specified(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy, now: datetime
) -> tuple[str, str]:
    """("permit", basis) or ("deny", reason); a reason may name its detail behind a space."""
    row = request.reader.role
    if request.purpose == "emergency":
        key = "emergency"
    elif row == "patient":
        own = request.reader.person in {request.subject, *facts.person}
        key = "own" if own else "other"
    else:
        key = row
    for condition, reason in ROWS[key].must:
        if not condition(request, facts, policy, now):
            return "deny", reason
    return "permit", ROWS[key].basis
