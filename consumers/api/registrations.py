"""Registrations through the API: form, authorship, sealing, and the wait for the committed fact.

The subject stage decides; the API vouches for authentication only. 201 is answered once a
`read_committed` reader has returned the fact, so that any later read respects it.
"""

import hashlib
import hmac
import uuid
from typing import Final, assert_never

from pydantic import BaseModel
from stdnum.exceptions import ValidationError as InvalidNumber

from consumers.api import forms, metrics
from consumers.api.callers import subject_of
from consumers.api.ports import Dependencies, RegistrationOutcome
from consumers.api.problems import FieldIssue, Problem, unavailable
from consumers.api.tokens import Principal
from schemas import subject as s
from schemas.canonical import lp
from schemas.identifiers import cbe, nihdi, niss, pharmacy
from schemas.sealing.pseudonym import party_pseudonym

TYPES: Final[dict[type[s.Registration], str]] = {m: name for name, m in s.REGISTRATIONS.items()}
MAX_ID_CHARS: Final = 36
_RANDOM_BYTES: Final = 9
_OURS: Final = frozenset(
    {"SESSION_UNKNOWN", "SESSION_EXPIRED", "SEAL_BROKEN", "PUBLISHER_UNKNOWN", "CONTRACT_NOT_VALID"}
)
"""Refusals that are the registrar's fault, not the caller's: another session may mend them."""
_MARK_BYTES: Final = 7


class FactView(BaseModel):
    """Where the fact stands in `dpp.subject.registered`."""

    fact: str
    partition: int
    offset: int


class RegistrationAnswer(BaseModel):
    """What is known of a registration; `state` is `committed`, `refused` or `pending`."""

    id: str
    state: str
    outcome: str | None = None
    facts: tuple[FactView, ...] = ()
    errors: tuple[FieldIssue, ...] = ()


def new_id(key: bytes, owner: str, seed: bytes) -> str:
    """A registration id (a UUID) that carries a keyed mark of its owner.

    So the owner, and nobody else, can ask for the receipt later, at any API process.
    """
    marked = seed[:_RANDOM_BYTES] + _mark(key, owner, seed[:_RANDOM_BYTES])
    return str(uuid.UUID(bytes=marked))


def belongs(key: bytes, owner: str, registration: str) -> bool:
    """Whether `new_id` made this id for that owner."""
    try:
        marked = uuid.UUID(registration).bytes
    except ValueError:
        return False
    expected = _mark(key, owner, marked[:_RANDOM_BYTES])
    return hmac.compare_digest(marked[_RANDOM_BYTES:], expected)


def _mark(key: bytes, owner: str, random: bytes) -> bytes:
    material = lp("dpp-registration-id-v1", owner, random)
    return hmac.digest(key, material, hashlib.sha256)[:_MARK_BYTES]


async def owner_of(deps: Dependencies, principal: Principal) -> str:
    """Under whom a registration's id is marked: the pseudonym of the person who registers."""
    key = await deps.vault.root_key("pseudonym")
    if principal.niss is not None:
        return party_pseudonym(key, "citizen", principal.niss)
    if principal.nihdi is not None:
        return party_pseudonym(key, "professional", principal.nihdi)
    raise Problem(403, "role-not-allowed")


async def register(
    deps: Dependencies,
    principal: Principal,
    form: forms.RegistrationForm,
    idempotency_key: str | None = None,
) -> tuple[int, RegistrationAnswer]:
    """Submits a registration and waits for its outcome; answers 201 or 202.

    The same key of the same caller about the same patient gives the same registration id, so the
    stage takes a repeated request for what it is.

    Raises:
        Problem: 400 malformed, 403 a role that registers nothing, 422 refused by the stage, 503
            the stage does not accept the registrar's session.
    """
    number = form.patient or principal.niss
    if number is None:
        raise Problem(400, "malformed-request", [FieldIssue(path="/patient", code="missing")])
    subject = await subject_of(deps.vault, number)
    body = build(form, author(principal, number))
    owner = await owner_of(deps, principal)
    # Hashed, since bytes 6 and 8 of a random UUID hold its version.
    seed = hashlib.sha256(lp(owner, subject, idempotency_key or deps.new_id())).digest()
    id_ = new_id(await deps.vault.root_key("cursor"), owner, seed)
    place = await deps.registrar.submit(
        subject=subject, type_=TYPES[type(body)], id_=id_, body=body.write()
    )
    outcome = await deps.outcomes.wait(id_, place, deps.settings.registration_timeout)
    answer = describe(id_, outcome)
    if any(error.code in _OURS for error in answer.errors):
        deps.registrar.forget_session()
        raise unavailable("unavailable")
    status = {"committed": 201, "refused": 422}.get(answer.state, 202)
    metrics.REGISTRATIONS.labels(form.kind, str(status)).inc()
    if answer.state == "refused":
        raise Problem(422, "registration-refused", answer.errors)
    return status, answer


