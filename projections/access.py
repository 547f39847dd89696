"""Who may read what: one pure, total function over facts, policy and time that denies by default.

The same function answers a read and, years later, an auditor who derives the decision again.
Windows and fields are policy data. Source: DESIGN section 8; domain reference, section 9.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, assert_never

from schemas import brussels
from schemas.audit import EMERGENCY, Basis, DenyReason, Detail, Emergency
from schemas.policy import AccessPolicy, HistoryField, ReaderRole, ReaderRule

ReaderClaim = Literal["patient", "caregiver", "pharmacist", "pharmacy"]
AccessPurpose = Literal["history", "own_history", "emergency"]
DECIDER_VERSION: Final = "reading/2"
"""Changes whenever the same question about the same facts could get another outcome."""
PHARMACIST: Final = "pharmacist"
"""The profession that reads in a pharmacy."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, as the token says: pseudonyms of the person and of where they work."""

    role: ReaderClaim
    person: str
    """Subject pseudonym of a patient, party pseudonym of a professional."""
    organisation: str | None = None
    """Party pseudonym."""
    profession: str | None = None


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One read about one subject; `own_history` never reaches anybody else's record.

    `emergency` says that the reader declared one, with a motivation that is recorded.
    """

    reader: Reader
    subject: str
    purpose: AccessPurpose


@dataclass(frozen=True, slots=True)
class Link:
    """A therapeutic link that was not revoked, in force in [valid_from, valid_until)."""

    link: str
    party: str
    link_type: str
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A party that the subject shuts out."""

    exclusion: str
    party: str


