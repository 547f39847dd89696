"""The record of an access decision, durable before anything is answered.

What was asked is sealed under the subject secret, who asked under the reader secret. The digest
covers the lines answered, so that decision and answer can be derived again.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from consumers.api import metrics
from consumers.api.callers import Caller
from consumers.api.ports import Dependencies
from consumers.api.problems import unavailable
from infra.waiting import together
from projections.access import DECIDER_VERSION, Deny, Permit
from schemas.audit import (
    ACCESS_DECIDED,
    EMERGENCY_DECIDED,
    PHARMACY_REVEALED,
    AccessDecided,
    Decided,
    Emergency,
    EmergencyDecided,
    PharmacyRevealed,
    PositionUsed,
    Purpose,
    ReaderIdentity,
    RequestParameters,
    Window,
    lines_digest,
)
from schemas.envelope import Envelope
from schemas.keyvault import SubjectSecret, VaultUnavailable
from schemas.model import Model
from schemas.sealing.facts import AccessLabel, access_associated_data, access_keys, seal
from schemas.topics import ACCESS_AUDITED

_UNKNOWN_SECRET_BYTES = 32


def positions_used(deps: Dependencies, projection: str, topic: str) -> tuple[PositionUsed, ...]:
    """How far a projection has applied each partition, as far as is known here."""
    return tuple(
        PositionUsed(
            projection=projection,
            topic=topic,
            partition=one,
            position=deps.positions.current(projection, topic, one),
        )
        for one in deps.log.partitions(topic)
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one subject (or about none), ready to be recorded."""

    caller: Caller
    purpose: Purpose | Emergency
    outcome: Permit | Deny
    parameters: RequestParameters
    policy_version: str
    decided_at: datetime
    positions: tuple[PositionUsed, ...]
    subject: str | None = None
    generation: int | None = None
    lines: tuple[tuple[str, int], ...] = ()
    """(dguid, version) of each line answered."""
    rows: int = 0
    event_type: str = ACCESS_DECIDED
    """`PHARMACY_REVEALED` and `EMERGENCY_DECIDED` for those that have an event of their own."""


def per_subject(
    whole: Decision, lines: Mapping[tuple[str, int], Sequence[tuple[str, int]]]
) -> list[Decision]:
    """A decision once for each (subject, generation) whose lines (dguid, version) are shown."""
    return [
        replace(
            whole,
            subject=subject,
            generation=generation,
            lines=tuple(shown),
            rows=len(shown),
        )
        for (subject, generation), shown in lines.items()
    ]


@asynccontextmanager
async def recording(deps: Dependencies) -> AsyncIterator[None]:
    """Around whatever has to be durable before an answer.

    Raises:
        Problem: 503, it could not be written in time; nothing may be answered.
    """
    failures: tuple[type[Exception], ...] = (
        TimeoutError,
        VaultUnavailable,
        *deps.unavailable_errors,
    )
    try:
        async with asyncio.timeout(deps.settings.audit_timeout):
            yield
    except failures:
        raise unavailable("audit-unavailable") from None


async def record(deps: Dependencies, decisions: Sequence[Decision]) -> None:
    """Writes one event per decision with `acks=all`; returns once all are durable.

    Raises:
        Problem: 503, one could not be written; nothing may be answered.
    """
    async with recording(deps):
        secrets = await _subject_secrets(deps, decisions)
        readers = await deps.vault.reader_secrets({d.caller.pseudonym for d in decisions})
        await together(
            [_append(deps, one, secrets, readers[one.caller.pseudonym]) for one in decisions]
        )
    for one in decisions:
        word = "permit" if isinstance(one.outcome, Permit) else "deny"
        metrics.decisions(one.caller.principal.role, one.purpose, word).inc()


