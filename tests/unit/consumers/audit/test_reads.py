"""The record of an audit: who, which part of the log, how much; no person's number."""

from datetime import UTC, datetime

import pytest

from consumers.audit import reads
from consumers.audit.keys import KeysMissing
from consumers.audit.report import Difference, Report, Window
from infra.keys.memory import MemoryVault
from schemas.audit import (
    AUDIT_READ,
    LOG_AUDITED,
    REGISTRATIONS_READ,
    AuditRead,
    LogAudited,
    RegistrationsRead,
)
from schemas.envelope import Envelope, parse
from schemas.topics import ACCESS_AUDITED

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), NOW)


class Log:
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes, list[tuple[str, bytes]], bytes]] = []

    async def __call__(
        self, topic: str, key: bytes, headers: list[tuple[str, bytes]], value: bytes
    ) -> None:
        self.kept.append((topic, key, headers, value))


def _report() -> Report:
    return Report(
        "quality",
        "1",
        WINDOW,
        submissions=12,
        differences=[Difference(0, 3, 1, "missing", "dpp.dispensation.recorded")],
    )


async def test_an_audit_is_recorded_under_the_pseudonym_of_who_answers_for_it() -> None:
    vault, log = MemoryVault(), Log()
    await vault.root_key("pseudonym")
    await reads.record(log, vault, "Auditor 7", _report(), NOW)
    topic, key, headers, value = log.kept[0]
    event, envelope = AuditRead.read(value), parse(headers)
    assert isinstance(envelope, Envelope)
    assert (topic, key) == (ACCESS_AUDITED.name, event.reader.encode())
    assert (envelope.type, envelope.source, envelope.time) == (AUDIT_READ, "/audit", NOW)
    assert (event.stage, event.submissions, event.differences) == ("quality", 12, 1)
    assert (event.window.start, event.window.end) == (WINDOW.start, WINDOW.end)
    assert b"Auditor" not in value


async def test_the_same_auditor_is_recognised_and_another_is_not() -> None:
    vault, log = MemoryVault(), Log()
    await vault.root_key("pseudonym")
    for name in ("Auditor 7", "Auditor 7", "Auditor 8"):
        await reads.record(log, vault, name, _report(), NOW)
    keys = [key for _, key, _, _ in log.kept]
    assert keys[0] == keys[1] != keys[2]


async def test_an_audit_without_the_backbones_vault_is_not_recorded_bad() -> None:
    log = Log()
    with pytest.raises(KeysMissing):
        await reads.record(log, MemoryVault(), "Auditor 7", _report(), NOW)
    assert log.kept == []


async def test_a_question_about_a_subject_is_recorded_under_it_with_what_was_asked() -> None:
    vault, log = MemoryVault(), Log()
    await vault.root_key("pseudonym")
    asked = reads.Stood("a" * 26, None, 4711, 3)
    await reads.record_registrations(log, vault, "Auditor 7", asked, NOW)
    [(topic, key, headers, value)] = log.kept
    event, envelope = RegistrationsRead.read(value), parse(headers)
    assert isinstance(envelope, Envelope)
    assert (topic, key, envelope.type) == (ACCESS_AUDITED.name, b"a" * 26, REGISTRATIONS_READ)
    assert (event.subject, event.position, event.stood_at, event.rows) == ("a" * 26, 4711, None, 3)
    assert b"Auditor" not in value


async def test_a_reading_of_the_log_is_recorded_with_where_it_begins() -> None:
    vault, log = MemoryVault(), Log()
    await vault.root_key("pseudonym")
    reader = await reads.reader_pseudonym(vault, "Auditor 7")
    await reads.record_log(log, reader, reads.LogReading("compare", 256, kafka=True), NOW)
    [(topic, key, headers, value)] = log.kept
    event, envelope = LogAudited.read(value), parse(headers)
    assert isinstance(envelope, Envelope)
    assert (topic, key, envelope.type) == (ACCESS_AUDITED.name, reader.encode(), LOG_AUDITED)
    assert (event.purpose, event.first_leaf, event.kafka) == ("compare", 256, True)
    assert b"Auditor" not in value
