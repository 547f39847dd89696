"""Two numbers of one person: a merge is two registrations with one merge id, about two subjects.

The half about the number that is given up goes first, so that from then on neither is read until
both stand. If the other half is refused, the first is taken back.
"""

import hashlib

from consumers.api import registration_forms, registrations
from consumers.api.bodies import author, evidence_of
from consumers.api.callers import subject_of
from consumers.api.ports import Dependencies
from consumers.api.problems import FieldIssue, Problem
from consumers.api.registrations import RegistrationAnswer, acknowledge
from consumers.api.tokens import Principal
from schemas import registrations as r
from schemas.identifiers import niss


async def register(
    deps: Dependencies,
    principal: Principal,
    form: registration_forms.MergeForm,
    idempotency_key: str | None,
) -> tuple[int, RegistrationAnswer]:
    """Submits both halves, one after the other; 201 once both facts are committed.

    Raises:
        Problem: 400 malformed, 403 a role that registers nothing, 422 a half was refused, 503 the
            stage does not accept the registrar's session.
    """
    surviving = registrations.patient_of(form, principal)
    subjects = (
        await subject_of(deps.vault, form.replaced, "/replaced"),
        await subject_of(deps.vault, surviving),
    )
    seed = idempotency_key or deps.new_id()
    first = await registrations.id_for(deps, principal, subjects[0], seed)
    second = await half_of(deps, principal, first)
    bodies = _bodies(form, author(principal, form, surviving), (form.replaced, surviving), first)
    answer = await registrations.submit(deps, subjects[0], first, bodies[0])
    if answer.state != "committed":
        return acknowledge(form, answer)
    other = await registrations.submit(deps, subjects[1], second, bodies[1])
    if other.state == "refused" and isinstance(bodies[0], r.MergeIdentity):
        back = r.RevokeMerge(
            author=bodies[0].author, evidence=bodies[0].evidence, merge=bodies[0].merge
        )
        undo = await registrations.id_for(deps, principal, subjects[0], second)
        await registrations.submit(deps, subjects[0], undo, back)
    return acknowledge(form, joined(answer, other))


async def ask(deps: Dependencies, principal: Principal, merge: str) -> RegistrationAnswer:
    """What is known of a merge that this principal made, by the id of its first half.

    Raises:
        Problem: 404, it is not theirs.
    """
    first = await registrations.ask(deps, principal, merge)
    outcome = deps.outcomes.find(merge)
    halves = (r.MERGE_IDENTITY, r.REVOKE_MERGE)
    if outcome is None or outcome.receipt.submission.type not in halves:
        return first
    second = await half_of(deps, principal, merge)
    return joined(first, registrations.describe(second, deps.outcomes.find(second)))


def joined(first: RegistrationAnswer, second: RegistrationAnswer) -> RegistrationAnswer:
    """One answer of both halves: refused if one is, pending until both are committed."""
    states = {first.state, second.state}
    state = next((one for one in ("refused", "pending") if one in states), "committed")
    return first.model_copy(
        update={
            "state": state,
            "outcome": second.outcome,
            "facts": (*first.facts, *second.facts),
            "errors": (*first.errors, *second.errors),
        }
    )


async def half_of(deps: Dependencies, principal: Principal, first: str) -> str:
    """The id of the other half, so that one id finds both."""
    owner = await registrations.owner_of(deps, principal)
    seed = hashlib.sha256(first.encode()).digest()
    return registrations.new_id(await deps.vault.root_key("cursor"), owner, seed)


def _bodies(
    form: registration_forms.MergeForm, by: r.Author, numbers: tuple[str, str], id_: str
) -> tuple[r.Registration, r.Registration]:
    evidence = evidence_of(form.evidence)
    if isinstance(form, registration_forms.RevokeMergeForm):
        half = r.RevokeMerge(author=by, evidence=evidence, merge=form.merge)
        return half, half
    if niss.compact(numbers[0]) == niss.compact(numbers[1]):
        raise Problem(400, "malformed-request", [FieldIssue(path="/replaced", code="same")])
    replaced, surviving = (
        r.Party(party_kind="citizen", number=niss.validate(one)) for one in numbers
    )
    return (
        r.MergeIdentity(author=by, evidence=evidence, merge=id_, other=surviving, side="replaced"),
        r.MergeIdentity(author=by, evidence=evidence, merge=id_, other=replaced, side="surviving"),
    )
