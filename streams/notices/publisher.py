"""Writes every notice once, whatever ends this process and whenever.

A notice and the position of the record that it came from are one transaction of a fenced producer,
and each notice names that record: a start goes on behind the committed position and behind the last
notice, whichever is further. One process at a time does it, under an advisory lock. Whether a party
was there before is asked of the projection `access_log`, once it has applied the record.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import ValidationError

from infra.errors import InfrastructureError
from infra.kafka import Partition, PartitionReader, Producer, Record, committed, producer, reader
from infra.postgres import Connection, DatabaseUnavailable, connect
from infra.settings import Settings
from infra.waiting import pause
from projections.copies import Copies, source_place
from schemas.audit import (
    ACCESS_DECIDED,
    EMERGENCY_DECIDED,
    AccessDecided,
    Decided,
    EmergencyDecided,
)
from schemas.envelope import Envelope, Headers, parse
from schemas.subject import SUBJECT_FACTS, Notice
from schemas.topics import ACCESS_AUDITED, SUBJECT_NOTICES, SUBJECT_REGISTERED
from streams.notices.decide import Place, headers_of, new_party, of_access, of_fact, source_of

TRANSACTIONAL_ID: Final = "dpp-notices"
GROUP: Final = "dpp-notices"
LOCK: Final = 0x6470_706E
"""Key of the advisory lock under which one process does this ("dppn")."""
REGISTERED, AUDITED, NOTICES = (
    one.name for one in (SUBJECT_REGISTERED, ACCESS_AUDITED, SUBJECT_NOTICES)
)
COMMIT_EVERY: Final = 2_000
"""Records without a notice after which the position is kept all the same."""
_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_APPLIED: Final = """
SELECT coalesce(min(position), 0) FROM projection_position
WHERE projection = 'access_log' AND topic = %s AND partition = %s
"""
_BEFORE: Final = """
SELECT EXISTS (SELECT FROM access_log_v1.decision
    WHERE subject = %(subject)s AND decision = 'permit'
        AND basis IN ('mandate', 'consent_and_link', 'emergency')
        AND purpose IN ('history', 'own_history', 'emergency')
        AND CASE WHEN role = 'pharmacist' THEN organisation ELSE reader END = %(party)s
        AND recorded_partition = %(partition)s AND recorded_position < %(offset)s)
"""
_ACCESSES: Final[Mapping[str, type[Decided]]] = {
    ACCESS_DECIDED: AccessDecided,
    EMERGENCY_DECIDED: EmergencyDecided,
}
"""Records of accesses that a patient may have to be told of, by type."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class NoticesHealth:
    """What `/readyz` answers from."""

    leads: bool = False
    """Whether this process publishes; another one may."""
    started: bool = False
    published: int = 0
    failing: str | None = None

    @property
    def ready(self) -> bool:
        """Whether it publishes, or stands by for the one that does."""
        return self.started and self.failing is None

    def snapshot(self) -> dict[str, object]:
        """JSON-ready."""
        return {"leads": self.leads, "published": self.published, "failing": self.failing}


