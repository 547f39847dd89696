"""The patient's access log: every decision about their data, refused ones too, in plain words.

Reading it is itself recorded, and shows in the next reading.
"""

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import audit
from consumers.api.audit import Decision, positions_used
from consumers.api.callers import Caller
from consumers.api.cursors import CursorBook, PageMark, SortKey
from consumers.api.freshness import behind
from consumers.api.people import PersonView, open_parameters, open_readers
from consumers.api.ports import Dependencies
from consumers.api.reads import Page
from consumers.api.settling import access_policy, settle, step
from consumers.api.texts import Text, Told, basis_text, purpose_text, role_text, sentence
from consumers.api.views import WindowView
from projections.access import Permit, window_end, window_start
from projections.queries import AccessLogRow
from schemas.audit import PositionUsed, ReaderIdentity, RequestParameters, Window
from schemas.topics import ACCESS_AUDITED

PROJECTION: Final = "access_log"


class AccessView(BaseModel):
    """One decision: who, in which role, for whom, when, why, with what result, which data."""

    id: str
    at: datetime
    reader: PersonView | None = None
    """Absent when the reader's identity can no longer be opened."""
    role: str
    profession: str | None = None
    organisation: str | None = None
    on_your_behalf: bool = False
    purpose: str
    decision: str
    basis: str | None = None
    words: Text
    """Why access was given or refused, in fr, nl, de and en."""
    role_words: Text
    purpose_words: Text
    sentence: Text
    """All of it as one sentence."""
    window: WindowView | None = None
    rows: int
    endpoint: str | None = None
    """Which address was asked; absent, like `motivation`, once the data were erased."""
    motivation: str | None = None
    motivation_type: str | None = None
    dguid: str | None = None
    """The one line that was asked for."""


class AccessLogAnswer(BaseModel):
    """One page of the access log, newest first."""

    accesses: tuple[AccessView, ...]
    next: str | None = None
    window: WindowView
    as_of: datetime
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


async def answer(deps: Dependencies, caller: Caller, page: Page) -> AccessLogAnswer:
    """Reads a page, records the reading, answers.

    Raises:
        Problem: 400 wrong cursor, 503 stale or not recorded.
    """
    subject = caller.pseudonym
    settled = await settle(deps, [subject])
    book = CursorBook(await deps.vault.root_key("cursor"), subject, "access_log")
    mark = book.open(page.cursor) if page.cursor else None
    now = deps.clock()
    version, policy = access_policy(deps, now)
    facts = await deps.store.access_facts(subject=subject, at=now)
    window = Window(start=window_start(now, policy.access_log_months), end=window_end(now))
    positions = (*settled, *positions_used(deps, PROJECTION, ACCESS_AUDITED.name))
    with step("fetch"):
        rows = await deps.store.access_log(
            subject=subject,
            start=window.start,
            limit=page.limit + 1,
            after=mark.after if mark else None,
            also=facts.person,
        )
    shown = rows[: page.limit]
    readers = await open_readers(deps.vault, shown)
    asked = await open_parameters(deps.vault, shown)
    decision = Decision(
        caller=caller,
        purpose="access_log",
        outcome=Permit("own_data", (), "patient", window.start, window.end, ()),
        parameters=RequestParameters(
            endpoint=page.endpoint, window=window, limit=page.limit, cursor=mark is not None
        ),
        policy_version=version.version,
        decided_at=now,
        positions=positions,
        subject=subject,
        generation=facts.generation,
        rows=len(shown),
    )
    missing = await behind(deps, positions)
    with step("audit"):
        await audit.record(deps, [decision])
    return AccessLogAnswer(
        accesses=tuple(_view(row, readers.get(row.ce_id), asked.get(row.ce_id)) for row in shown),
        next=_next(book, rows, page, now),
        window=WindowView(start=window.start, end=window.end),
        as_of=now,
        policy_version=version.version,
        positions=positions,
        behind=missing,
    )


def _next(book: CursorBook, rows: list[AccessLogRow], page: Page, now: datetime) -> str | None:
    if len(rows) <= page.limit:
        return None
    last = rows[page.limit - 1]
    after = SortKey(at=last.decided_at, parts=(last.ce_id,))
    return book.seal(PageMark(after=after, as_of=now))


def _view(
    row: AccessLogRow, identity: ReaderIdentity | None, asked: RequestParameters | None
) -> AccessView:
    window = (
        WindowView(start=row.window_start, end=row.window_end)
        if row.window_start is not None and row.window_end is not None
        else None
    )
    view = AccessView(
        id=row.ce_id,
        at=row.decided_at,
        reader=_reader(row, identity),
        role=row.role,
        profession=row.profession,
        organisation=identity.organisation if identity else None,
        on_your_behalf=row.on_behalf_of is not None,
        purpose=row.purpose,
        decision=row.decision,
        basis=row.basis,
        words=basis_text(row.basis, row.reason, row.detail),
        role_words=role_text(row.role, row.profession),
        purpose_words=purpose_text(row.purpose),
        sentence={},
        window=window,
        rows=row.rows,
        endpoint=asked.endpoint if asked else None,
        motivation=asked.motivation if asked else None,
        motivation_type=asked.motivation_type if asked else None,
        dguid=asked.dguid if asked else None,
    )
    return view.model_copy(update={"sentence": sentence(_told(view))})


def _told(view: AccessView) -> Told:
    reader = view.reader
    return Told(
        at=view.at,
        name=reader.name if reader else None,
        number=reader.number if reader else None,
        organisation=view.organisation,
        role=view.role_words,
        purpose=view.purpose_words,
        reason=view.words,
        on_your_behalf=view.on_your_behalf,
        window=(view.window.start, view.window.end) if view.window else None,
        rows=view.rows,
        granted=view.decision == "permit",
    )


def _reader(row: AccessLogRow, identity: ReaderIdentity | None) -> PersonView | None:
    """Who asked. Another citizen is shown by name only, since their number is theirs."""
    if identity is None:
        return None
    if row.role == "patient":
        number = identity.person if row.basis == "own_data" else None
        return PersonView(kind="citizen", number=number, name=identity.name)
    kind = "organisation" if row.role == "pharmacy" else "professional"
    return PersonView(kind=kind, number=identity.person, name=identity.name)
