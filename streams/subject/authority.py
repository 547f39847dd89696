"""Who may register what about a subject: one row per role, as data.

The stage trusts the registrar for authentication only; that a role may speak for the subject, and
that it showed what it must show, is decided here. Consent: the patient, or for them a doctor, a
pharmacist, an admission desk or an insurer, by the same routes back; the parents of a child that is
too young. Links: declared by caregivers with proof, by the patient, a parent or a mandate holder;
organisations only verify them. Exclusions and mandates are the patient's own. Parents and deaths
are told by those who ask authentic sources, merges of two numbers by insurers. Whoever may act for
the subject may ask for an erasure; all else about it is for privacy officers. Source: domain
reference, sections 4.1 and 9.1 to 9.3; audit reference, section 2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from schemas.policy import AccessPolicy
from schemas.registrations import (
    AcceptMandate,
    AnnulDeath,
    ApproveErasure,
    DeclareDeath,
    DeclareLink,
    DeclareParent,
    EndMandate,
    ErasureRole,
    ExecuteErasure,
    GiveConsent,
    GrantMandate,
    LiftExclusion,
    LiftHold,
    MergeIdentity,
    PartyKind,
    PlaceHold,
    PutExclusion,
    RefuseMandate,
    Registration,
    RejectErasure,
    RequestErasure,
    RevokeLink,
    RevokeMerge,
    RevokeParent,
    WithdrawConsent,
)
from streams.subject.codes import Finding
from streams.subject.parties import Parties
from streams.subject.person import acting_parent, too_young
from streams.subject.request import Request
from streams.subject.state import SubjectState

_Kinds = frozenset[type[Registration]]
_ERASURES: Final[_Kinds] = frozenset(
    {RequestErasure, ApproveErasure, RejectErasure, ExecuteErasure, PlaceHold, LiftHold}
)
_CONSENT: Final[_Kinds] = frozenset({GiveConsent, WithdrawConsent})
_LINKS: Final[_Kinds] = frozenset({DeclareLink, RevokeLink})
_OWN: Final[_Kinds] = frozenset(
    {
        *_CONSENT,
        *_LINKS,
        PutExclusion,
        LiftExclusion,
        GrantMandate,
        EndMandate,
        RequestErasure,
    }
)
_PARENTS: Final[_Kinds] = frozenset({DeclareParent, RevokeParent})
_DEATH: Final[_Kinds] = frozenset({DeclareDeath, AnnulDeath})
_MERGES: Final[_Kinds] = frozenset({MergeIdentity, RevokeMerge})
_EVIDENCED: Final[_Kinds] = frozenset({*_CONSENT, DeclareLink, *_PARENTS, *_DEATH, *_MERGES})
_AFTER_DEATH: Final[_Kinds] = frozenset(
    {AnnulDeath, RevokeParent, LiftExclusion, *_MERGES, *_ERASURES}
)
"""What may still be registered about somebody who died."""
_WHEN_REPLACED: Final[_Kinds] = frozenset(
    {
        WithdrawConsent,
        RevokeLink,
        LiftExclusion,
        RefuseMandate,
        EndMandate,
        RevokeParent,
        AnnulDeath,
        *_MERGES,
        *_ERASURES,
    }
)
"""What may still be registered under a number that another one replaces."""


@dataclass(frozen=True, slots=True)
class RoleRule:
    """What a role may register, and what it must show.

    `is_subject` says whether the author must be (True) or must not be (False) the subject;
    `own_links` limits links to those with the author or the author's organisation.
    """

    may: _Kinds
    persons: tuple[PartyKind, ...]
    is_subject: bool = False
    organisation: bool = False
    basis: bool = False
    evidence: bool = False
    own_links: bool = False


_PROFESSIONAL: Final[tuple[PartyKind, ...]] = ("professional",)
_CITIZEN: Final[tuple[PartyKind, ...]] = ("citizen",)
_ANYBODY: Final[tuple[PartyKind, ...]] = ("citizen", "professional")
_DESK: Final = RoleRule(_CONSENT | _PARENTS | _DEATH, _ANYBODY, organisation=True, evidence=True)

ROLES: Final[Mapping[ErasureRole, RoleRule]] = MappingProxyType(
    {
        "patient": RoleRule(_OWN, _CITIZEN, is_subject=True),
        "parent": RoleRule(_OWN, _CITIZEN, basis=True),
        "mandate_holder": RoleRule(
            frozenset({AcceptMandate, RefuseMandate, EndMandate, *_LINKS}), _ANYBODY
        ),
        "caregiver": RoleRule(
            _CONSENT | _LINKS | _DEATH, _PROFESSIONAL, evidence=True, own_links=True
        ),
        "pharmacist": RoleRule(
            _CONSENT | _LINKS, _PROFESSIONAL, organisation=True, evidence=True, own_links=True
        ),
        "admission_desk": _DESK,
        "insurer": replace(_DESK, may=_DESK.may | _MERGES),
        "privacy_officer": RoleRule(_ERASURES, _CITIZEN, organisation=True),
    }
)
"""What each role may do."""


def check(
    state: SubjectState, request: Request, policy: AccessPolicy, now: datetime
) -> tuple[Finding, ...]:
    """Why the author may not register this about the subject; empty if they may."""
    rule = ROLES[request.registration.author.role]
    standing = tuple(_standing(rule, state, request, policy, now))
    return standing or _over(state, request.registration) or tuple(_shown(rule, request, policy))


def may_touch_link(role: ErasureRole, parties: Parties, party: str | None = None) -> bool:
    """Whether a role may declare a link with its party, or revoke one with `party`."""
    own = (parties.author, parties.organisation)
    return not ROLES[role].own_links or (party or parties.party) in own


def _standing(
    rule: RoleRule, state: SubjectState, request: Request, policy: AccessPolicy, now: datetime
) -> Iterator[Finding]:
    """Whether somebody in this role speaks for this subject."""
    registration, parties = request.registration, request.parties
    author = registration.author
    if type(registration) not in rule.may:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/role")
        return
    if author.person.party_kind not in rule.persons:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/person/party_kind")
    elif (parties.author in (request.subject, state.replaced_by)) is not rule.is_subject:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/person")
    organisation = author.organisation
    if organisation is None and rule.organisation:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/organisation")
    if organisation is not None and organisation.party_kind != "organisation":
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/organisation/party_kind")
    if rule.basis and author.basis is None:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/basis")
    yield from _representing(state, request, policy, now)


def _representing(
    state: SubjectState, request: Request, policy: AccessPolicy, now: datetime
) -> Iterator[Finding]:
    """What a role has to be to this very subject, by what is registered about them."""
    registration, parties = request.registration, request.parties
    author, consents = registration.author, type(registration) in _CONSENT
    if author.role == "patient" and consents and author.person.party_kind == "citizen":
        if too_young(author.person.number, policy, now):
            yield Finding("AGE_BELOW_CONSENT", "/author/person")
    elif author.role == "parent":
        parent = acting_parent(state, parties.author, now)
        if parent is None:
            yield Finding("NOT_A_PARENT", "/author/person")
        elif consents and parent.consent_until <= now:
            yield Finding("CHILD_CONSENTS_ITSELF", "/author/role")
    elif author.role == "caregiver" and consents:
        allowed = policy.consent_professions
        if allowed is not None and author.profession not in allowed:
            yield Finding("AUTHOR_NOT_ALLOWED", "/author/profession")
    elif author.role == "mandate_holder" and type(registration) in _LINKS:
        sides = (parties.author, parties.organisation)
        if not any(one.holder in sides and one.holds(now) for one in state.mandates.values()):
            yield Finding("NO_MANDATE", "/author/person")


def _shown(rule: RoleRule, request: Request, policy: AccessPolicy) -> Iterator[Finding]:
    """Whether what must be shown was shown."""
    registration = request.registration
    evidence = registration.evidence
    if rule.evidence and evidence is None and type(registration) in _EVIDENCED:
        yield Finding("EVIDENCE_MISSING", "/evidence")
    if not isinstance(registration, DeclareLink):
        return
    if not may_touch_link(registration.author.role, request.parties):
        yield Finding("AUTHOR_NOT_ALLOWED", "/party")
    proofs = policy.link_proofs.get(registration.link_type)
    if rule.evidence and evidence is not None and proofs and evidence.proof not in proofs:
        yield Finding("PROOF_NOT_ALLOWED", "/evidence/proof")


def _over(state: SubjectState, registration: Registration) -> tuple[Finding, ...]:
    """Why nothing like this is registered about somebody dead, erased, or under another number."""
    kind = type(registration)
    if state.erased:
        return (Finding("SUBJECT_ERASED"),)
    if state.death is not None and kind not in _AFTER_DEATH:
        return (Finding("SUBJECT_DECEASED"),)
    if state.replaced_by is not None and kind not in _WHEN_REPLACED:
        return (Finding("SUBJECT_MERGED"),)
    return ()
