"""What is registered about oneself, and the mandates that one holds or is offered."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import audit
from consumers.api.audit import Decision
from consumers.api.callers import Caller
from consumers.api.freshness import behind
from consumers.api.people import PersonView, open_contents, person
from consumers.api.ports import Dependencies
from consumers.api.settling import access_policy, settle, step
from projections import registered
from projections.access import Permit, window_end
from projections.registered import RegistrationRow
from schemas.audit import Basis, PositionUsed, RequestParameters
from schemas.subject import SubjectContent

ENDPOINT: Final = "/v1/me/registrations"


class RegistrationView(BaseModel):
    """A consent, link, exclusion or mandate, in force or ended."""

    kind: str
    id: str
    state: str
    """`active`, `waiting` (a mandate not accepted yet), `expired` or `ended`."""
    type: str | None = None
    party: PersonView | None = None
    registered_at: datetime
    registered_by: PersonView | None = None
    author_role: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    ended_at: datetime | None = None


class OverviewAnswer(BaseModel):
    """`registrations` about oneself; `mandates_held` from others, waiting ones included."""

    registrations: tuple[RegistrationView, ...]
    mandates_held: tuple[RegistrationView, ...]
    as_of: datetime
    stood_at: datetime | None = None
    """The moment as of which `registrations` were asked for, if not now."""
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


async def answer(
    deps: Dependencies, caller: Caller, endpoint: str = ENDPOINT, stood_at: datetime | None = None
) -> OverviewAnswer:
    """Reads it, records it under oneself and under each person whose mandate is shown, answers.

    `stood_at` asks for what was registered about oneself as it stood at that moment; the mandates
    that one holds from others are those of now.

    Raises:
        Problem: 503 stale or not recorded.
    """
    settled = await settle(deps, None)
    now = deps.clock()
    version, _ = access_policy(deps, now)
    own = await deps.store.registrations_of(subject=caller.pseudonym)
    if stood_at is not None:
        own = registered.stood_at(own, stood_at)
    held = await deps.store.mandates_held(holder=caller.pseudonym)
    facts = await deps.store.access_facts(subject=caller.pseudonym, at=now)
    contents = await open_contents(deps.vault, [*own, *held])

    def decision(subject: str, generation: int, basis: Basis, refs: tuple[str, ...]) -> Decision:
        permit = Permit(basis, refs, "patient", now, window_end(now), ())
        return Decision(
            caller=caller,
            purpose="registrations",
            outcome=permit,
            parameters=RequestParameters(endpoint=endpoint, as_of=stood_at),
            policy_version=version.version,
            decided_at=now,
            positions=settled,
            subject=subject,
            generation=generation,
            rows=len(own) if subject == caller.pseudonym else len(refs),
        )

    decisions = [decision(caller.pseudonym, facts.generation, "own_data", ())]
    for subject, generation in sorted({(row.subject, row.generation) for row in held}):
        refs = tuple(row.id for row in held if row.subject == subject)
        decisions.append(decision(subject, generation, "mandate", refs))
    missing = await behind(deps, settled)
    with step("audit"):
        await audit.record(deps, decisions)
    return OverviewAnswer(
        registrations=tuple(_view(row, contents.get(row.ce_id), stood_at or now) for row in own),
        mandates_held=tuple(_held(row, contents.get(row.ce_id), now) for row in held),
        as_of=now,
        stood_at=stood_at,
        policy_version=version.version,
        positions=settled,
        behind=missing,
    )


def _view(row: RegistrationRow, content: SubjectContent | None, now: datetime) -> RegistrationView:
    return RegistrationView(
        kind=row.kind,
        id=row.id,
        state=state_of(row, now),
        type=row.variety,
        party=person(content.party) if content else None,
        registered_at=row.recorded_at,
        registered_by=person(content.author.person) if content else None,
        author_role=row.author_role,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        ended_at=row.ended_at,
    )


def _held(row: RegistrationRow, content: SubjectContent | None, now: datetime) -> RegistrationView:
    """A mandate from its holder's side: the other party is the one who gave it."""
    view = _view(row, content, now)
    return view.model_copy(update={"party": view.registered_by})


def state_of(row: RegistrationRow, now: datetime) -> str:
    """Whether a registration holds at `now`."""
    if row.ended_at is not None:
        return "ended"
    if row.valid_until is not None and row.valid_until <= now:
        return "expired"
    if row.kind == "mandate" and row.accepted_at is None:
        return "waiting"
    return "active"
