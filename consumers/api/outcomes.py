"""What became of registrations made lately: receipts and facts as a committed reader returns them.

The book is pure memory; a follower (in `run.py`) feeds it from `dpp.subject.receipts` and
`dpp.subject.registered`.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from pydantic import ValidationError

from consumers.api.ports import FactPosition, RegistrationOutcome
from schemas.receipts import Receipt

MAX_KEPT: Final = 100_000


class OutcomeBook:
    """Outcomes by registration id, the oldest forgotten first; implements `ports.Outcomes`."""

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max = max_kept
        self._receipts: OrderedDict[str, Receipt] = OrderedDict()
        self._facts: OrderedDict[str, FactPosition] = OrderedDict()
        self._waiting_for_fact: dict[str, str] = {}
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}

    def put_fact(self, fact: str, partition: int, offset: int) -> None:
        """Takes a fact as a `read_committed` reader returned it."""
        self._facts[fact] = FactPosition(fact, partition, offset)
        while len(self._facts) > self._max:
            self._facts.popitem(last=False)
        registration = self._waiting_for_fact.pop(fact, None)
        if registration is not None:
            self._tell(registration)

    def put_receipt(self, value: bytes | None) -> None:
        """Takes a receipt; one that cannot be read or names no registration is passed over."""
        try:
            receipt = Receipt.read(value or b"")
        except ValidationError:
            return
        registration = receipt.submission.id
        if registration is None:
            return
        self._receipts.setdefault(registration, receipt)
        while len(self._receipts) > self._max:
            self._receipts.popitem(last=False)
        for fact in receipt.facts:
            if fact not in self._facts:
                self._waiting_for_fact[fact] = registration
        self._tell(registration)

    def find(self, registration: str) -> RegistrationOutcome | None:
        """The outcome as far as it is known; None before the receipt."""
        receipt = self._receipts.get(registration)
        if receipt is None:
            return None
        known = tuple(self._facts[fact] for fact in receipt.facts if fact in self._facts)
        return RegistrationOutcome(receipt, known)

    async def wait(
        self,
        registration: str,
        timeout: float,  # noqa: ASYNC109 - a limit to waiting, no error
    ) -> RegistrationOutcome | None:
        """The outcome once it is final; None when the time is up."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    outcome = self.find(registration)
                    if outcome is not None and outcome.committed:
                        return outcome
                    await self._next_news(registration)
        except TimeoutError:
            return None

    async def _next_news(self, registration: str) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(registration, [])
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)
            if not waiters and self._waiters.get(registration) is waiters:
                del self._waiters[registration]

    def _tell(self, registration: str) -> None:
        for waiter in self._waiters.get(registration, ()):
            if not waiter.done():
                waiter.set_result(None)
