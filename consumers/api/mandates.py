"""Oneself and everybody who gave one a mandate, in one call (MesMédicaments).

All partitions are waited for, since a mandate stands with the one who gave it; every person is
decided and recorded separately, and all records are durable before anything is answered. Whoever
turns out to be refused is left out.
"""

from datetime import datetime

from pydantic import BaseModel

from consumers.api import audit
from consumers.api.callers import Caller
from consumers.api.people import PersonView, open_contents, person
from consumers.api.ports import Dependencies
from consumers.api.problems import Problem
from consumers.api.reads import Page, read_history
from consumers.api.settling import settle, step
from consumers.api.views import HistoryAnswer
from projections.registered import RegistrationRow


class MandatorView(BaseModel):
    """One person's history and, unless it is oneself, by which mandate."""

    own: bool
    mandate: str | None = None
    valid_until: datetime | None = None
    person: PersonView | None = None
    """Absent when the name behind a mandate can no longer be read."""
    history: HistoryAnswer


class MandatesAnswer(BaseModel):
    """Oneself first, then those who gave one a mandate."""

    people: tuple[MandatorView, ...]


async def answer(deps: Dependencies, caller: Caller, page: Page) -> MandatesAnswer:
    """Reads oneself and all mandators.

    Raises:
        Problem: 403 not even one's own data may be read, 503 stale or not recorded.
    """
    settled = await settle(deps, None)
    held = await deps.store.mandates_held(holder=caller.pseudonym)
    by_subject = _first_by_subject(held, caller.pseudonym)
    subjects = [caller.pseudonym, *by_subject]
    # One after the other: a page of each, from one pool of connections.
    reads = [await read_history(deps, caller, one, page, settled) for one in subjects]
    contents = await open_contents(deps.vault, list(by_subject.values()))
    with step("audit"):
        await audit.record(deps, [read.decision for read in reads])
    if not any(read.answer for read in reads):
        raise Problem(403, "access-refused")
    people: list[MandatorView] = []
    for subject, read in zip(subjects, reads, strict=True):
        if read.answer is None:
            continue
        row = by_subject.get(subject)
        if row is None:
            people.append(MandatorView(own=True, person=_oneself(caller), history=read.answer))
            continue
        content = contents.get(row.ce_id)
        people.append(
            MandatorView(
                own=False,
                mandate=row.id,
                valid_until=row.valid_until,
                person=person(content.author.person) if content else None,
                history=read.answer,
            )
        )
    return MandatesAnswer(people=tuple(people))


def _first_by_subject(held: list[RegistrationRow], own: str) -> dict[str, RegistrationRow]:
    found: dict[str, RegistrationRow] = {}
    for row in sorted(held, key=lambda one: one.id):
        if row.accepted_at is not None and row.ended_at is None and row.subject != own:
            found.setdefault(row.subject, row)
    return found


def _oneself(caller: Caller) -> PersonView:
    principal = caller.principal
    return PersonView(kind="citizen", number=principal.niss or "", name=principal.name)
