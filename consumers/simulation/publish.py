"""Enrols the simulated pharmacies, opens their sessions, and publishes the plan to Kafka.

The order of a pharmacy's stream is kept, since all of it goes to one partition through one
idempotent producer; streams are interleaved. Nothing waits for a single acknowledgement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from consumers.simulation.plan import Plan, PlannedSubmission
from consumers.simulation.records import OVERSIZE_BYTES, Outgoing, Sessions, outgoing
from consumers.stack.office import office_signing_key
from infra.errors import InfrastructureError
from infra.kafka import Producer, producer
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from schemas.dispensation import SUBMISSION_BODIES
from schemas.partitioning import partition_for
from schemas.publisher import BackboneKeyPublished, Contract, Enrolled
from schemas.topics import DISPENSATION_SUBMITTED, PUBLISHER_REGISTERED, PUBLISHER_SESSIONS
from streams.intake.keys import SigningKey
from streams.intake.office import publisher_record
from streams.intake.session import Session, WireRecord, open_session

Progress = Callable[[int, int], None]
"""Called with how many records were sent, and how many there are."""
KEY_ID: Final = "1"
_LONG_AGO: Final = timedelta(days=730)
_LAPSED: Final = timedelta(days=30)
_SESSION_OVER: Final = timedelta(hours=30)
_STEP: Final = 250


@dataclass(frozen=True, slots=True)
class Published:
    """A planned submission and where the broker put it."""

    planned: PlannedSubmission
    partition: int
    offset: int


def publisher_folder(settings: Settings, pharmacy: str) -> Path:
    """Where a simulated pharmacy keeps its key."""
    return settings.data / "publishers" / pharmacy


class AlreadySimulated(InfrastructureError):
    """The pharmacies of this seed are enrolled already, so counts could not agree."""


async def publish(settings: Settings, plan: Plan, progress: Progress) -> list[Published]:
    """Publishes everything, and answers where each record stands, stream by stream interleaved.

    `settings` point to a data folder that holds the office's key.

    Raises:
        AlreadySimulated: this seed's year is in the record.
        InfrastructureError: the broker does not answer, or the office published no intake key.
        KeyFileError: the office's key or a pharmacy's cannot be used.
    """
    async with sending(settings) as sender:
        sessions = await introduce(sender, settings, plan)
        return await send_all(sender, list(interleaved(plan)), sessions, progress)


def sending(settings: Settings) -> AbstractAsyncContextManager[Producer]:
    """A producer that takes everything a plan may ask for, oversize submissions too."""
    return producer(settings, linger_ms=20, max_request_size=OVERSIZE_BYTES + 256 * 1024)


async def introduce(sender: Producer, settings: Settings, plan: Plan) -> Sessions:
    """Enrols the pharmacies of a plan and opens their sessions.

    Raises:
        AlreadySimulated, InfrastructureError, KeyFileError: see `publish`.
    """
    office = office_signing_key(settings)
    intake = await _intake_key(settings, plan)
    signing = {
        one.pharmacy.number: signing_key(settings, one.pharmacy.number) for one in plan.streams
    }
    await _enrol(sender, office, _enrolments(plan, signing))
    return await _open_sessions(sender, signing, intake)


async def _intake_key(settings: Settings, plan: Plan) -> BackboneKeyPublished:
    """The key to seal sessions to, in a record that does not know these pharmacies yet."""
    tables = BroadcastTables(settings, settings.office_keys)
    await tables.start()
    try:
        intake = tables.backbone_keys("intake")
        known = [one for one in plan.streams if tables.publisher(one.pharmacy.number) is not None]
    finally:
        await tables.stop()
    if known:
        raise AlreadySimulated(
            f"The people of seed {plan.seed} are in this record already: choose another --seed."
        )
    if not intake:
        raise InfrastructureError("The office published no intake key: run dpp office init.")
    return intake[-1]


def signing_key(settings: Settings, pharmacy: str) -> SigningKey:
    """The key of an invented pharmacy, made where there is none.

    Raises:
        KeyFileError: the file exists but cannot be used.
    """
    path = publisher_folder(settings, pharmacy) / "key"
    if not path.exists():
        SigningKey.generate(KEY_ID).save(path)
    return SigningKey.load(path)


def _enrolments(plan: Plan, signing: dict[str, SigningKey]) -> Iterator[Enrolled]:
    """What the office states about these pharmacies."""
    now = datetime.now(UTC)
    for number, key in signing.items():
        lapsed = number == plan.population.lapsed.number
        yield Enrolled(
            publisher=number,
            publisher_kind="pharmacy",
            key=key.enrolment(number),
            contract=Contract(
                event_types=tuple(SUBMISSION_BODIES),
                valid_from=now - _LONG_AGO,
                valid_until=now - _LAPSED if lapsed else None,
            ),
        )


async def _enrol(sender: Producer, office: SigningKey, facts: Iterable[Enrolled]) -> None:
    now = datetime.now(UTC)
    records = [publisher_record(office, fact, now) for fact in facts]
    await append(sender, PUBLISHER_REGISTERED.name, records)


async def _open_sessions(
    sender: Producer, signing: dict[str, SigningKey], intake: BackboneKeyPublished
) -> Sessions:
    now = datetime.now(UTC)
    living: dict[str, Session] = {}
    expired: dict[str, Session] = {}
    records: list[WireRecord] = []
    for number, key in signing.items():
        for sessions, opened_at in ((living, now), (expired, now - _SESSION_OVER)):
            sessions[number], record = open_session(number, key, intake, opened_at)
            records.append(record)
    await append(sender, PUBLISHER_SESSIONS.name, records)
    return Sessions(living, expired)


async def append(sender: Producer, topic: str, records: Iterable[WireRecord]) -> None:
    """Append records, and return once the broker has them all."""
    sends = [
        await sender.enqueue(topic, one.value, key=one.key, headers=one.headers) for one in records
    ]
    await sender.flush()
    await asyncio.gather(*sends)


async def send_all(
    sender: Producer, planned: Sequence[PlannedSubmission], sessions: Sessions, progress: Progress
) -> list[Published]:
    """Publishes these submissions in their order, and answers where each stands."""
    count = await sender.partition_count(DISPENSATION_SUBMITTED.name)
    repeated = {one.id for one in planned if one.mutation == "copy"}
    originals: dict[str, Outgoing] = {}
    sent: list[Awaitable[Any]] = []
    for one in planned:
        if one.mutation == "copy":
            record = originals[one.id]
        else:
            record = outgoing(one, sessions, datetime.now(UTC))
            if one.id in repeated and one.mutation == "none":
                originals.setdefault(one.id, record)
        sent.append(await enqueue(sender, record, count))
        if len(sent) % _STEP == 0:
            progress(len(sent), len(planned))
    await sender.flush()
    progress(len(sent), len(planned))
    acknowledged = [await one for one in sent]
    return [
        Published(one, ack.partition, ack.offset)
        for one, ack in zip(planned, acknowledged, strict=True)
    ]


async def enqueue(sender: Producer, record: Outgoing, count: int) -> Awaitable[Any]:
    """Put a record into the next batch for its partition of `count`; awaited, it has a place."""
    key = record.sender.encode() if record.key is None else record.key
    partition = (partition_for(key, count) + record.elsewhere) % count
    return await sender.enqueue(
        DISPENSATION_SUBMITTED.name,
        record.value,
        key=record.key,
        headers=record.headers,
        partition=partition,
    )


def interleaved(plan: Plan) -> Iterator[PlannedSubmission]:
    """All submissions, one of each pharmacy in turn; the order within each pharmacy is kept."""
    turns = zip_longest(*(stream.submissions for stream in plan.streams))
    return (one for turn in turns for one in turn if one is not None)