async def _subject_secrets(
    deps: Dependencies, decisions: Sequence[Decision]
) -> dict[tuple[str, int], SubjectSecret]:
    wanted = {(d.subject, d.generation) for d in decisions if d.subject and d.generation}
    asked = {(subject, generation) for subject, generation in wanted if subject and generation}
    if any(isinstance(d.outcome, Deny) for d in decisions):
        # A name that no cache can hold: a refusal costs the same whether the subject is known.
        asked.add((os.urandom(16).hex(), 1))
    found = await deps.vault.find_subject_secrets(asked) if asked else {}
    return {name: one for name, one in found.items() if isinstance(one, SubjectSecret)}


async def _append(
    deps: Dependencies,
    decision: Decision,
    secrets: dict[tuple[str, int], SubjectSecret],
    reader_secret: SubjectSecret,
) -> None:
    ce_id = deps.new_id()
    key = (decision.subject or decision.caller.pseudonym).encode()
    envelope = Envelope(id=ce_id, source="/api", type=decision.event_type, time=decision.decided_at)
    event: Model = build(decision, ce_id, _secret_of(decision, secrets), reader_secret)
    if decision.event_type == PHARMACY_REVEALED and isinstance(event, AccessDecided):
        event = PharmacyRevealed(access=event)
    await deps.log.append(
        ACCESS_AUDITED.name, key=key, headers=envelope.headers(), value=event.write()
    )


def _secret_of(
    decision: Decision, secrets: dict[tuple[str, int], SubjectSecret]
) -> SubjectSecret | None:
    if decision.subject is None or decision.generation is None:
        return None
    return secrets.get((decision.subject, decision.generation))


def build(
    decision: Decision, ce_id: str, subject_secret: SubjectSecret | None, reader: SubjectSecret
) -> Decided:
    """The event of a decision; without a living subject secret the parameters are left out."""
    caller, outcome = decision.caller, decision.outcome
    permit = outcome if isinstance(outcome, Permit) else None
    # Sealed in any case, so that an unknown subject takes no less work than a known one.
    parameters = _sealed(subject_secret or _nobody(), "access", ce_id, decision.parameters)
    on_behalf = permit is not None and permit.reader_role == "mandate_holder"
    emergency = decision.event_type == EMERGENCY_DECIDED
    model: type[Decided] = EmergencyDecided if emergency else AccessDecided
    return model(
        decision="permit" if permit else "deny",
        reason=outcome.reason if isinstance(outcome, Deny) else None,
        basis=permit.basis if permit else None,
        detail=outcome.detail,
        basis_refs=permit.basis_refs if permit else (),
        subject=decision.subject,
        generation=decision.generation,
        reader=caller.pseudonym,
        role=caller.principal.role,
        profession=caller.principal.profession,
        organisation=caller.reader.organisation,
        on_behalf_of=decision.subject if on_behalf else None,
        purpose=decision.purpose,
        decided_at=decision.decided_at,
        window=_window(permit),
        policy_version=decision.policy_version,
        decider_version=DECIDER_VERSION,
        positions=decision.positions,
        rows=decision.rows,
        digest=lines_digest(decision.lines) if permit else None,
        sealed_parameters=parameters if subject_secret else None,
        sealed_reader=_sealed(reader, "reader", ce_id, _identity(caller)),
    )


def _window(permit: Permit | None) -> Window | None:
    return Window(start=permit.window_start, end=permit.window_end) if permit else None


def _identity(caller: Caller) -> ReaderIdentity:
    principal = caller.principal
    number = principal.niss or principal.nihdi or principal.organisation or principal.token_id
    return ReaderIdentity(
        person=number,
        organisation=principal.organisation,
        name=principal.name,
        token_issuer=principal.issuer,
        token_id=principal.token_id,
    )


def _nobody() -> SubjectSecret:
    return SubjectSecret("nobody", 1, os.urandom(_UNKNOWN_SECRET_BYTES))


def _sealed(secret: SubjectSecret, label: AccessLabel, ce_id: str, content: Model) -> str:
    associated = access_associated_data(
        type_=ACCESS_DECIDED, subject=secret.subject, generation=secret.generation
    )
    return seal(access_keys(secret.secret, label), ce_id, associated, content.write())
