"""Many readers ask for ends of the log at the same time, and one question serves them all.

A reader is never given an end that was asked for before it came: whoever comes while a question is
on its way joins the next one. So a registration that was acknowledged before a read began is always
below the end that the read waits for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from infra.kafka import Partition

Ask = Callable[[Iterable[Partition]], Awaitable[Mapping[Partition, int]]]


class Coalesced:
    """Ends of partitions, asked for in rounds; one question is on its way at any time."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._wanted: set[Partition] = set()
        self._next: asyncio.Future[Mapping[Partition, int]] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The ends, as of a moment after this call.

        Raises:
            InfrastructureError: whatever the question itself met.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        joined = self._next
        self._wanted |= set(partitions)
        if self._asking is None:
            self._asking = asyncio.create_task(self._rounds())
        # Shielded: a reader that leaves takes the answer from nobody else.
        found = await asyncio.shield(joined)
        return {one: found[one] for one in partitions}

    async def _rounds(self) -> None:
        try:
            while self._next is not None:
                round_, wanted = self._next, self._wanted
                self._next, self._wanted = None, set()
                try:
                    round_.set_result(await self._ask(wanted))
                except Exception as error:  # noqa: BLE001 - each of the round's readers meets it
                    round_.set_exception(error)
                    round_.exception()  # every reader may have left
        finally:
            self._asking = None
