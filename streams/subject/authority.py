"""Who may register what about a subject: one row per role, as data.

The stage trusts the registrar for authentication only; that a role may speak for the subject, and
that it showed what it must show, is decided here. Consent: the patient, or for them a caregiver, a
pharmacist, an admission desk or an insurer, by the same routes back. Links: declared by caregivers
with proof, by the patient or a parent; organisations only verify them. Exclusions and mandates are
the patient's own. Source: domain reference, sections 9.1 to 9.3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas.subject import (
    AcceptMandate,
    AuthorRole,
    DeclareLink,
    EndMandate,
    GiveConsent,
    GrantMandate,
    LiftExclusion,
    PartyKind,
    PutExclusion,
    RefuseMandate,
    Registration,
    RevokeLink,
    WithdrawConsent,
)
from streams.subject.codes import Finding
from streams.subject.parties import Parties

_Kinds = frozenset[type[Registration]]
_CONSENT: Final[_Kinds] = frozenset({GiveConsent, WithdrawConsent})
_LINKS: Final[_Kinds] = frozenset({DeclareLink, RevokeLink})
_OWN: Final[_Kinds] = frozenset(
    {*_CONSENT, *_LINKS, PutExclusion, LiftExclusion, GrantMandate, EndMandate}
)
_EVIDENCED: Final[_Kinds] = frozenset({*_CONSENT, DeclareLink})


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
_DESK: Final = RoleRule(_CONSENT, ("citizen", "professional"), organisation=True, evidence=True)

ROLES: Final[Mapping[AuthorRole, RoleRule]] = MappingProxyType(
    {
        "patient": RoleRule(_OWN, _CITIZEN, is_subject=True),
        "parent": RoleRule(_OWN, _CITIZEN, basis=True),
        "mandate_holder": RoleRule(frozenset({AcceptMandate, RefuseMandate, EndMandate}), _CITIZEN),
        "caregiver": RoleRule(_CONSENT | _LINKS, _PROFESSIONAL, evidence=True, own_links=True),
        "pharmacist": RoleRule(
            _CONSENT | _LINKS, _PROFESSIONAL, organisation=True, evidence=True, own_links=True
        ),
        "admission_desk": _DESK,
        "insurer": _DESK,
    }
)
"""What each role may do."""


def check(subject: str, registration: Registration, parties: Parties) -> tuple[Finding, ...]:
    """Why the author may not register this about the subject; empty if they may."""
    return tuple(_findings(ROLES[registration.author.role], subject, registration, parties))


def may_touch_link(role: AuthorRole, parties: Parties, party: str | None = None) -> bool:
    """Whether a role may declare a link with its party, or revoke one with `party`."""
    own = (parties.author, parties.organisation)
    return not ROLES[role].own_links or (party or parties.party) in own


def _findings(
    rule: RoleRule, subject: str, registration: Registration, parties: Parties
) -> Iterator[Finding]:
    author = registration.author
    if type(registration) not in rule.may:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/role")
        return
    if author.person.party_kind not in rule.persons:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/person/party_kind")
    elif (parties.author == subject) is not rule.is_subject:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/person")
    organisation = author.organisation
    if organisation is None and rule.organisation:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/organisation")
    if organisation is not None and organisation.party_kind != "organisation":
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/organisation/party_kind")
    if rule.basis and author.basis is None:
        yield Finding("AUTHOR_NOT_ALLOWED", "/author/basis")
    if rule.evidence and registration.evidence is None and type(registration) in _EVIDENCED:
        yield Finding("EVIDENCE_MISSING", "/evidence")
    if isinstance(registration, DeclareLink) and not may_touch_link(author.role, parties):
        yield Finding("AUTHOR_NOT_ALLOWED", "/party")
