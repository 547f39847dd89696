"""How the records of a run reach a backbone, and how its answers come back.

Nearly everything goes through a publisher's `Transport`, as pharmacy software would send it. What
the API would not let through goes straight to Kafka, and its receipt is read there: some of these
records belong to no pharmacy that could ask for it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from consumers.conformance.compare import Notice, notice
from consumers.simulation.publish import enqueue
from consumers.simulation.records import OVERSIZE_BYTES, Outgoing
from consumers.simulation.verify import NotDecided, Place, await_decided, mark
from infra.kafka import Partition, Producer, producer
from infra.settings import Settings
from schemas.receipts import GapClosed, GapNoticed, Receipt
from schemas.topics import DISPENSATION_SUBMITTED
from streams.intake.session import WireRecord
from streams.intake.transports import Letter, Transport

_ASK_SECONDS: Final = 0.2


@dataclass(slots=True)
class Answers:
    """What came back: receipts by place, notices of missing numbers by epoch, in order."""

    receipts: dict[Place, Receipt] = field(default_factory=dict)
    notices: dict[str, list[str]] = field(default_factory=dict)

    def note(self, one: Notice) -> None:
        """Take in a notice."""
        self.notices.setdefault(one.epoch, []).append(notice(one))


class Way(Protocol):
    """A way to a backbone and back."""

    async def send(self, record: Outgoing) -> Place:
        """Append a record durably."""
        ...

    async def answers(self, places: Collection[Place], seconds: float) -> Answers:
        """The receipts of these records, as far as they came within the time."""
        ...


class ApiWay:
    """Through the publishers' transports, by pharmacy number."""

    def __init__(self, transports: Mapping[str, Transport]) -> None:
        self._transports = transports
        self._cursors: dict[str, str | None] = dict.fromkeys(transports)

    async def send(self, record: Outgoing) -> Place:
        """Submit it as its sender."""
        key = (record.key or b"", record.headers, record.value or b"")
        return await self._transports[record.sender].submit(WireRecord(*key))

    async def answers(self, places: Collection[Place], seconds: float) -> Answers:
        """Search each pharmacy's receipts until all are there."""
        found = Answers()
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        while not found.receipts.keys() >= set(places) and clock() < until:
            news = [await self._collect(number, found) for number in self._transports]
            if not any(news):
                await asyncio.sleep(_ASK_SECONDS)
        return found

    async def _collect(self, number: str, found: Answers) -> bool:
        page = await self._transports[number].receipts(self._cursors[number])
        for letter in page.letters:
            self._cursors[number] = letter.cursor
            _sort(letter, found)
        return bool(page.letters)


class KafkaWay:
    """Straight to the topic of submissions; receipts are read from theirs."""

    def __init__(
        self, settings: Settings, sender: Producer, count: int, start: Mapping[Partition, int]
    ) -> None:
        self._settings = settings
        self._sender = sender
        self._count = count
        self._start = start

    async def send(self, record: Outgoing) -> Place:
        """Append it in the partition that it asks for."""
        done = await (await enqueue(self._sender, record, self._count))
        return done.partition, done.offset

    async def answers(self, places: Collection[Place], seconds: float) -> Answers:
        """Read the outputs from where they ended before the run."""
        try:
            observed = await await_decided(
                self._settings, places, start=self._start, limit_seconds=seconds
            )
        except NotDecided:
            return Answers()
        return Answers({place: one[0] for place, one in observed.receipts.items()})


@asynccontextmanager
async def kafka_way(settings: Settings) -> AsyncIterator[KafkaWay]:
    """The way to the broker of the settings; it must be allowed to read receipts."""
    start = await mark(settings)
    async with producer(settings, max_request_size=OVERSIZE_BYTES + 256 * 1024) as sender:
        count = await sender.partition_count(DISPENSATION_SUBMITTED.name)
        yield KafkaWay(settings, sender, count, start)


def _sort(letter: Letter, found: Answers) -> None:
    match letter.answer:
        case Receipt() as receipt:
            place = (receipt.submission.partition, receipt.submission.offset)
            found.receipts.setdefault(place, receipt)
        case GapNoticed() | GapClosed() as one:
            found.note(one)
        case None:
            pass
