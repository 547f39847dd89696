"""From the numbers in a registration to keyed pseudonyms, by which facts name people.

An organisation is named by a pharmacy or NIHDI number in plain digits, or by a CBE number in any
form, so that every writer of the same number gets the same pseudonym.
"""

from dataclasses import dataclass
from typing import assert_never

from stdnum.exceptions import ValidationError

from schemas.identifiers import cbe, nihdi, niss, pharmacy
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
    Party,
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
from schemas.sealing.pseudonym import party_pseudonym
from streams.subject.codes import Finding


@dataclass(frozen=True, slots=True)
class Parties:
    """Pseudonyms of everybody in a registration; `party` is whom it is about, if anybody."""

    author: str
    organisation: str | None
    party: str | None


def named(registration: Registration) -> tuple[str, Party] | None:
    """The party that a registration is about, with its path in the body."""
    match registration:
        case DeclareLink() | PutExclusion():
            return "/party", registration.party
        case GrantMandate():
            return "/holder", registration.holder
        case DeclareParent():
            return "/parent", registration.parent
        case MergeIdentity():
            return "/other", registration.other
        case (
            GiveConsent()
            | WithdrawConsent()
            | RevokeLink()
            | LiftExclusion()
            | AcceptMandate()
            | RefuseMandate()
            | EndMandate()
            | RevokeParent()
            | DeclareDeath()
            | AnnulDeath()
            | RevokeMerge()
            | RequestErasure()
            | ApproveErasure()
            | RejectErasure()
            | ExecuteErasure()
            | PlaceHold()
            | LiftHold()
        ):
            return None
        case _:
            assert_never(registration)


def resolve(registration: Registration, pseudonym_key: bytes) -> Parties | tuple[Finding, ...]:
    """The pseudonyms, or a finding for each number that fails its check."""
    author = registration.author
    places: list[tuple[str, Party | None]] = [
        ("/author/person", author.person),
        ("/author/organisation", author.organisation),
        named(registration) or ("", None),
    ]
    wrong = [path for path, party in places if party is not None and not _is_valid(party)]
    if wrong:
        return tuple(Finding("PARTY_INVALID", f"{path}/number") for path in wrong)
    person, organisation, party = (_pseudonym(party, pseudonym_key) for _, party in places)
    if person is None:
        raise AssertionError("an author always is a person")
    return Parties(person, organisation, party)


def _pseudonym(party: Party | None, key: bytes) -> str | None:
    return None if party is None else party_pseudonym(key, party.party_kind, party.number)


def _is_valid(party: Party) -> bool:
    try:
        return _check(party.party_kind, party.number)
    except ValidationError:
        return False


def _check(kind: PartyKind, number: str) -> bool:
    match kind:
        case "citizen":
            return niss.is_valid(number)
        case "professional":
            return nihdi.is_valid(number)
        case "organisation":
            digits = "".join(ch for ch in number if ch.isalnum())
            plain = digits.isascii() and digits.isdigit()
            return cbe.is_valid(number) or (
                plain and (pharmacy.is_valid(number) or nihdi.is_valid(number))
            )
        case _:
            assert_never(kind)
