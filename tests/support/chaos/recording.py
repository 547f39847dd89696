"""Facts as quality control writes them, and what projections of them have to hold.

The model, which is pure, knows lives of lines and none of the code under test: a line is
registered, corrected into another month or for another person, withdrawn.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from infra.kafka import Producer, producer
from infra.keys.memory import MemoryVault
from infra.settings import Settings
from infra.waiting import under_way
from schemas import brussels
from schemas.dispensation import Supersedes
from schemas.keyvault import KeyVault
from tests.integration.projections_world import (
    NOON,
    PHARMACY,
    Facts,
    Output,
    guid_of,
    subject_of,
)

PERSONS: Final = ("ann", "bob", "cis")
DAYS: Final = 60
MOST: Final = 6
"""Most facts of one transaction."""


class Key(NamedTuple):
    """One version of a line."""

    dguid: str
    version: int


@dataclass(slots=True)
class Expected:
    """What a row has to say."""

    month: date
    subject: str
    status: str
    delivered_at: datetime
    partition: int
    position: int
    superseded: int | None = None


@dataclass(slots=True)
class Model:
    """Rows of the history by line and version."""

    rows: dict[Key, Expected] = field(default_factory=dict)

    def entered(self, key: Key, row: Expected) -> None:
        """A version stands where the broker put its fact; the one before it ends there."""
        self.rows[key] = row
        former = self.rows.get(Key(key.dguid, key.version - 1))
        if former is not None:
            former.superseded = row.position


@dataclass(slots=True)
class _Line:
    """A line as its pharmacy knows it."""

    name: str
    partition: int
    version: int
    person: str
    at: datetime

    @property
    def former(self) -> Supersedes:
        month = brussels.day_of(self.at)
        return Supersedes(
            version=self.version, month=f"{month:%Y-%m}", subject=subject_of(self.person)
        )


async def known_secrets(vault: KeyVault) -> MemoryVault:
    """All that `Recording` needs of a vault, whose database may be away while it writes."""
    known = MemoryVault()
    known._living = dict(await vault.subject_secrets([subject_of(one) for one in PERSONS]))
    days = {brussels.day_of(NOON + timedelta(days=number)) for number in range(DAYS)}
    for day, period in (await vault.period_secrets(days)).items():
        known._days[day] = period.period
        known._periods[period.period] = period
    return known


class Recording:
    """Writes facts in transactions until it is stopped; some twice, as a zombie stage does."""

    def __init__(
        self,
        settings: Settings,
        vault: KeyVault,
        topic: str,
        draw: random.Random,
        *,
        partitions: int,
        pause: float,
    ) -> None:
        self._settings = settings
        self._facts = Facts(vault)
        self._topic = topic
        self._partitions = partitions
        self._draw = random.Random(draw.random())  # noqa: S311 - no secret
        self._pause = pause
        self._lines: list[_Line] = []
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending = asyncio.Event()
        self.model = Model()
        self.written = 0
        self.marks: dict[int, int] = {}
        """The position behind the last fact of each partition."""

    async def start(self) -> None:
        """Begins, and returns when the first transaction is committed."""
        self._task = asyncio.create_task(self._run())
        await under_way(self._task, self._sending)

    async def stop(self) -> None:
        """Ends after the transaction under way."""
        self._stopped.set()
        if self._task is not None:
            await self._task

    async def everywhere(self) -> None:
        """Returns when every partition has been written to once more."""
        before = dict(self.marks)
        while len(self.marks) < self._partitions or any(  # noqa: ASYNC110 - one seldom asks
            self.marks[number] == mark for number, mark in before.items()
        ):
            await asyncio.sleep(0.01)

    async def _run(self) -> None:
        async with producer(self._settings, transactional_id=self._topic) as sender:
            while not self._stopped.is_set():
                await self._transaction(sender)
                self._sending.set()
                await asyncio.sleep(self._draw.uniform(0.0, self._pause))

    async def _transaction(self, sender: Producer) -> None:
        drafts = [await self._draft() for _ in range(self._draw.randint(1, MOST))]
        async with sender.transaction():
            for output, line in drafts:
                ack = await self._send(sender, output)
                self.model.entered(
                    Key(guid_of(line.name), line.version),
                    Expected(
                        month=brussels.day_of(line.at).replace(day=1),
                        subject=subject_of(line.person),
                        status=output.type.rsplit(".", 2)[1],
                        delivered_at=line.at,
                        partition=ack[0],
                        position=ack[1],
                    ),
                )
            if self._draw.random() < 0.1:
                await self._send(sender, drafts[-1][0])

    async def _send(self, sender: Producer, output: Output) -> tuple[int, int]:
        ack = await sender.send(
            self._topic,
            output.body,
            key=PHARMACY.encode(),
            headers=output.headers(),
            partition=output.partition,
        )
        self.written += 1
        self.marks[ack.partition] = ack.offset + 1
        return ack.partition, ack.offset

    async def _draft(self) -> tuple[Output, _Line]:
        """The next fact, and its line as it then stands."""
        kind = self._draw.choices(("register", "correct", "revoke"), (6, 3, 1))[0]
        if kind == "register" or not self._lines:
            return await self._registered()
        at = self._draw.randrange(len(self._lines))
        known = self._lines[at]
        moved = _Line(known.name, known.partition, known.version + 1, known.person, known.at)
        if kind == "revoke":
            del self._lines[at]
            output = await self._facts.revoked(
                known.name, moved.version, known.person, known.former, partition=known.partition
            )
            return output, moved
        moved.person, moved.at = self._draw.choice(PERSONS), self._moment()
        self._lines[at] = moved
        output = await self._facts.corrected(
            known.name,
            moved.version,
            moved.person,
            moved.at,
            known.former,
            partition=known.partition,
        )
        return output, moved

    async def _registered(self) -> tuple[Output, _Line]:
        name = f"{self._topic}/{self.written}/{self._draw.random()}"
        line = _Line(
            name,
            self._draw.randrange(self._partitions),
            1,
            self._draw.choice(PERSONS),
            self._moment(),
        )
        self._lines.append(line)
        output = await self._facts.registered(name, line.person, line.at, line.partition)
        return output, line

    def _moment(self) -> datetime:
        return NOON + timedelta(days=self._draw.randrange(DAYS))


def differences(model: Mapping[Key, Expected], stored: Mapping[Key, Expected]) -> dict[Key, str]:
    """Versions that are missing, unfounded or changed, and which of it they are."""
    found = {key: "lost" for key in model if key not in stored}
    found |= {key: "unfounded" for key in stored if key not in model}
    return found | {
        key: "changed" for key, row in model.items() if key in stored and stored[key] != row
    }