async def ask(deps: Dependencies, principal: Principal, registration: str) -> RegistrationAnswer:
    """What is known of a registration that this principal made.

    Raises:
        Problem: 404, it is not theirs.
    """
    owner = await owner_of(deps, principal)
    if not belongs(await deps.vault.root_key("cursor"), owner, registration):
        raise Problem(404, "not-found")
    return describe(registration, deps.outcomes.find(registration))


def describe(id_: str, outcome: RegistrationOutcome | None) -> RegistrationAnswer:
    """The answer that stands for an outcome; what is not known yet is `pending`."""
    if outcome is None:
        return RegistrationAnswer(id=id_, state="pending")
    receipt, final, issues = outcome.receipt, outcome.receipt.outcome, outcome.receipt.issues
    if receipt.original is not None:
        # A repeated registration has the outcome of the first.
        final, issues = receipt.original.outcome, receipt.original.issues
    errors = tuple(
        FieldIssue(path=issue.path, code=issue.code)
        for issue in issues
        if issue.severity == "reject"
    )
    facts = tuple(
        FactView(fact=one.fact, partition=one.partition, offset=one.offset) for one in outcome.facts
    )
    if final == "rejected":
        return RegistrationAnswer(id=id_, state="refused", outcome="rejected", errors=errors)
    state = "committed" if outcome.committed else "pending"
    return RegistrationAnswer(id=id_, state=state, outcome=final, facts=facts)


def author(principal: Principal, patient: str) -> s.Author:
    """Who registers, and in which role.

    Raises:
        Problem: 403, the principal's role registers nothing.
    """
    person, role = _person(principal, patient)
    organisation = (
        s.Party(party_kind="organisation", number=principal.organisation)
        if principal.organisation
        else None
    )
    return s.Author(
        role=role,
        person=person,
        organisation=organisation,
        token_issuer=principal.issuer,
        token_id=principal.token_id,
    )


def _person(principal: Principal, patient: str) -> tuple[s.Party, s.AuthorRole]:
    if principal.role == "patient" and principal.niss is not None:
        own = niss.compact(patient) == principal.niss
        party = s.Party(party_kind="citizen", number=principal.niss, name=principal.name)
        return party, "patient" if own else "mandate_holder"
    if principal.role in ("caregiver", "pharmacist") and principal.nihdi is not None:
        party = s.Party(party_kind="professional", number=principal.nihdi, name=principal.name)
        return party, "caregiver" if principal.role == "caregiver" else "pharmacist"
    raise Problem(403, "role-not-allowed")


def build(form: forms.RegistrationForm, by: s.Author) -> s.Registration:
    """The registration's body.

    Raises:
        Problem: 400, a number in it is malformed.
    """
    evidence = _evidence(form.evidence)
    match form:
        case forms.GiveConsentForm():
            return s.GiveConsent(author=by, evidence=evidence)
        case forms.WithdrawConsentForm():
            return s.WithdrawConsent(author=by, evidence=evidence)
        case forms.DeclareLinkForm() | forms.RevokeLinkForm():
            return _build_link(form, by, evidence)
        case forms.PutExclusionForm():
            party = _party(form.party, "/party/number")
            return s.PutExclusion(author=by, evidence=evidence, party=party)
        case forms.LiftExclusionForm():
            return s.LiftExclusion(author=by, evidence=evidence, exclusion=form.exclusion)
        case _:
            return _build_mandate(form, by, evidence)


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


def _evidence(form: forms.EvidenceForm | None) -> s.Evidence | None:
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