@dataclass(frozen=True, slots=True)
class Mandate:
    """A mandate from the subject that its holder accepted and nobody ended."""

    mandate: str
    holder: str
    mandate_type: str
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """A declared parent who may act for the subject until `valid_until`."""

    parent: str
    party: str
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """What `access_state` holds about a subject; `consent` is the `ce_id` of the fact in force.

    `death` is the id of a death that was not annulled. Of a person with several numbers `person`
    holds every subject, the one in use first; `merge_pending` says that a merge has one half only.
    """

    consent: str | None = None
    links: tuple[Link, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    mandates: tuple[Mandate, ...] = ()
    generation: int = 1
    parents: tuple[Parent, ...] = ()
    death: str | None = None
    merge_pending: bool = False
    person: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be shown: deliveries in [window_start, window_end), and these fields of them."""

    basis: Basis | Emergency
    basis_refs: tuple[str, ...]
    reader_role: ReaderRole
    window_start: datetime
    window_end: datetime
    fields: tuple[HistoryField, ...]
    detail: Detail | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """Nothing may be shown; the reason is for the audit only, never for the reader."""

    reason: DenyReason
    detail: Detail | None = None


def window_start(now: datetime, months: int) -> datetime:
    """Where a window of so many calendar months begins (UTC): the start of a Belgian day."""
    return brussels.months_back(now, months)


def window_end(now: datetime) -> datetime:
    """Where every window ends (UTC): with the Belgian day of the request, exclusive."""
    return brussels.next_day(brussels.day_of(now))


def decide(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy, now: datetime
) -> Permit | Deny:
    """Decides one read about one subject.

    Of several reasons to deny, the first in this order is named: `role_not_allowed`,
    `not_own_data`, `no_consent` because of a merge that has one half or of a death,
    `profession_not_allowed`, `excluded`, `no_mandate`, `no_consent`, `no_link`.
    """
    match request.purpose:
        case "emergency":
            return _decide_emergency(request.reader, facts, policy, now)
        case "history" | "own_history":
            return _decide_history(request, facts, policy, now)
        case _:
            assert_never(request.purpose)


def _decide_history(
    request: AccessRequest, facts: AccessFacts, policy: AccessPolicy, now: datetime
) -> Permit | Deny:
    person = {request.subject, *facts.person}
    own = request.reader.role == "patient" and request.reader.person in person
    role = _policy_role(request.reader, own=own)
    if role is None or role not in policy.readers:
        return Deny("role_not_allowed")
    if request.purpose == "own_history" and not own:
        return Deny("not_own_data")
    closed = _closed(facts)
    if closed is not None:
        return closed
    match role:
        case "patient":
            return _decide_patient(facts, policy, now)
        case "mandate_holder":
            return _decide_holder(request.reader, facts, policy, now)
        case "caregiver" | "pharmacist":
            return _decide_professional(request.reader, role, facts, policy, now)
        case _:
            assert_never(role)


def _closed(facts: AccessFacts) -> Deny | None:
    """Why nobody reads: it is not known yet whose record it is, or its subject has died."""
    if facts.merge_pending:
        return Deny("no_consent", "merge_pending")
    return Deny("no_consent", "deceased") if facts.death is not None else None


def decide_own_lines(
    reader: Reader, pharmacy: str, policy: AccessPolicy, now: datetime
) -> Permit | Deny:
    """Decides whether a reader sees the lines that `pharmacy` (party pseudonym) registered."""
    if reader.role != "pharmacy" or "pharmacy" not in policy.readers:
        return Deny("role_not_allowed")
    if reader.organisation != pharmacy:
        return Deny("not_own_data")
    return _permit("own_registrations", (), "pharmacy", policy.readers["pharmacy"], now)


def _policy_role(
    reader: Reader, *, own: bool
) -> Literal["patient", "mandate_holder", "caregiver", "pharmacist"] | None:
    match reader.role:
        case "patient":
            return "patient" if own else "mandate_holder"
        case "caregiver":
            return "caregiver"
        case "pharmacist":
            return "pharmacist" if reader.organisation is not None else None
        case "pharmacy":
            return None
        case _:
            assert_never(reader.role)


def _decide_patient(facts: AccessFacts, policy: AccessPolicy, now: datetime) -> Permit | Deny:
    if policy.patient_reads_without_consent:
        return _permit("own_data", (), "patient", policy.readers["patient"], now)
    if facts.consent is None:
        return Deny("no_consent")
    return _permit("own_data", (facts.consent,), "patient", policy.readers["patient"], now)


def _decide_holder(
    reader: Reader, facts: AccessFacts, policy: AccessPolicy, now: datetime
) -> Permit | Deny:
    """Who acts for the subject, a parent too, may not read what is closed to the subject."""
    if _is_excluded(reader, facts):
        return Deny("excluded")
    active = sorted(m.mandate for m in facts.mandates if _is_active(m, reader, policy, now))
    parents = sorted(
        p.parent for p in facts.parents if p.party == reader.person and now < p.valid_until
    )
    if not active and not parents:
        return Deny("no_mandate")
    refs: tuple[str, ...] = ((active or parents)[0],)
    if not policy.patient_reads_without_consent:
        if facts.consent is None:
            return Deny("no_consent")
        refs = (*refs, facts.consent)
    permit = _permit("mandate", refs, "mandate_holder", policy.readers["mandate_holder"], now)
    return permit if active else replace(permit, detail="parent")


def _is_active(mandate: Mandate, reader: Reader, policy: AccessPolicy, now: datetime) -> bool:
    """A mandate to an institution or a company serves whoever the token says acts for it."""
    return (
        mandate.holder in (reader.person, reader.organisation)
        and mandate.mandate_type in policy.mandate_types
        and (mandate.valid_until is None or now < mandate.valid_until)
    )


def _decide_professional(
    reader: Reader,
    role: Literal["caregiver", "pharmacist"],
    facts: AccessFacts,
    policy: AccessPolicy,
    now: datetime,
) -> Permit | Deny:
    allowed = policy.professions if role == "caregiver" else (PHARMACIST,)
    if reader.profession not in allowed:
        return Deny("profession_not_allowed")
    if _is_excluded(reader, facts):
        return Deny("excluded")
    if facts.consent is None:
        return Deny("no_consent")
    parties = (
        {reader.organisation} if role == "pharmacist" else {reader.person, reader.organisation}
    )
    link = _best_link(facts.links, parties, now)
    if link is None:
        return Deny("no_link")
    refs = (facts.consent, link.link)
    permit = _permit("consent_and_link", refs, role, policy.readers[role], now)
    return replace(permit, detail=EMERGENCY) if link.link_type == EMERGENCY else permit


def _decide_emergency(
    reader: Reader, facts: AccessFacts, policy: AccessPolicy, now: datetime
) -> Permit | Deny:
    """An emergency stands in for the link, and for nothing else."""
    rule = policy.emergency
    if rule is None or reader.role != "caregiver":
        return Deny("role_not_allowed")
    closed = _closed(facts)
    if closed is not None:
        return closed
    if reader.profession not in rule.professions:
        return Deny("profession_not_allowed")
    if _is_excluded(reader, facts):
        return Deny("excluded")
    if facts.consent is None:
        return Deny("no_consent")
    return _permit(EMERGENCY, (facts.consent,), "caregiver", rule, now)


def _is_excluded(reader: Reader, facts: AccessFacts) -> bool:
    return any(e.party in (reader.person, reader.organisation) for e in facts.exclusions)


def _best_link(links: Iterable[Link], parties: set[str | None], now: datetime) -> Link | None:
    """The link that lasts longest, so that the basis named does not hang on the order of rows."""
    in_force = [
        link
        for link in links
        if link.party in parties and link.valid_from <= now < link.valid_until
    ]
    return max(in_force, key=lambda link: (link.valid_until, link.link), default=None)


def _permit(
    basis: Basis | Emergency,
    refs: tuple[str, ...],
    role: ReaderRole,
    rule: ReaderRule,
    now: datetime,
) -> Permit:
    return Permit(
        basis=basis,
        basis_refs=refs,
        reader_role=role,
        window_start=window_start(now, rule.window_months),
        window_end=window_end(now),
        fields=rule.fields,
    )
