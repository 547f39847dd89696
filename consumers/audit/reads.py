"""The record of an audit itself: who looked at which part of the log, and how much was found.

It is durable before anything is told. Source: DESIGN section 3, `dpp.access.audited`.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from consumers.audit.keys import ReadingVault
from consumers.audit.report import Report
from infra.kafka import producer
from infra.settings import Settings
from schemas import audit
from schemas.audit import (
    AUDIT_READ,
    LOG_AUDITED,
    REGISTRATIONS_READ,
    AuditRead,
    LogAudited,
    RegistrationsRead,
)
from schemas.envelope import Envelope
from schemas.keyvault import KeyReader
from schemas.sealing.pseudonym import party_pseudonym
from schemas.topics import ACCESS_AUDITED


class Append(Protocol):
    """Appends one record durably."""

    async def __call__(
        self, topic: str, key: bytes, headers: list[tuple[str, bytes]], value: bytes
    ) -> None:
        """Returns once every replica that must have it has it."""
        ...


async def kafka_append(
    settings: Settings, topic: str, key: bytes, headers: list[tuple[str, bytes]], value: bytes
) -> None:
    """One record with `acks=all`.

    Raises:
        InfrastructureError: it may or may not be in the log.
    """
    async with producer(settings) as sending:
        await sending.send(topic, value, key=key, headers=headers)


@dataclass(frozen=True, slots=True)
class Stood:
    """What an auditor asked about a subject: as of a moment, of a position, or of now."""

    subject: str
    at: datetime | None
    position: int | None
    rows: int


async def record_registrations(
    append: Append, reader: KeyReader, auditor: str, asked: Stood, now: datetime
) -> None:
    """Writes the event of a question about a subject's registrations, under the subject.

    Raises:
        InfrastructureError, VaultUnavailable: it could not be written; nothing may be told.
    """
    event = RegistrationsRead(
        subject=asked.subject,
        reader=await reader_pseudonym(reader, auditor),
        read_at=now,
        stood_at=asked.at,
        position=asked.position,
        rows=asked.rows,
    )
    envelope = Envelope(id=str(uuid.uuid4()), source="/audit", type=REGISTRATIONS_READ, time=now)
    await append(ACCESS_AUDITED.name, event.subject.encode(), envelope.headers(), event.write())


@dataclass(frozen=True, slots=True)
class LogReading:
    """What an auditor is about to read of the log: by which command, and from which leaf on."""

    purpose: str
    first_leaf: int
    kafka: bool


async def record_log(append: Append, reader: str, asked: LogReading, now: datetime) -> None:
    """Writes the event of a reading of the log's own files or of Kafka; `reader`: a pseudonym.

    Raises:
        InfrastructureError: it could not be written; nothing may be read.
    """
    event = LogAudited(
        reader=reader,
        purpose=asked.purpose,
        read_at=now,
        first_leaf=asked.first_leaf,
        kafka=asked.kafka,
    )
    envelope = Envelope(id=str(uuid.uuid4()), source="/audit", type=LOG_AUDITED, time=now)
    await append(ACCESS_AUDITED.name, event.reader.encode(), envelope.headers(), event.write())


async def reader_pseudonym(reader: KeyReader, auditor: str) -> str:
    """The keyed pseudonym of who answers for an audit.

    Raises:
        KeysMissing, VaultUnavailable: the backbone's vault is not at hand.
    """
    return party_pseudonym(
        await ReadingVault(reader).root_key("pseudonym"), "organisation", auditor
    )


async def record(
    append: Append, reader: KeyReader, auditor: str, report: Report, now: datetime
) -> None:
    """Writes the event of an audit that is over, under the pseudonym of who answers for it.

    Raises:
        InfrastructureError, VaultUnavailable: it could not be written; nothing may be told.
    """
    event = AuditRead(
        reader=await reader_pseudonym(reader, auditor),
        stage=report.stage,
        read_at=now,
        window=audit.Window(start=report.window.start, end=report.window.end),
        submissions=report.submissions,
        differences=len(report.differences),
    )
    envelope = Envelope(id=str(uuid.uuid4()), source="/audit", type=AUDIT_READ, time=now)
    await append(ACCESS_AUDITED.name, event.reader.encode(), envelope.headers(), event.write())
