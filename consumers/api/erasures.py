"""Steps of an erasure: each is registered under every number that the patient has.

Every number decides for itself, in its own partition; the answer is that of all. A step that one of
them refuses is not taken back under the others: asked again with what was missing, it completes.
"""

from typing import assert_never

from consumers.api import registration_forms, registrations
from consumers.api.bodies import author as author_for
from consumers.api.bodies import evidence_of
from consumers.api.callers import subject_of
from consumers.api.merges import half_of, joined
from consumers.api.ports import Dependencies
from consumers.api.registrations import RegistrationAnswer, acknowledge
from consumers.api.settling import settle
from consumers.api.tokens import Principal
from schemas import registrations as r


async def register(
    deps: Dependencies,
    principal: Principal,
    form: registration_forms.ErasureForm,
    idempotency_key: str | None,
) -> tuple[int, RegistrationAnswer]:
    """Submits the step under each number in turn; 201 once all facts are committed.

    Raises:
        Problem: 400 malformed, 403 a role that registers nothing, 422 it was refused, 503 the stage
            does not accept the registrar's session, or the numbers of the patient are not known.
    """
    number = registrations.patient_of(form, principal)
    by = author(principal, form, number)
    named = await subject_of(deps.vault, number)
    id_ = first = await registrations.id_for(
        deps, principal, named, idempotency_key or deps.new_id()
    )
    body = build(form, by, first)
    answer: RegistrationAnswer | None = None
    for subject in await _numbers(deps, named):
        told = await registrations.submit(deps, subject, id_, body)
        answer = told if answer is None else joined(answer, told)
        id_ = await half_of(deps, principal, id_)
    if answer is None:
        raise AssertionError("a patient has a number")
    return acknowledge(form, answer)


def author(
    principal: Principal, form: registration_forms.ErasureForm, patient: str
) -> r.ErasureAuthor:
    """Who takes the step: a privacy officer, or whoever may act for the patient.

    Raises:
        Problem: 403, the principal's role has no part in it.
    """
    if principal.role == "privacy_officer" and principal.niss and principal.organisation:
        return r.ErasureAuthor(
            role=principal.role,
            person=r.Party(party_kind="citizen", number=principal.niss, name=principal.name),
            organisation=r.Party(party_kind="organisation", number=principal.organisation),
            basis=form.basis,
            token_issuer=principal.issuer,
            token_id=principal.token_id,
        )
    by = author_for(principal, form, patient)
    return r.ErasureAuthor(
        role=by.role,
        person=by.person,
        organisation=by.organisation,
        profession=by.profession,
        basis=by.basis,
        token_issuer=by.token_issuer,
        token_id=by.token_id,
    )


def build(form: registration_forms.ErasureForm, by: r.ErasureAuthor, id_: str) -> r.Registration:
    """The registration's body; `id_` names the erasure or hold that it begins."""
    evidence = evidence_of(form.evidence)
    match form:
        case registration_forms.RequestErasureForm():
            return r.RequestErasure(
                author=by,
                evidence=evidence,
                erasure=id_,
                ground=form.ground,
                explanation=form.explanation,
            )
        case registration_forms.ApproveErasureForm():
            return r.ApproveErasure(author=by, evidence=evidence, erasure=form.erasure)
        case registration_forms.RejectErasureForm():
            return r.RejectErasure(
                author=by,
                evidence=evidence,
                erasure=form.erasure,
                explanation=form.explanation,
            )
        case registration_forms.ExecuteErasureForm():
            return r.ExecuteErasure(author=by, evidence=evidence, erasure=form.erasure)
        case registration_forms.PlaceHoldForm():
            return r.PlaceHold(author=by, evidence=evidence, hold=id_, explanation=form.explanation)
        case registration_forms.LiftHoldForm():
            return r.LiftHold(author=by, evidence=evidence, hold=form.hold)
        case _:
            assert_never(form)


async def _numbers(deps: Dependencies, subject: str) -> tuple[str, ...]:
    """Every subject that is this person, by merges that stand; the one named comes first."""
    await settle(deps, {subject})
    facts = await deps.store.access_facts(subject=subject, at=deps.clock())
    return (subject, *(one for one in facts.person if one != subject))
