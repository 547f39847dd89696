"""The test publishers' keys, their admission, and their sessions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import stamina

from consumers.simulation.publish import append, signing_key
from consumers.simulation.records import Sessions
from consumers.stack.office import office_signing_key
from consumers.vendors.offline import OfflineBackbone
from consumers.vendors.testers import ENROLLED, LAPSED_PHARMACY
from infra.kafka import producer
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from schemas.dispensation import SUBMISSION_BODIES
from schemas.publisher import Contract, Enrolled
from schemas.topics import PUBLISHER_REGISTERED
from streams.intake.keys import SigningKey
from streams.intake.office import publisher_record
from streams.intake.session import Session, open_session
from streams.intake.transports import Transport, TransportRefused

Keys = Mapping[str, SigningKey]
"""A signing key for each test publisher, by pharmacy number."""
KEY_ID: Final = "conformance-1"
_LONG_AGO: Final = timedelta(days=730)
_LAPSED: Final = timedelta(days=30)
_SESSION_OVER: Final = timedelta(hours=30)
_ADMISSION_SECONDS: Final = 30.0


def enrolments(keys: Keys, now: datetime) -> list[Enrolled]:
    """What the office states about the test publishers."""
    return [
        Enrolled(
            publisher=number,
            publisher_kind="pharmacy",
            key=key.enrolment(number),
            contract=Contract(
                event_types=tuple(SUBMISSION_BODIES),
                valid_from=now - _LONG_AGO,
                valid_until=now - _LAPSED if number == LAPSED_PHARMACY else None,
            ),
        )
        for number, key in keys.items()
    ]


async def enrol(settings: Settings) -> Keys:
    """Admits the test publishers on a development backbone, whose data folder holds the office.

    Keys are made where there are none, and nothing is stated twice.

    Raises:
        KeyFileError: the office's key or a test publisher's cannot be used.
        InfrastructureError: the broker does not answer.
    """
    office = office_signing_key(settings)
    keys = {number: signing_key(settings, number) for number in ENROLLED}
    tables = BroadcastTables(settings, settings.office_keys)
    await tables.start()
    try:
        missing = {number: key for number, key in keys.items() if tables.publisher(number) is None}
    finally:
        await tables.stop()
    now = datetime.now(UTC)
    records = [publisher_record(office, fact, now) for fact in enrolments(missing, now)]
    async with producer(settings) as sender:
        await append(sender, PUBLISHER_REGISTERED.name, records)
    return keys


def key_path(folder: Path, number: str) -> Path:
    """Where the key of a test publisher lies in a folder of keys."""
    return folder / f"{number}.key"


def request_path(folder: Path, number: str) -> Path:
    """Where the request lies that the office enrols it by."""
    return folder / f"{number}.request.json"


def prepare(folder: Path) -> None:
    """Makes the keys that are missing, and the requests for the office.

    Raises:
        KeyFileError: a file exists but cannot be used, or cannot be made.
    """
    for number in ENROLLED:
        if not key_path(folder, number).exists():
            SigningKey.generate(KEY_ID).save(key_path(folder, number))
        request = SigningKey.load(key_path(folder, number)).enrolment(number)
        request_path(folder, number).write_bytes(request.write() + b"\n")


def load_keys(folder: Path) -> Keys:
    """The keys that `prepare` made.

    Raises:
        KeyFileError: one is missing or cannot be used.
    """
    return {number: SigningKey.load(key_path(folder, number)) for number in ENROLLED}


async def open_sessions(keys: Keys, transports: Mapping[str, Transport]) -> Sessions:
    """A living and an expired session of each test publisher.

    Raises:
        TransportUnavailable, TransportRefused: the backbone is away, or knows not these keys.
    """
    living: dict[str, Session] = {}
    expired: dict[str, Session] = {}
    now = datetime.now(UTC)
    for number, key in keys.items():
        transport = transports[number]
        async for attempt in stamina.retry_context(
            # An enrolment that was just stated reaches the API a moment later.
            on=TransportRefused,
            attempts=None,
            timeout=_ADMISSION_SECONDS,
            wait_max=1.0,
        ):
            with attempt:
                intake = await transport.intake_key()
        for sessions, opened_at in ((living, now), (expired, now - _SESSION_OVER)):
            sessions[number], record = open_session(number, key, intake, opened_at)
            await transport.open_session(record)
    return Sessions(living, expired)


async def offline(backbone: OfflineBackbone) -> Sessions:
    """Admits the test publishers on a backbone in memory, with a session of each kind."""
    now = datetime.now(UTC)
    keys = {number: SigningKey.generate(KEY_ID) for number in ENROLLED}
    for fact in enrolments(keys, now):
        backbone.enrol(fact, now - _LONG_AGO)
    living = {number: await backbone.open_session(number, key, now) for number, key in keys.items()}
    expired = {
        number: await backbone.open_session(number, key, now - _SESSION_OVER)
        for number, key in keys.items()
    }
    return Sessions(living, expired)
