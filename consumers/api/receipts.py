"""A pharmacy's own receipts and gap notices: searched, or followed as server-sent events."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from consumers.api.audit import positions_used
from consumers.api.forms import ReceiptsForm
from consumers.api.freshness import behind_if_told
from consumers.api.ports import Dependencies, PositionTimeout
from consumers.api.problems import Problem
from consumers.api.tokens import Principal
from projections.quality_queries import ReceiptRow
from schemas import strictjson
from schemas.audit import PositionUsed
from schemas.dispensation import MAX_OUTPUT_BYTES
from schemas.receipts import GAP_CLOSED, GAP_NOTICED, RECEIPT
from schemas.topics import DISPENSATION_RECEIPTS

PROJECTION: Final = "quality"
STREAM_PAGE: Final = 200
KINDS: Final = {RECEIPT: "receipt", GAP_NOTICED: "gap_noticed", GAP_CLOSED: "gap_closed"}
_MAX_CURSOR_CHARS: Final = 18


class ReceiptView(BaseModel):
    """A receipt or notice as the stage wrote it; `cursor` continues behind it."""

    kind: str
    cursor: str
    body: dict[str, Any]


class ReceiptsAnswer(BaseModel):
    """One page, oldest first; `next` is where to go on, absent before the first receipt."""

    receipts: tuple[ReceiptView, ...]
    next: str | None = None
    more: bool
    as_of: datetime
    positions: tuple[PositionUsed, ...]
    behind: int | None = None
    """Receipts that the log had and the projection had not applied, of everybody; absent if the
    log does not say."""


def pharmacy_of(principal: Principal) -> str:
    """The pharmacy whose receipts a principal may read.

    Raises:
        Problem: 403, the role has none.
    """
    if principal.role != "pharmacy" or principal.organisation is None:
        raise Problem(403, "role-not-allowed")
    return principal.organisation


async def search(deps: Dependencies, principal: Principal, form: ReceiptsForm) -> ReceiptsAnswer:
    """Receipts behind a cursor."""
    limit = min(form.limit or deps.settings.page_default, deps.settings.page_max)
    now, positions = deps.clock(), receipt_positions(deps)
    after = int(form.after) if form.after is not None else -1
    rows = await deps.store.receipts(pharmacy=pharmacy_of(principal), after=after, limit=limit + 1)
    shown = rows[:limit]
    following = shown[-1].offset if shown else after
    return ReceiptsAnswer(
        receipts=tuple(_view(row) for row in shown),
        next=str(following) if following >= 0 else None,
        more=len(rows) > limit,
        as_of=now,
        positions=positions,
        behind=await behind_if_told(deps, positions),
    )


def receipt_positions(deps: Dependencies) -> tuple[PositionUsed, ...]:
    """How far the receipts are projected."""
    return positions_used(deps, PROJECTION, DISPENSATION_RECEIPTS.name)


def _view(row: ReceiptRow) -> ReceiptView:
    body = strictjson.parse(row.body, max_bytes=MAX_OUTPUT_BYTES)
    return ReceiptView(
        kind=KINDS.get(row.type, row.type),
        cursor=str(row.offset),
        body=body if isinstance(body, dict) else {},
    )


def resume_after(last_event_id: str | None) -> int:
    """Where a stream goes on; -1 is the beginning.

    Raises:
        Problem: 400, the header is no id that a stream gave out.
    """
    if last_event_id is None:
        return -1
    text = last_event_id.strip()
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_CURSOR_CHARS:
        raise Problem(400, "malformed-cursor")
    return int(text)


async def stream(
    deps: Dependencies, pharmacy: str, after: int, is_gone: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    """Server-sent events without end, for as long as a token may live: the caller comes back."""
    topic = DISPENSATION_RECEIPTS.name
    partition = deps.log.partition_of(topic, pharmacy.encode())
    ends_at = deps.clock().timestamp() + deps.settings.stream_seconds
    yield b": connected\n\n"
    while deps.clock().timestamp() < ends_at and not await is_gone():
        seen = deps.positions.current(PROJECTION, topic, partition)
        rows = await deps.store.receipts(pharmacy=pharmacy, after=after, limit=STREAM_PAGE)
        for row in rows:
            after = row.offset
            yield _event(row)
        if rows:
            continue
        try:
            await deps.positions.wait(
                PROJECTION, topic, partition, seen + 1, deps.settings.stream_poll
            )
        except PositionTimeout:
            yield b": still here\n\n"


def _event(row: ReceiptRow) -> bytes:
    kind = KINDS.get(row.type, "receipt")
    # A receipt is one line of JSON, so it is one `data` field.
    return f"id: {row.offset}\nevent: {kind}\ndata: ".encode() + row.body + b"\n\n"
