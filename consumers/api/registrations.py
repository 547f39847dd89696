"""Registrations through the API: sealed, submitted, and answered once the fact is committed.

The subject stage decides; the API vouches for authentication only. 201 is answered once a
`read_committed` reader has returned the fact, so that any later read respects it.
"""

import hashlib
import hmac
import uuid
from typing import Final

from pydantic import BaseModel

from consumers.api import metrics, registration_forms
from consumers.api.bodies import author, build
from consumers.api.callers import subject_of
from consumers.api.ports import Dependencies, RegistrationOutcome
from consumers.api.problems import FieldIssue, Problem, unavailable
from consumers.api.tokens import Principal
from schemas import registrations as r
from schemas.canonical import lp
from schemas.sealing.pseudonym import party_pseudonym

TYPES: Final[dict[type[r.Registration], str]] = {m: name for name, m in r.REGISTRATIONS.items()}
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
    form: registration_forms.SingleForm,
    idempotency_key: str | None = None,
) -> tuple[int, RegistrationAnswer]:
    """Submits a registration and waits for its outcome; answers 201 or 202.

    The same key of the same caller about the same patient gives the same registration id, so the
    stage takes a repeated request for what it is.

    Raises:
        Problem: 400 malformed, 403 a role that registers nothing, 422 refused by the stage, 503
            the stage does not accept the registrar's session.
    """
    number = patient_of(form, principal)
    subject = await subject_of(deps.vault, number)
    body = build(form, author(principal, form, number))
    id_ = await id_for(deps, principal, subject, idempotency_key or deps.new_id())
    answer = await submit(deps, subject, id_, body)
    return acknowledge(form, answer)


def patient_of(form: registration_forms.RegistrationForm, principal: Principal) -> str:
    """The number of whom it is about: of the caller where the form names nobody.

    Raises:
        Problem: 400, nobody is named, and the caller's role has to name somebody.
    """
    number = form.patient or (principal.niss if principal.role == "patient" else None)
    if number is None:
        raise Problem(400, "malformed-request", [FieldIssue(path="/patient", code="missing")])
    return number


async def id_for(deps: Dependencies, principal: Principal, subject: str, seed: str) -> str:
    """The id of a registration; the same seed of the same caller about the same patient, the same.

    Raises:
        Problem: 403, the principal's role registers nothing.
    """
    owner = await owner_of(deps, principal)
    # Hashed, since bytes 6 and 8 of a random UUID hold its version.
    digest = hashlib.sha256(lp(owner, subject, seed)).digest()
    return new_id(await deps.vault.root_key("cursor"), owner, digest)


async def submit(
    deps: Dependencies, subject: str, id_: str, body: r.Registration
) -> RegistrationAnswer:
    """Seals and appends one registration, and waits for its outcome.

    Raises:
        Problem: 503, the stage does not accept the registrar's session.
    """
    place = await deps.registrar.submit(
        subject=subject, type_=TYPES[type(body)], id_=id_, body=body.write()
    )
    outcome = await deps.outcomes.wait(id_, place, deps.settings.registration_timeout)
    answer = describe(id_, outcome)
    if any(error.code in _OURS for error in answer.errors):
        deps.registrar.forget_session()
        raise unavailable("unavailable")
    return answer


def acknowledge(
    form: registration_forms.RegistrationForm, answer: RegistrationAnswer
) -> tuple[int, RegistrationAnswer]:
    """201 once it is committed, 202 until then.

    Raises:
        Problem: 422, the stage refused it.
    """
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
