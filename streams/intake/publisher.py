"""The publisher that pharmacy software embeds: store, number, seal, send, hear the outcome.

`register`, `correct` and `revoke` return once a submission is durably in the outbox, with or
without a network. `flush` sends what waits, in the order of the numbers. `receipts` brings the
outcomes. Each submission keeps its id and number however often it must be sent.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self, TypeVar

import stamina

from schemas.dispensation import (
    CORRECT,
    MAX_LINES,
    MAX_SUBMISSION_BYTES,
    REGISTER,
    REVOKE,
    CorrectBody,
    RegisterBody,
    RevokeBody,
    SubmissionBody,
)
from schemas.receipts import Receipt
from streams.intake.keys import SigningKey
from streams.intake.outbox import Entry, Outbox, State
from streams.intake.session import (
    Attributes,
    Session,
    WireRecord,
    open_session,
    seal_submission,
)
from streams.intake.settling import Effect, Settled, settle
from streams.intake.transports import Answer, Letter, Page, Transport, TransportUnavailable

RENEW_BEFORE: Final = timedelta(minutes=15)
"""A session that ends sooner is not used for anything new."""
SEAL_BYTES: Final = 28
"""What sealing adds to a body: nonce and tag."""
BEGINNING: Final = "-1"
"""The cursor before every letter."""
_MAX_EARLY: Final = 1000
_FOLLOW_WAIT: Final = 30.0


class SubmissionTooLarge(Exception):
    """A body has more lines or bytes than one submission may have: split it."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush did: entries sent, entries that still wait, and why they do."""

    sent: int
    waiting: int
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """One receipt or notice. `entry` is the id of the submission that it is about."""

    cursor: str
    effect: Effect
    answer: Answer
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Where everything stands: entries by state, since when the oldest has no answer."""

    publisher: str
    epoch: str
    waiting: int
    sent: int
    held: int
    answered: int
    oldest_unanswered: datetime | None
    session_until: datetime | None


_T = TypeVar("_T")


def _now() -> datetime:
    return datetime.now(UTC)


def _start(after: str | None) -> str | None:
    return None if after == BEGINNING else after


class Publisher:
    """One pharmacy's way into the record; an asynchronous context manager.

    >>> async def example(publisher: Publisher, visit: RegisterBody) -> None:
    ...     async with publisher:
    ...         await publisher.register(visit)
    ...         await publisher.flush()
    """

    def __init__(
        self,
        publisher: str,
        signing_key: SigningKey,
        outbox: Outbox,
        transport: Transport,
        *,
        clock: Callable[[], datetime] = _now,
        attempts: int = 4,
        pause: float = 1.0,
    ) -> None:
        """Takes over outbox and transport: `close` closes them.

        `publisher` is the pharmacy number; `attempts` is how often one flush tries a record while
        the backbone does not answer, `pause` how many seconds lie between two streams of receipts.
        """
        self._publisher = publisher
        self._signing_key = signing_key
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._attempts = attempts
        self._pause = pause
        self._flushing = asyncio.Lock()
        self._session: Session | None = None
        self._unsure: tuple[str, WireRecord] | None = None
        self._closed = False
        self._early: OrderedDict[tuple[int, int], Receipt] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def register(self, body: RegisterBody) -> Entry:
        """Stores the registration of a visit; returns once it is durable.

        Raises:
            SubmissionTooLarge: nothing was stored.
            OutboxError: the disk is full or the file unusable; nothing was stored.
        """
        return await self._store(REGISTER, body)

    async def correct(self, body: CorrectBody) -> Entry:
        """Stores the correction of lines; each names the version that it replaces.

        Raises:
            SubmissionTooLarge, OutboxError: nothing was stored.
        """
        return await self._store(CORRECT, body)

    async def revoke(self, body: RevokeBody) -> Entry:
        """Stores the withdrawal of one line.

        Raises:
            SubmissionTooLarge, OutboxError: nothing was stored.
        """
        return await self._store(REVOKE, body)

    async def _store(self, type_: str, body: SubmissionBody) -> Entry:
        data = body.write()
        lines = 1 if isinstance(body, RevokeBody) else len(body.lines)
        if lines > MAX_LINES or len(data) + SEAL_BYTES > MAX_SUBMISSION_BYTES:
            raise SubmissionTooLarge(
                f"A submission has at most {MAX_LINES} lines and "
                f"{MAX_SUBMISSION_BYTES - SEAL_BYTES} bytes; this one has {lines} lines and "
                f"{len(data)} bytes: split it."
            )
        return await asyncio.to_thread(self._outbox.add, type_, data, self._clock())

    async def flush(self) -> Flushed:
        """Sends what waits, in order; what cannot be sent now stays for the next flush.

        Safe to call at any time and from several tasks: they take turns. An entry whose
        acknowledgement was lost goes out again with the same id and number, and the record answers
        the copy as a duplicate.

        Raises:
            TransportRefused: the backbone says no, and will until somebody acts; nothing is lost.
            OutboxError: the file cannot be used.
        """
        async with self._flushing:
            sent, trouble = 0, None
            try:
                while entries := await asyncio.to_thread(self._outbox.waiting):
                    for entry in entries:
                        await self._send(entry)
                        sent += 1
            except TransportUnavailable as error:
                trouble = str(error)
            counts = await asyncio.to_thread(self._outbox.counts)
            return Flushed(sent, counts["waiting"], trouble)

    async def _send(self, entry: Entry) -> None:
        record, session = await self._sealed(entry)
        place = await self._persist(lambda: self._transport.submit(record))
        await asyncio.to_thread(self._outbox.sent, entry.id, session=session.id, place=place)
        self._unsure = None
        early = self._early.pop((place.partition, place.offset), None)
        if early is not None:
            await self._settle(early)

    async def _sealed(self, entry: Entry) -> tuple[WireRecord, Session]:
        session = await self._current_session()
        if self._unsure is not None and self._unsure[0] == entry.id:
            # The very same bytes, so that even a body that cannot be read makes a true copy.
            return self._unsure[1], session
        attributes = Attributes(
            entry.id, entry.type, entry.created_at, entry.sequence, self._outbox.epoch
        )
        record = seal_submission(session, self._publisher, attributes, entry.body)
        self._unsure = (entry.id, record)
        return record, session

    async def _current_session(self) -> Session:
        now = self._clock()
        if self._session is None or self._session.not_after - now < RENEW_BEFORE:
            self._unsure = None
            intake = await self._persist(self._transport.intake_key)
            session, record = open_session(self._publisher, self._signing_key, intake, now)
            await self._persist(lambda: self._transport.open_session(record))
            self._session = session
        return self._session

    async def _persist(self, call: Callable[[], Awaitable[_T]]) -> _T:
        caller = stamina.AsyncRetryingCaller(attempts=self._attempts, timeout=60.0)
        return await caller(TransportUnavailable, call)

    async def receipts(
        self, after: str | None = None, *, follow: bool = True
    ) -> AsyncGenerator[Answered, None]:
        """Receipts and gap notices, oldest first, each carried out on the outbox beforehand.

        Without `after` it goes on where the last handling stopped: a letter counts as handled when
        the next one is asked for, so one may be given twice after a crash, and none is lost. With
        `after` (a cursor, or `BEGINNING`) that place is left alone. With `follow` it never
        ends and outlives every interruption; without, it ends at the newest letter.
        `close` ends both.

        Raises:
            TransportUnavailable: only without `follow`.
            TransportRefused: the backbone says no, and will until somebody acts.
        """
        own_place = after is None
        cursor = self._outbox.cursor if own_place else _start(after)
        async with aclosing(self._letters(cursor, follow=follow)) as letters:
            async for letter in letters:
                answered = await self._receive(letter)
                if answered is not None:
                    yield answered
                if own_place:
                    await asyncio.to_thread(self._outbox.handled, letter.cursor)

    async def _letters(self, cursor: str | None, *, follow: bool) -> AsyncGenerator[Letter, None]:
        while not self._closed:
            page = await self._page(cursor, patient=follow)
            for letter in page.letters:
                cursor = letter.cursor
                yield letter
            if page.more:
                continue
            if not follow:
                return
            try:
                async with aclosing(self._transport.follow(cursor)) as stream:
                    async for letter in stream:
                        cursor = letter.cursor
                        yield letter
            except TransportUnavailable:
                # The search at the head of the loop waits with growing pauses.
                continue
            await asyncio.sleep(self._pause)

    async def _page(self, cursor: str | None, *, patient: bool) -> Page:
        if not patient:
            return await self._persist(lambda: self._transport.receipts(cursor))
        async for attempt in stamina.retry_context(
            on=TransportUnavailable, attempts=None, timeout=None, wait_max=_FOLLOW_WAIT
        ):
            with attempt:
                if self._closed:
                    return Page((), more=False)
                return await self._transport.receipts(cursor)
        raise AssertionError("an endless retry ends with a page")

    async def _receive(self, letter: Letter) -> Answered | None:
        answer = letter.answer
        if answer is None:
            return None
        if not isinstance(answer, Receipt):
            return Answered(letter.cursor, "notice", answer)
        settled = await self._settle(answer)
        if settled.effect == "unknown":
            self._remember(answer)
        return Answered(letter.cursor, settled.effect, answer, settled.entry)

    async def _settle(self, receipt: Receipt) -> Settled:
        settled = await asyncio.to_thread(settle, self._outbox, receipt)
        useless = settled.useless_session
        if self._session is not None and self._session.id == useless:
            self._session = None
        return settled

    def _remember(self, receipt: Receipt) -> None:
        # It may overtake the acknowledgement of the entry that it is about.
        self._early[(receipt.submission.partition, receipt.submission.offset)] = receipt
        while len(self._early) > _MAX_EARLY:
            self._early.popitem(last=False)

    async def release(self) -> int:
        """Lets held entries go out with the next flush, after their cause was removed; how many."""
        return await asyncio.to_thread(self._outbox.release)

    async def status(self) -> Status:
        """Where everything stands."""
        counts: dict[State, int] = await asyncio.to_thread(self._outbox.counts)
        return Status(
            publisher=self._publisher,
            epoch=self._outbox.epoch,
            waiting=counts["waiting"],
            sent=counts["sent"],
            held=counts["held"],
            answered=counts["answered"],
            oldest_unanswered=await asyncio.to_thread(self._outbox.oldest_unanswered),
            session_until=self._session.not_after if self._session else None,
        )

    async def close(self) -> None:
        """Waits for a running flush, then closes transport and outbox; everything stored stays."""
        self._closed = True
        async with self._flushing:
            try:
                await self._transport.close()
            finally:
                self._outbox.close()
