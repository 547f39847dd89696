"""Publishers that submit all the time, each its own in order, and what they were told."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from infra.errors import InfrastructureError
from infra.kafka import Record, producer, reader
from infra.settings import Settings
from infra.waiting import under_way
from streams.engine.outputs import source_position
from tests.support.chaos.checker import Acknowledged, Answer, History, Place
from tests.support.engine_world import LARGEST

BURST: Final = 6
"""Most submissions that a publisher sends at once."""
SEND_MS: Final = 180_000
"""As long as the longest fault and its recovery: the client tries again by itself."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to submit; `number` is its publisher's, None where it does not count."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None
    partition: int
    number: int | None = None


class Subject(Protocol):
    """A stage under test: what is submitted to it, and how its outputs are read and judged."""

    @property
    def kind(self) -> str:
        """Which stage it is, for reports."""
        ...

    @property
    def name(self) -> str:
        """The stage's name."""
        ...

    @property
    def submitted(self) -> str:
        """The topic of submissions."""
        ...

    @property
    def receipts(self) -> str:
        """The topic of receipts."""
        ...

    @property
    def publishers(self) -> Sequence[str]:
        """Who submits."""
        ...

    @property
    def partitions(self) -> int:
        """Partitions of the topics."""
        ...

    def draft(self, publisher: str, draw: random.Random) -> Sequence[Outgoing]:
        """The next submission of a publisher, and what goes out right after it."""
        ...

    def hostile(self, partition: int, draw: random.Random) -> Outgoing:
        """A record that must be refused and change nothing."""
        ...

    def refused(self, sent: Outgoing, place: Place) -> None:
        """Where the broker put a hostile record."""
        ...

    async def history(self, told: Sequence[Acknowledged]) -> tuple[History, dict[Place, Answer]]:
        """What is in the log now, and what the model makes of the submissions in it."""
        ...


class Load:
    """Runs the publishers of a subject until it is stopped.

    Each sends `BURST` submissions at most, then pauses, `pause` seconds at most.
    """

    def __init__(
        self, settings: Settings, subject: Subject, draw: random.Random, pause: float
    ) -> None:
        self._pause = pause
        self._settings = settings
        self._subject = subject
        self._draw = draw
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending = asyncio.Event()
        self.told: list[Acknowledged] = []
        self.marks: dict[int, int] = {}
        """The last offset of each partition that the broker has acknowledged."""

    async def start(self) -> None:
        """Begins, and returns when every publisher has an acknowledgement."""
        self._task = asyncio.create_task(self._run())
        await under_way(self._task, self._sending)

    async def stop(self) -> None:
        """Ends after the submissions under way."""
        self._stopped.set()
        if self._task is not None:
            await self._task

    async def acknowledged(self) -> None:
        """Returns when another submission has been acknowledged."""
        before = len(self.told)
        while len(self.told) == before:  # noqa: ASYNC110 - many tasks tell, one seldom asks
            await asyncio.sleep(0.01)

    async def hostile(self, count: int) -> None:
        """Sends so many hostile records to each partition."""
        async with producer(self._settings, max_request_size=LARGEST) as sender:
            for partition in range(self._subject.partitions):
                for _ in range(count):
                    one = self._subject.hostile(partition, self._draw)
                    ack = await sender.send(
                        self._subject.submitted,
                        one.value,
                        key=one.key,
                        headers=one.headers,
                        partition=partition,
                    )
                    self._subject.refused(one, Place(ack.partition, ack.offset))
                    self._mark(ack.partition, ack.offset)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for publisher in self._subject.publishers:
                draw = random.Random(self._draw.random())  # noqa: S311 - no secret
                group.create_task(self._publish(publisher, draw))

    async def _publish(self, publisher: str, draw: random.Random) -> None:
        async with producer(self._settings, request_timeout_ms=SEND_MS) as sender:
            while not self._stopped.is_set():
                sent = []
                for _ in range(draw.randint(1, BURST)):
                    for one in self._subject.draft(publisher, draw):
                        acknowledged = await sender.enqueue(
                            self._subject.submitted,
                            one.value,
                            key=one.key,
                            headers=one.headers,
                            partition=one.partition,
                        )
                        sent.append((one, acknowledged))
                for one, acknowledged in sent:
                    ack = await acknowledged
                    self._mark(ack.partition, ack.offset)
                    if one.number is not None:
                        place = Place(ack.partition, ack.offset)
                        self.told.append(Acknowledged(publisher, one.number, place))
                self._sending.set()
                await asyncio.sleep(draw.uniform(0.0, self._pause))

    def _mark(self, partition: int, offset: int) -> None:
        self.marks[partition] = max(offset, self.marks.get(partition, -1))


class Progress:
    """Follows the receipts of a subject, through every fault of the broker."""

    def __init__(self, settings: Settings, subject: Subject) -> None:
        self._settings = settings
        self._subject = subject
        self._moved = asyncio.Condition()
        self._positions: dict[int, int] = {}
        self.answered: dict[int, int] = {}

    async def follow(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                async with reader(self._settings) as reading:
                    await reading.assign_all(self._subject.receipts)
                    while True:
                        for one, records in (await reading.poll()).items():
                            await self._take(one.partition, records)
            except InfrastructureError:
                await asyncio.sleep(0.1)

    async def until(self, marks: dict[int, int], patience: float) -> None:
        """Returns when everything up to these offsets has its receipt.

        Raises:
            TimeoutError: it has not, after `patience` seconds.
        """
        async with asyncio.timeout(patience), self._moved:
            await self._moved.wait_for(
                lambda: all(self.answered.get(one, -1) >= at for one, at in marks.items())
            )

    async def _take(self, partition: int, records: Sequence[Record]) -> None:
        found = [source_position(record.headers) for record in records]
        last = max((one.offset for one in found if one is not None), default=-1)
        async with self._moved:
            self.answered[partition] = max(last, self.answered.get(partition, -1))
            self._moved.notify_all()