class NoticePublisher:
    """Follows facts and accesses, and publishes what a patient should be told."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.health = NoticesHealth()
        self._copies: dict[Partition, Copies] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Publishes until `stop` is set; trouble is waited out, and nothing is lost by it."""
        while not stop.is_set():
            try:
                await self._lead(stop)
            except (InfrastructureError, DatabaseUnavailable) as error:
                self.health.failing = type(error).__name__
                _log.warning("notices wait", reason=str(error))
            finally:
                self.health.leads = False
            await pause(stop, _RETRY_SECONDS)

    async def _lead(self, stop: asyncio.Event) -> None:
        """Becomes the one process that publishes, if none is."""
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(connect(self._settings.dsn, autocommit=True))
            cursor = await database.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
            row = await cursor.fetchone()
            self.health.started, self.health.failing = True, None
            if not (row and row[0]):
                return
            sending = await stack.enter_async_context(
                producer(self._settings, transactional_id=TRANSACTIONAL_ID)
            )
            reading = await stack.enter_async_context(reader(self._settings))
            positions = await self._starts(reading)
            await reading.assign(positions)
            self.health.leads = True
            await self._follow(stop, database, sending, reading, positions)

    async def _starts(self, reading: PartitionReader) -> dict[Partition, int]:
        """Where to go on in each partition, now that no earlier producer can write any more."""
        sources = [*await reading.partitions(REGISTERED), *await reading.partitions(AUDITED)]
        kept = await committed(self._settings, GROUP, sources)
        last = await self._last_notices(reading)
        self._copies = {}
        return {
            one: max(kept.get(one, -1), last.get(one, -1) + 1 if one in last else -1)
            for one in sources
        }

    async def _last_notices(self, reading: PartitionReader) -> dict[Partition, int]:
        """The last record of each source partition that became a notice."""
        found: dict[Partition, int] = {}
        ends = await reading.end_offsets(await reading.partitions(NOTICES))
        await reading.assign(dict.fromkeys(ends, -1))
        while any([await reading.position(one) < end for one, end in ends.items()]):
            for partition, records in (await reading.poll()).items():
                for record in records:
                    envelope = parse(record.headers)
                    source = source_of(envelope) if isinstance(envelope, Envelope) else None
                    if source is not None:
                        place = Partition(source[0], partition.partition)
                        found[place] = max(source[1], found.get(place, -1))
        return found

    async def _follow(
        self,
        stop: asyncio.Event,
        database: Connection,
        sending: Producer,
        reading: PartitionReader,
        positions: dict[Partition, int],
    ) -> None:
        passed = 0
        while not stop.is_set():
            found = await reading.poll(timeout=_POLL_SECONDS)
            records = [one for some in found.values() for one in some]
            notices = [
                (record, made)
                for record in records
                if (made := await self._notice(database, record, stop)) is not None
            ]
            if stop.is_set():
                return
            passed += len(records)
            positions |= {one: await reading.position(one) for one in reading.assigned}
            if notices or passed >= COMMIT_EVERY:
                await self._publish(sending, notices, positions)
                passed = 0

    async def _publish(
        self,
        sending: Producer,
        notices: Sequence[tuple[Record, tuple[Notice, Headers]]],
        positions: Mapping[Partition, int],
    ) -> None:
        async with sending.transaction():
            for record, (notice, headers) in notices:
                await sending.enqueue(
                    NOTICES,
                    notice.write(),
                    key=notice.subject.encode(),
                    headers=headers,
                    partition=record.partition,
                )
            await sending.flush()
            await sending.commit_positions(GROUP, positions)
        self.health.published += len(notices)

    async def _notice(
        self, database: Connection, record: Record, stop: asyncio.Event
    ) -> tuple[Notice, Headers] | None:
        envelope = parse(record.headers)
        if not isinstance(envelope, Envelope):
            return None
        place = Place(record.topic, record.partition, record.offset, envelope.id)
        notice: Notice | None = None
        try:
            if envelope.type in SUBJECT_FACTS and self._is_new(record, envelope):
                fact = SUBJECT_FACTS[envelope.type].read(record.value or b"")
                notice = of_fact(fact, place)
            elif envelope.type in _ACCESSES:
                event = _ACCESSES[envelope.type].read(record.value or b"")
                is_first = await _is_first(database, event, record, stop)
                notice = of_access(event, place, is_first=is_first)
        except ValidationError:
            # Whoever reads the topic for its own sake stops or tells; here it is no notice.
            return None
        return None if notice is None else (notice, headers_of(place, envelope))

    def _is_new(self, record: Record, envelope: Envelope) -> bool:
        """Whether a fact is no late copy that a fenced writer left."""
        place = source_place(envelope)
        if place is None:
            return True
        copies = self._copies.setdefault(Partition(record.topic, record.partition), Copies())
        return copies.judge(place, record.key, record.value) == "new"


async def _is_first(
    database: Connection, event: Decided, record: Record, stop: asyncio.Event
) -> bool:
    """Whether this party never read this subject before, once `access_log` can tell."""
    party = new_party(event)
    if party is None:
        return False
    while not stop.is_set():
        cursor = await database.execute(_APPLIED, (AUDITED, record.partition))
        row = await cursor.fetchone()
        if row is not None and row[0] > record.offset:
            break
        await pause(stop, 0.05)
    asked = {
        "subject": event.subject,
        "party": party,
        "partition": record.partition,
        "offset": record.offset,
    }
    row = await (await database.execute(_BEFORE, asked)).fetchone()
    return row is not None and not row[0]
