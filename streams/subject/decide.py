"""Decides a registration against what is known of the subject: a fact, or why there is none.

Pure and total. `now` is the append time of the registration, so that a re-run decides the same.
Source: domain reference, section 9; DESIGN sections 2 and 5.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never

from schemas import brussels
from schemas.policy import AccessPolicy
from schemas.registrations import (
    AcceptMandate,
    AnnulDeath,
    ApproveErasure,
    DeclareDeath,
    DeclareLink,
    DeclareParent,
    EndMandate,
    ExecuteErasure,
    GiveConsent,
    GrantMandate,
    LiftExclusion,
    LiftHold,
    MergeIdentity,
    PlaceHold,
    PutExclusion,
    RefuseMandate,
    RejectErasure,
    RequestErasure,
    RevokeLink,
    RevokeMerge,
    RevokeParent,
    WithdrawConsent,
)
from schemas.subject import (
    ConsentGiven,
    ConsentWithdrawn,
    ExclusionLifted,
    ExclusionPut,
    LinkDeclared,
    LinkRevoked,
    MandateAccepted,
    MandateEnded,
    MandateGranted,
    MandateRefused,
    SubjectFact,
)
from streams.subject import authority, erasing, person
from streams.subject.request import Refusal, Request, common, refuse
from streams.subject.state import LinkState, MandateState, SubjectState

CLOCK_SKEW: Final = timedelta(minutes=5)
"""A card reader's clock may run ahead of the broker's by this much; the link then starts now."""


def decide(
    state: SubjectState, request: Request, policy: AccessPolicy, now: datetime
) -> SubjectFact | Refusal:
    """The fact that a registration becomes, its `sealed` still empty, or why there is none."""
    findings = authority.check(state, request, policy, now)
    if findings:
        return Refusal(findings)
    registration = request.registration
    match registration:
        case GiveConsent() | WithdrawConsent():
            outcome = _consent(state, request, registration)
        case DeclareLink():
            outcome = _declare_link(state, request, registration, policy, now)
        case RevokeLink():
            outcome = _revoke_link(state, request, registration)
        case PutExclusion() | LiftExclusion():
            outcome = _exclusion(state, request, registration)
        case GrantMandate():
            outcome = _grant_mandate(state, request, registration, now)
        case AcceptMandate() | RefuseMandate() | EndMandate():
            outcome = _move_mandate(state, request, registration, now)
        case (
            DeclareParent()
            | RevokeParent()
            | DeclareDeath()
            | AnnulDeath()
            | MergeIdentity()
            | RevokeMerge()
        ):
            outcome = person.decide(state, request, registration, policy, now)
        case (
            RequestErasure()
            | ApproveErasure()
            | RejectErasure()
            | ExecuteErasure()
            | PlaceHold()
            | LiftHold()
        ):
            outcome = erasing.decide(state, request, registration)
        case _:
            assert_never(registration)
    return outcome


def _consent(
    state: SubjectState, request: Request, registration: GiveConsent | WithdrawConsent
) -> SubjectFact | Refusal:
    if isinstance(registration, GiveConsent):
        if state.consent:
            return refuse("CONSENT_ALREADY_GIVEN")
        return ConsentGiven(**common(state, request))
    if not state.consent:
        return refuse("CONSENT_NOT_GIVEN")
    return ConsentWithdrawn(**common(state, request))


def _declare_link(
    state: SubjectState,
    request: Request,
    registration: DeclareLink,
    policy: AccessPolicy,
    now: datetime,
) -> SubjectFact | Refusal:
    link_type, kind = registration.link_type, registration.party.party_kind
    months = policy.link_months.get(link_type)
    if months is None or kind not in policy.link_parties.get(link_type, ()):
        return refuse("LINK_TYPE_PARTY_MISMATCH", "/link_type")
    starts_at = registration.starts_at or now
    if starts_at > now + CLOCK_SKEW:
        return refuse("LINK_IN_FUTURE", "/starts_at")
    valid_from = min(starts_at, now)
    valid_until = brussels.months_after(valid_from, months)
    if valid_until <= now:
        return refuse("LINK_OVER", "/starts_at")
    declared = LinkState(request.party, link_type, valid_from, valid_until)
    if any(_overlap(declared, other) for other in state.links.values()):
        return refuse("LINK_EXISTS", "/party")
    return LinkDeclared(
        **common(state, request),
        link=request.id,
        party=declared.party,
        party_kind=kind,
        link_type=link_type,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _overlap(one: LinkState, other: LinkState) -> bool:
    return (
        not other.revoked
        and (one.party, one.link_type) == (other.party, other.link_type)
        and one.valid_from < other.valid_until
        and other.valid_from < one.valid_until
    )


def _revoke_link(
    state: SubjectState, request: Request, registration: RevokeLink
) -> SubjectFact | Refusal:
    link = state.links.get(registration.link)
    if link is None:
        return refuse("LINK_UNKNOWN", "/link")
    if not authority.may_touch_link(registration.author.role, request.parties, link.party):
        return refuse("AUTHOR_NOT_ALLOWED", "/link")
    if link.revoked:
        return refuse("LINK_ALREADY_REVOKED", "/link")
    return LinkRevoked(**common(state, request), link=registration.link)


def _exclusion(
    state: SubjectState, request: Request, registration: PutExclusion | LiftExclusion
) -> SubjectFact | Refusal:
    if isinstance(registration, LiftExclusion):
        if registration.exclusion not in state.exclusions:
            return refuse("EXCLUSION_UNKNOWN", "/exclusion")
        return ExclusionLifted(**common(state, request), exclusion=registration.exclusion)
    party = request.party
    if registration.party.party_kind == "citizen":
        return refuse("PARTY_INVALID", "/party/party_kind")
    if party in state.exclusions.values():
        return refuse("EXCLUSION_EXISTS", "/party")
    return ExclusionPut(
        **common(state, request),
        exclusion=request.id,
        party=party,
        party_kind=registration.party.party_kind,
    )


def _grant_mandate(
    state: SubjectState, request: Request, registration: GrantMandate, now: datetime
) -> SubjectFact | Refusal:
    holder = request.party
    if registration.holder.party_kind == "professional":
        return refuse("PARTY_INVALID", "/holder/party_kind")
    if holder == request.subject:
        return refuse("SELF_MANDATE", "/holder")
    if registration.valid_until is not None and registration.valid_until <= now:
        return refuse("MANDATE_PERIOD_INVALID", "/valid_until")
    return MandateGranted(
        **common(state, request),
        mandate=request.id,
        holder=holder,
        holder_kind=registration.holder.party_kind,
        mandate_type=registration.mandate_type,
        valid_until=registration.valid_until,
    )


def _move_mandate(
    state: SubjectState,
    request: Request,
    registration: AcceptMandate | RefuseMandate | EndMandate,
    now: datetime,
) -> SubjectFact | Refusal:
    mandate = state.mandates.get(registration.mandate)
    if mandate is None:
        return refuse("MANDATE_UNKNOWN", "/mandate")
    code = _mandate_fault(mandate, request, now)
    if code is not None:
        return refuse(code, "/mandate")
    members = common(state, request)
    match registration:
        case AcceptMandate():
            return MandateAccepted(**members, mandate=registration.mandate)
        case RefuseMandate():
            return MandateRefused(**members, mandate=registration.mandate)
        case EndMandate():
            return MandateEnded(**members, mandate=registration.mandate)
        case _:
            assert_never(registration)


def _mandate_fault(mandate: MandateState, request: Request, now: datetime) -> str | None:
    registration, parties = request.registration, request.parties
    is_holder = mandate.holder in (parties.author, parties.organisation)
    if registration.author.role == "mandate_holder" and not is_holder:
        return "MANDATE_HOLDER_MISMATCH"
    ran_out = mandate.valid_until is not None and mandate.valid_until <= now
    if mandate.phase == "over" or ran_out:
        return "MANDATE_ENDED"
    if mandate.phase == "active" and not isinstance(registration, EndMandate):
        return "MANDATE_NOT_WAITING"
    return None
