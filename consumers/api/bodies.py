"""The body of a registration: who its author is to the patient, and what the form asks for."""

from typing import Final, assert_never

from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api import forms
from consumers.api.problems import FieldIssue, Problem
from consumers.api.tokens import Principal
from schemas import subject as s
from schemas.identifiers import cbe, nihdi, niss, pharmacy

_OFFICES: Final = ("admission_desk", "insurer")
"""Roles of people who register for an organisation, and are known by their own number."""
_HOLDERS: Final = (forms.AcceptMandateForm, forms.RefuseMandateForm, forms.EndMandateForm)


def author(principal: Principal, form: forms.RegistrationForm, patient: str) -> s.Author:
    """Who registers, and in which role.

    Raises:
        Problem: 403, the principal's role registers nothing.
    """
    person, role = _person(principal, form, patient)
    organisation = (
        s.Party(party_kind="organisation", number=principal.organisation)
        if principal.organisation
        else None
    )
    return s.Author(
        role=role,
        person=person,
        organisation=organisation,
        profession=principal.profession,
        basis=form.basis,
        token_issuer=principal.issuer,
        token_id=principal.token_id,
    )


def _person(
    principal: Principal, form: forms.RegistrationForm, patient: str
) -> tuple[s.Party, s.AuthorRole]:
    role = principal.role
    if role in ("patient", *_OFFICES) and principal.niss is not None:
        party = s.Party(party_kind="citizen", number=principal.niss, name=principal.name)
        if role in _OFFICES:
            return party, role
        return party, _citizen_role(principal.niss, form, patient)
    if role in ("caregiver", "pharmacist") and principal.nihdi is not None:
        party = s.Party(party_kind="professional", number=principal.nihdi, name=principal.name)
        # Mandates of an institution are taken up by whoever works there.
        return party, "mandate_holder" if isinstance(form, _HOLDERS) else role
    raise Problem(403, "role-not-allowed")


def _citizen_role(number: str, form: forms.RegistrationForm, patient: str) -> s.AuthorRole:
    if form.acting_as is None:
        return "patient" if niss.compact(patient) == number else "mandate_holder"
    return "patient" if form.acting_as == "self" else form.acting_as


def build(form: forms.SingleForm, by: s.Author) -> s.Registration:
    """The registration's body.

    Raises:
        Problem: 400, a number in it is malformed.
    """
    evidence = evidence_of(form.evidence)
    match form:
        case forms.GiveConsentForm():
            return s.GiveConsent(author=by, evidence=evidence)
        case forms.WithdrawConsentForm():
            return s.WithdrawConsent(author=by, evidence=evidence)
        case forms.DeclareLinkForm() | forms.RevokeLinkForm():
            return _build_link(form, by, evidence)
        case forms.PutExclusionForm() | forms.LiftExclusionForm():
            return _build_exclusion(form, by, evidence)
        case (
            forms.GrantMandateForm()
            | forms.AcceptMandateForm()
            | forms.RefuseMandateForm()
            | forms.EndMandateForm()
        ):
            return _build_mandate(form, by, evidence)
        case _:
            return _build_person(form, by, evidence)


def _build_link(
    form: forms.DeclareLinkForm | forms.RevokeLinkForm,
    by: s.Author,
    evidence: s.Evidence | None,
) -> s.Registration:
    if isinstance(form, forms.RevokeLinkForm):
        return s.RevokeLink(author=by, evidence=evidence, link=form.link)
    return s.DeclareLink(
        author=by,
        evidence=evidence,
        party=_party(form.party, "/party/number"),
        link_type=form.link_type,
        starts_at=form.starts_at,
    )


def _build_person(
    form: forms.DeclareParentForm
    | forms.RevokeParentForm
    | forms.DeclareDeathForm
    | forms.AnnulDeathForm,
    by: s.Author,
    evidence: s.Evidence | None,
) -> s.Registration:
    match form:
        case forms.DeclareParentForm():
            return s.DeclareParent(
                author=by,
                evidence=evidence,
                parent=_party(form.parent, "/parent/number"),
                child_born=form.child_born,
            )
        case forms.RevokeParentForm():
            return s.RevokeParent(author=by, evidence=evidence, parent=form.parent)
        case forms.DeclareDeathForm():
            return s.DeclareDeath(author=by, evidence=evidence)
        case forms.AnnulDeathForm():
            return s.AnnulDeath(author=by, evidence=evidence, death=form.death)
        case _:
            assert_never(form)


def _build_exclusion(
    form: forms.PutExclusionForm | forms.LiftExclusionForm,
    by: s.Author,
    evidence: s.Evidence | None,
) -> s.Registration:
    if isinstance(form, forms.LiftExclusionForm):
        return s.LiftExclusion(author=by, evidence=evidence, exclusion=form.exclusion)
    party = _party(form.party, "/party/number")
    return s.PutExclusion(author=by, evidence=evidence, party=party)


def _build_mandate(
    form: forms.GrantMandateForm
    | forms.AcceptMandateForm
    | forms.RefuseMandateForm
    | forms.EndMandateForm,
    by: s.Author,
    evidence: s.Evidence | None,
) -> s.Registration:
    match form:
        case forms.GrantMandateForm():
            return s.GrantMandate(
                author=by,
                evidence=evidence,
                holder=_party(form.holder, "/holder/number"),
                mandate_type=form.mandate_type,
                valid_until=form.valid_until,
            )
        case forms.AcceptMandateForm():
            return s.AcceptMandate(author=by, evidence=evidence, mandate=form.mandate)
        case forms.RefuseMandateForm():
            return s.RefuseMandate(author=by, evidence=evidence, mandate=form.mandate)
        case forms.EndMandateForm():
            return s.EndMandate(author=by, evidence=evidence, mandate=form.mandate)
        case _:
            assert_never(form)


def evidence_of(form: forms.EvidenceForm | None) -> s.Evidence | None:
    """What was shown, as a registration holds it."""
    return s.Evidence(proof=form.proof, reference=form.reference) if form else None


def _party(form: forms.PartyForm, path: str) -> s.Party:
    try:
        number = _valid_number(form.party_kind, form.number)
    except InvalidNumber:
        raise Problem(400, "malformed-identifier", [FieldIssue(path=path, code="number")]) from None
    return s.Party(party_kind=form.party_kind, number=number, name=form.name)


def _valid_number(kind: s.PartyKind, number: str) -> str:
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
