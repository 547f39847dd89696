"""Decides audited accesses again from the log, and compares outcome and answer.

Every record of an access names the positions and the policy that it rested on. Registrations as of
those positions come from `dpp.subject.registered`; the digest of an answer from the projection
`history` as of the positions, which `dpp projections verify` compares with the log. Nothing is
written.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from pydantic import ValidationError

from consumers.audit.log import Log
from consumers.audit.redecide import again, differences
from consumers.audit.report import AnswerCheck, Difference, Kind, Report, Window
from consumers.audit.standing import TOPIC as REGISTERED
from consumers.audit.standing import Standing, standing
from consumers.progress import Progress
from infra.kafka import Record
from projections.access import DECIDER_VERSION, AccessFacts, Permit
from schemas.audit import (
    ACCESS_DECIDED,
    EMERGENCY,
    EMERGENCY_DECIDED,
    PHARMACY_REVEALED,
    AccessDecided,
    Decided,
    EmergencyDecided,
    PharmacyRevealed,
)
from schemas.envelope import Envelope, from_millis, parse
from schemas.policy import PolicyName, PolicyVersion
from schemas.topics import ACCESS_AUDITED

STAGE: Final = "access"
TOPIC: Final = ACCESS_AUDITED.name
ACCESS_STATE: Final = "access_state"
_ANSWERED: Final = frozenset({"history", "own_history", "own_lines", EMERGENCY})
"""Purposes of reads whose answer has a digest."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One record of an access, and its place."""

    partition: int
    offset: int
    id: str
    event: Decided
    reveals: bool = False
    """Whether the pharmacy of one line was asked for."""

    @property
    def positions(self) -> dict[int, int]:
        """Positions of `access_state` that it rested on, by partition."""
        used = self.event.positions
        return {
            one.partition: one.position
            for one in used
            if one.projection == ACCESS_STATE and one.topic == REGISTERED
        }


class Policies(Protocol):
    """Policy versions as of any moment."""

    async def catch_up(self) -> None:
        """Returns once everything appended before the call is applied."""
        ...

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force."""
        ...


class Answers(Protocol):
    """Derives the digests of answers."""

    async def check(self, audited: Audited, facts: AccessFacts) -> AnswerCheck | None:
        """Whether the answer was the one that is recorded; None: it was another."""
        ...


async def rederive_access(
    log: Log, policies: Policies, answers: Answers, window: Window, progress: Progress
) -> Report:
    """Every access recorded in the window.

    Raises:
        InfrastructureError, VaultUnavailable: broker, database or vault do not answer.
    """
    report = Report(STAGE, DECIDER_VERSION, window)
    await policies.catch_up()
    found = [one async for one in _in_window(log, report, progress)]
    subjects = {one.event.subject for one in found if one.event.subject is not None}
    known = await standing(log, subjects)
    for one in found:
        await _judge(one, known, policies, answers, report)
    return report


async def _in_window(log: Log, report: Report, progress: Progress) -> AsyncIterator[Audited]:
    """Records of accesses in the window, each once; what is none is a difference."""
    count = await log.partitions(TOPIC)
    seen: dict[str, bytes | None] = {}
    for partition in range(count):
        progress("partitions", partition, count)
        async for batch in log.read(TOPIC, partition):
            for record in batch:
                envelope = parse(record.headers)
                if not report.window.holds(from_millis(record.timestamp_ms)):
                    continue
                if not isinstance(envelope, Envelope):
                    _differ(report, record, "other_bytes", ("headers",))
                elif envelope.type in (ACCESS_DECIDED, EMERGENCY_DECIDED, PHARMACY_REVEALED):
                    audited = _read(report, record, envelope, seen)
                    if audited is not None:
                        yield audited
    progress("partitions", count, count)


def _read(
    report: Report, record: Record, envelope: Envelope, seen: dict[str, bytes | None]
) -> Audited | None:
    report.submissions += 1
    if envelope.id in seen:
        if seen[envelope.id] == record.value:
            report.copies += 1
        else:
            report.differing += 1
            _differ(report, record, "extra", ("headers/ce_id",))
        return None
    seen[envelope.id] = record.value
    reveals = envelope.type == PHARMACY_REVEALED
    try:
        event = _opened(envelope.type, record.value or b"")
    except ValidationError:
        report.differing += 1
        _differ(report, record, "other_bytes", ("value",))
        return None
    return Audited(record.partition, record.offset, envelope.id, event, reveals)


def _opened(type_: str, value: bytes) -> Decided:
    """The decision in an event.

    Raises:
        ValidationError: it is none of its type.
    """
    if type_ == PHARMACY_REVEALED:
        return PharmacyRevealed.read(value).access
    return (EmergencyDecided if type_ == EMERGENCY_DECIDED else AccessDecided).read(value)


async def _judge(
    one: Audited, known: Standing, policies: Policies, answers: Answers, report: Report
) -> None:
    event = one.event
    if event.decider_version not in (None, DECIDER_VERSION):
        report.other_decider[event.decider_version or ""] += 1
        return
    version = policies.policy("access", event.decided_at)
    subject = event.subject
    facts = (
        AccessFacts() if subject is None else known.facts(subject, event.decided_at, one.positions)
    )
    mandates = [] if subject is None else known.mandates(subject, one.positions)
    derived = again(event, facts, mandates, version.access, reveals=one.reveals)
    members = differences(event, derived, facts, version)
    if isinstance(derived, Permit) and event.purpose in _ANSWERED:
        checked = await answers.check(one, facts)
        if checked is None:
            members = (*members, "digest")
        else:
            report.answers[checked] += 1
    if members:
        report.differing += 1
        report.differences.append(
            Difference(one.partition, one.offset, 0, "other_decision", TOPIC, members, one.offset)
        )
    else:
        report.rederived += 1


def _differ(report: Report, record: Record, kind: Kind, members: tuple[str, ...]) -> None:
    report.differences.append(
        Difference(record.partition, record.offset, 0, kind, TOPIC, members, record.offset)
    )
