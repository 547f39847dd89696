"""The body of a registration: who its author is to the patient, and what the form asks for."""

from typing import Final, assert_never

from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api import forms, registration_forms
from consumers.api.problems import FieldIssue, Problem
from consumers.api.tokens import Principal
from schemas import registrations as r
from schemas.identifiers import cbe, nihdi, niss, pharmacy

_OFFICES: Final = ("admission_desk", "insurer")
"""Roles of people who register for an organisation, and are known by their own number."""
_HOLDERS: Final = (
    registration_forms.AcceptMandateForm,
    registration_forms.RefuseMandateForm,
    registration_forms.EndMandateForm,
)


def author(
    principal: Principal, form: registration_forms.RegistrationForm, patient: str
) -> r.Author:
    """Who registers, and in which role.

    Raises:
        Problem: 403, the principal's role registers nothing.
    """
    person, role = _person(principal, form, patient)
    organisation = (
        r.Party(party_kind="organisation", number=principal.organisation)
        if principal.organisation
        else None
    )
    return r.Author(
        role=role,
        person=person,
        organisation=organisation,
        profession=principal.profession,
        basis=form.basis,
        token_issuer=principal.issuer,
        token_id=principal.token_id,
    )


def _person(
    principal: Principal, form: registration_forms.RegistrationForm, patient: str
) -> tuple[r.Party, r.AuthorRole]:
    role = principal.role
    if role in ("patient", *_OFFICES) and principal.niss is not None:
        party = r.Party(party_kind="citizen", number=principal.niss, name=principal.name)
        if role in _OFFICES:
            return party, role
        return party, _citizen_role(principal.niss, form, patient)
    if role in ("caregiver", "pharmacist") and principal.nihdi is not None:
        party = r.Party(party_kind="professional", number=principal.nihdi, name=principal.name)
        # Mandates of an institution are taken up by whoever works there.
        return party, "mandate_holder" if isinstance(form, _HOLDERS) else role
    raise Problem(403, "role-not-allowed")


def _citizen_role(
    number: str, form: registration_forms.RegistrationForm, patient: str
) -> r.AuthorRole:
    if form.acting_as is None:
        return "patient" if niss.compact(patient) == number else "mandate_holder"
    return "patient" if form.acting_as == "self" else form.acting_as


def build(form: registration_forms.SingleForm, by: r.Author) -> r.Registration:
    """The registration's body.

    Raises:
        Problem: 400, a number in it is malformed.
    """
    evidence = evidence_of(form.evidence)
    match form:
        case registration_forms.GiveConsentForm():
            return r.GiveConsent(author=by, evidence=evidence)
        case registration_forms.WithdrawConsentForm():
            return r.WithdrawConsent(author=by, evidence=evidence)
        case registration_forms.DeclareLinkForm() | registration_forms.RevokeLinkForm():
            return _build_link(form, by, evidence)
        case registration_forms.PutExclusionForm() | registration_forms.LiftExclusionForm():
            return _build_exclusion(form, by, evidence)
        case (
            registration_forms.GrantMandateForm()
            | registration_forms.AcceptMandateForm()
            | registration_forms.RefuseMandateForm()
            | registration_forms.EndMandateForm()
        ):
            return _build_mandate(form, by, evidence)
        case _:
            return _build_person(form, by, evidence)


def _build_link(
    form: registration_forms.DeclareLinkForm | registration_forms.RevokeLinkForm,
    by: r.Author,
    evidence: r.Evidence | None,
) -> r.Registration:
    if isinstance(form, registration_forms.RevokeLinkForm):
        return r.RevokeLink(author=by, evidence=evidence, link=form.link)
    return r.DeclareLink(
        author=by,
        evidence=evidence,
        party=_party(form.party, "/party/number"),
        link_type=form.link_type,
        starts_at=form.starts_at,
    )


def _build_person(
    form: registration_forms.DeclareParentForm
    | registration_forms.RevokeParentForm
    | registration_forms.DeclareDeathForm
    | registration_forms.AnnulDeathForm,
    by: r.Author,
    evidence: r.Evidence | None,
) -> r.Registration:
    match form:
        case registration_forms.DeclareParentForm():
            return r.DeclareParent(
                author=by,
                evidence=evidence,
                parent=_party(form.parent, "/parent/number"),
                child_born=form.child_born,
            )
        case registration_forms.RevokeParentForm():
            return r.RevokeParent(author=by, evidence=evidence, parent=form.parent)
        case registration_forms.DeclareDeathForm():
            return r.DeclareDeath(author=by, evidence=evidence)
        case registration_forms.AnnulDeathForm():
            return r.AnnulDeath(author=by, evidence=evidence, death=form.death)
        case _:
            assert_never(form)


def _build_exclusion(
    form: registration_forms.PutExclusionForm | registration_forms.LiftExclusionForm,
    by: r.Author,
    evidence: r.Evidence | None,
) -> r.Registration:
    if isinstance(form, registration_forms.LiftExclusionForm):
        return r.LiftExclusion(author=by, evidence=evidence, exclusion=form.exclusion)
    party = _party(form.party, "/party/number")
    return r.PutExclusion(author=by, evidence=evidence, party=party)


def _build_mandate(
    form: registration_forms.GrantMandateForm
    | registration_forms.AcceptMandateForm
    | registration_forms.RefuseMandateForm
    | registration_forms.EndMandateForm,
    by: r.Author,
    evidence: r.Evidence | None,
) -> r.Registration:
    match form:
        case registration_forms.GrantMandateForm():
            return r.GrantMandate(
                author=by,
                evidence=evidence,
                holder=_party(form.holder, "/holder/number"),
                mandate_type=form.mandate_type,
                valid_until=form.valid_until,
            )
        case registration_forms.AcceptMandateForm():
            return r.AcceptMandate(author=by, evidence=evidence, mandate=form.mandate)
        case registration_forms.RefuseMandateForm():
            return r.RefuseMandate(author=by, evidence=evidence, mandate=form.mandate)
        case registration_forms.EndMandateForm():
            return r.EndMandate(author=by, evidence=evidence, mandate=form.mandate)
        case _:
            assert_never(form)


def evidence_of(form: forms.EvidenceForm | None) -> r.Evidence | None:
    """What was shown, as a registration holds it."""
    return r.Evidence(proof=form.proof, reference=form.reference) if form else None


def _party(form: forms.PartyForm, path: str) -> r.Party:
    try:
        number = _valid_number(form.party_kind, form.number)
    except InvalidNumber:
        raise Problem(400, "malformed-identifier", [FieldIssue(path=path, code="number")]) from None
    return r.Party(party_kind=form.party_kind, number=number, name=form.name)


def _valid_number(kind: r.PartyKind, number: str) -> str:
    """The compact number; an organisation has a pharmacy, NIHDI or enterprise number."""
    match kind:
        case "citizen":
            return niss.validate(number)
        case "professional":
            return nihdi.validate(number)
        case "organisation":
            if pharmacy.is_valid(number):
                return pharmacy.validate(number)
            return nihdi.validate(number) if nihdi.is_valid(number) else cbe.validate(number)
        case _:
            assert_never(kind)
