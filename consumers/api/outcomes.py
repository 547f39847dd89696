"""What became of registrations made lately: receipts and facts as a committed reader returns them.

The book is pure memory; a follower (in `run.py`) feeds it from `dpp.subject.receipts` and
`dpp.subject.registered`.
"""

import asyncio
from collections import OrderedDict
from typing import Final, TypeVar

from pydantic import ValidationError

from consumers.api.ports import Appended, FactPosition, RegistrationOutcome
from schemas.receipts import Receipt

MAX_KEPT: Final = 100_000
_K = TypeVar("_K")
_V = TypeVar("_V")


class OutcomeBook:
    """Outcomes by registration id, the oldest forgotten first; implements `ports.Outcomes`."""

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max = max_kept
        self._receipts: OrderedDict[str, Receipt] = OrderedDict()
        self._facts: OrderedDict[str, FactPosition] = OrderedDict()
        self._places: OrderedDict[Appended, str] = OrderedDict()
        self._unnamed: OrderedDict[Appended, Receipt] = OrderedDict()
        self._waiting_for_fact: OrderedDict[str, str] = OrderedDict()
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}

    def put_fact(self, fact: str, partition: int, offset: int) -> None:
        """Takes a fact as a `read_committed` reader returned it."""
        _keep(self._facts, fact, FactPosition(fact, partition, offset), self._max)
        registration = self._waiting_for_fact.pop(fact, None)
        if registration is not None:
            self._tell(registration)

    def put_receipt(self, value: bytes | None) -> None:
        """Takes a receipt; one that cannot be read is passed over."""
        try:
            receipt = Receipt.read(value or b"")
        except ValidationError:
            return
        place = Appended(receipt.submission.partition, receipt.submission.offset)
        # A receipt for something that did not open names no id; then its place tells whose it is.
        registration = receipt.submission.id or self._places.get(place)
        if registration is None:
            _keep(self._unnamed, place, receipt, self._max)
        else:
            self._put(registration, receipt)

    def _put(self, registration: str, receipt: Receipt) -> None:
        if registration not in self._receipts:
            _keep(self._receipts, registration, receipt, self._max)
        for fact in receipt.facts:
            if fact not in self._facts:
                _keep(self._waiting_for_fact, fact, registration, self._max)
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
        place: Appended,
        timeout: float,  # noqa: ASYNC109 - a limit to waiting, no error
    ) -> RegistrationOutcome | None:
        """The outcome once it is final; None when the time is up."""
        unnamed = self._unnamed.pop(place, None)
        if unnamed is not None:
            self._put(registration, unnamed)
        _keep(self._places, place, registration, self._max)
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


def _keep(kept: OrderedDict[_K, _V], key: _K, value: _V, limit: int) -> None:
    kept[key] = value
    while len(kept) > limit:
        kept.popitem(last=False)
