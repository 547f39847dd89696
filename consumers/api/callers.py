"""Callers by pseudonym: from here on no national number is needed to decide."""

from dataclasses import dataclass
from typing import assert_never

from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api.issuers import Role
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.tokens import Principal
from projections.access import Reader, ReaderClaim
from schemas.keyvault import KeyVault
from schemas.sealing.pseudonym import party_pseudonym, subject_pseudonym


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal and who that is among pseudonyms."""

    principal: Principal
    reader: Reader

    @property
    def pseudonym(self) -> str:
        """Under which the reader's secret, cursors and audit events stand."""
        return self.reader.person


async def identify(vault: KeyVault, principal: Principal) -> Caller:
    """The caller behind a principal.

    Raises:
        Problem: 403, the role reads nothing here.
        VaultUnavailable: the pseudonym key cannot be had.
    """
    role = _claim(principal.role)
    key = await vault.root_key("pseudonym")
    organisation = (
        party_pseudonym(key, "organisation", principal.organisation)
        if principal.organisation
        else None
    )
    if principal.niss is not None and role == "patient":
        person = subject_pseudonym(key, principal.niss)
    elif principal.nihdi is not None and role in ("caregiver", "pharmacist"):
        person = party_pseudonym(key, "professional", principal.nihdi)
    elif organisation is not None:
        person = organisation
    else:
        raise Problem(403, "role-not-allowed")
    return Caller(
        principal,
        Reader(
            role=role,
            person=person,
            organisation=organisation,
            profession=principal.profession,
        ),
    )


def _claim(role: Role) -> ReaderClaim:
    match role:
        case "patient" | "caregiver" | "pharmacist" | "pharmacy":
            return role
        case (
            "admission_desk" | "insurer" | "privacy_officer" | "auditor" | "operator" | "authority"
        ):
            raise Problem(403, "role-not-allowed")
        case _:
            assert_never(role)


def require(principal: Principal, *roles: Role) -> None:
    """Lets only these roles pass.

    Raises:
        Problem: 403, another role.
    """
    if principal.role not in roles:
        raise Problem(403, "role-not-allowed")


async def patient_of(deps: Dependencies, caller: Caller, number: str) -> str:
    """The pseudonym of the patient that a caller asks about, counted against the caller's limit.

    Raises:
        Problem: 400, the number is malformed; 429, the caller asked about too many patients.
    """
    subject = await subject_of(deps.vault, number)
    if subject != caller.pseudonym:
        deps.throttle.patient(caller.principal, subject)
    return subject


async def subject_of(vault: KeyVault, number: str, path: str = "/patient") -> str:
    """The pseudonym of a patient named by NISS or BIS number.

    Raises:
        Problem: 400, the number is malformed; `path` says where it stood.
    """
    try:
        return subject_pseudonym(await vault.root_key("pseudonym"), number)
    except InvalidNumber:
        raise Problem(400, "malformed-identifier", [FieldIssue(path=path, code="niss")]) from None
