"""Decides what concerns the person behind a subject: ages, parents, death, and two numbers in one.

Ages are whole years on a Belgian calendar. A national number tells a day of birth at best: where it
names only the year, its first day counts, so that nobody who may be old enough is sent away. What a
parent may do is told by an authentic source with the day of birth, and ends with the start of the
month in which the age is reached, since a fact in clear must not tell a birthday. Source: domain
reference, sections 4.1, 9.1 and 9.3.
"""

from datetime import date, datetime
from typing import Final, assert_never

from schemas import brussels
from schemas.identifiers import niss
from schemas.policy import AccessPolicy
from schemas.registrations import (
    AnnulDeath,
    DeclareDeath,
    DeclareParent,
    MergeIdentity,
    RevokeMerge,
    RevokeParent,
)
from schemas.subject import (
    DeathAnnulled,
    DeathDeclared,
    IdentityMerged,
    MergeRevoked,
    ParentDeclared,
    ParentRevoked,
    SubjectFact,
)
from streams.subject.request import Refusal, Request, common, refuse
from streams.subject.state import ParentState, SubjectState

_MONTHS_A_YEAR: Final = 12


def too_young(number: str, policy: AccessPolicy, now: datetime) -> bool:
    """Whether the holder of a valid NISS or BIS number surely is below the age of consent."""
    born = niss.earliest_birth(number)
    if policy.consent_from_age is None or born is None:
        return False
    return brussels.day_of(now) < _reaches(born, policy.consent_from_age)


def acting_parent(state: SubjectState, parent: str, now: datetime) -> ParentState | None:
    """The declaration by which somebody may act for the subject now, the longest of several."""
    in_force = [p for p in state.parents.values() if p.party == parent and now < p.valid_until]
    return max(in_force, key=lambda one: one.valid_until, default=None)


def decide(
    state: SubjectState,
    request: Request,
    registration: DeclareParent
    | RevokeParent
    | DeclareDeath
    | AnnulDeath
    | MergeIdentity
    | RevokeMerge,
    policy: AccessPolicy,
    now: datetime,
) -> SubjectFact | Refusal:
    """The fact that a registration about the person becomes, or why there is none."""
    match registration:
        case DeclareParent():
            return _declare_parent(state, request, registration, policy, now)
        case RevokeParent():
            if registration.parent not in state.parents:
                return refuse("PARENT_UNKNOWN", "/parent")
            return ParentRevoked(**common(state, request), parent=registration.parent)
        case DeclareDeath() | AnnulDeath():
            return _death(state, request, registration)
        case MergeIdentity() | RevokeMerge():
            return _merge(state, request, registration)
        case _:
            assert_never(registration)


def _declare_parent(
    state: SubjectState,
    request: Request,
    registration: DeclareParent,
    policy: AccessPolicy,
    now: datetime,
) -> SubjectFact | Refusal:
    born = registration.child_born
    if born > brussels.day_of(now):
        return refuse("CHILD_BORN_LATER", "/child_born")
    valid_until = _month_of(born, policy.parent_until_age)
    faults = (
        (registration.parent.party_kind != "citizen", "PARTY_INVALID", "/parent/party_kind"),
        (request.party == request.subject, "SELF_PARENT", "/parent"),
        (valid_until <= now, "CHILD_OF_AGE", "/child_born"),
        (acting_parent(state, request.party, now) is not None, "PARENT_EXISTS", "/parent"),
    )
    for is_so, code, path in faults:
        if is_so:
            return refuse(code, path)
    return ParentDeclared(
        **common(state, request),
        parent=request.id,
        party=request.party,
        consent_until=_month_of(born, policy.consent_from_age or policy.parent_until_age),
        valid_until=valid_until,
    )


def _death(
    state: SubjectState, request: Request, registration: DeclareDeath | AnnulDeath
) -> SubjectFact | Refusal:
    if isinstance(registration, DeclareDeath):
        return DeathDeclared(**common(state, request), death=request.id)
    if state.death is None or state.death != registration.death:
        return refuse("DEATH_UNKNOWN", "/death")
    return DeathAnnulled(**common(state, request), death=registration.death)


def _merge(
    state: SubjectState, request: Request, registration: MergeIdentity | RevokeMerge
) -> SubjectFact | Refusal:
    merge = registration.merge
    if isinstance(registration, RevokeMerge):
        if merge not in state.merges:
            return refuse("MERGE_UNKNOWN", "/merge")
        return MergeRevoked(**common(state, request), merge=merge)
    other = request.party
    known = merge in state.merges or any(one.other == other for one in state.merges.values())
    faults = (
        (registration.other.party_kind != "citizen", "PARTY_INVALID", "/other/party_kind"),
        (other == request.subject, "SELF_MERGE", "/other"),
        (known, "MERGE_EXISTS", "/merge"),
        (state.replaced_by is not None, "SUBJECT_MERGED", "/other"),
    )
    for is_so, code, path in faults:
        if is_so:
            return refuse(code, path)
    return IdentityMerged(
        **common(state, request), merge=merge, other=other, side=registration.side
    )


def _reaches(born: date, age: int) -> date:
    return brussels.shift_months(born, age * _MONTHS_A_YEAR)


def _month_of(born: date, age: int) -> datetime:
    return brussels.start_of_day(_reaches(born, age).replace(day=1))
