"""Operators: who they are, and the record of what they read.

What they read concerns no subject, so it is recorded under the reader, durable before anything is
answered. Who asked and what was asked are sealed together under the reader's secret.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from consumers.api import metrics
from consumers.api.audit import recording
from consumers.api.callers import require
from consumers.api.ports import Dependencies
from consumers.api.tokens import Principal
from projections.quality_refusals import RefusalKey
from schemas.audit import (
    OPERATIONS_READ,
    OperationsContent,
    OperationsParameters,
    OperationsRead,
    PositionUsed,
    ReaderIdentity,
)
from schemas.canonical import lp
from schemas.envelope import Envelope
from schemas.keyvault import KeyVault, SubjectSecret
from schemas.sealing import b64encode
from schemas.sealing.facts import access_associated_data, access_keys, seal
from schemas.sealing.pseudonym import operator_pseudonym
from schemas.topics import ACCESS_AUDITED


@dataclass(frozen=True, slots=True)
class Operator:
    """The principal of an operator or auditor, and the pseudonym of cursors and audit events."""

    principal: Principal
    pseudonym: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of operating data, ready to be recorded."""

    operator: Operator
    purpose: str
    parameters: OperationsParameters
    read_at: datetime
    positions: tuple[PositionUsed, ...]
    places: tuple[RefusalKey, ...] = ()
    """What is about to be answered, by place."""
    cells: tuple[tuple[str, ...], ...] = ()
    """What is about to be answered, where it is figures and has no places."""


async def identify(
    vault: KeyVault,
    principal: Principal,
    role: Literal["operator", "auditor", "authority"] = "operator",
) -> Operator:
    """The operator, auditor or authority behind a principal.

    Raises:
        Problem: 403, another role.
        VaultUnavailable: the pseudonym key cannot be had.
    """
    require(principal, role)
    key = await vault.root_key("pseudonym")
    return Operator(principal, operator_pseudonym(key, principal.issuer, principal.subject or ""))


def digest(places: Iterable[RefusalKey]) -> str:
    """SHA-256 over the sorted (partition, offset, line), each length-prefixed; base64url."""
    sorted_places = sorted((one.partition, one.source_offset, one.line) for one in places)
    parts = [str(part) for place in sorted_places for part in place]
    return b64encode(hashlib.sha256(lp(*parts)).digest())


def digest_of_cells(cells: Iterable[tuple[str, ...]]) -> str:
    """SHA-256 over the sorted cells, each text length-prefixed; base64url."""
    parts = [part for cell in sorted(cells) for part in cell]
    return b64encode(hashlib.sha256(lp(*parts)).digest())


async def record(deps: Dependencies, reading: Reading) -> None:
    """Writes the event with `acks=all`; returns once it is durable.

    Raises:
        Problem: 503, it could not be written; nothing may be answered.
    """
    operator = reading.operator
    async with recording(deps):
        secrets = await deps.vault.reader_secrets({operator.pseudonym})
        ce_id = deps.new_id()
        await deps.log.append(
            ACCESS_AUDITED.name,
            key=operator.pseudonym.encode(),
            headers=Envelope(
                id=ce_id, source="/api", type=OPERATIONS_READ, time=reading.read_at
            ).headers(),
            value=build(reading, ce_id, secrets[operator.pseudonym]).write(),
        )
    metrics.DECISIONS.labels(operator.principal.role, reading.purpose, "permit").inc()


def build(reading: Reading, ce_id: str, secret: SubjectSecret) -> OperationsRead:
    """The event of a read."""
    principal = reading.operator.principal
    content = OperationsContent(reader=identity(principal), parameters=reading.parameters)
    associated = access_associated_data(
        type_=OPERATIONS_READ, subject=secret.subject, generation=secret.generation
    )
    keys = access_keys(secret.secret, "reader")
    return OperationsRead(
        reader=reading.operator.pseudonym,
        role=principal.role,
        purpose=reading.purpose,
        read_at=reading.read_at,
        positions=reading.positions,
        rows=len(reading.places) + len(reading.cells),
        digest=digest_of_cells(reading.cells) if reading.cells else digest(reading.places),
        sealed=seal(keys, ce_id, associated, content.write()),
    )


def identity(principal: Principal) -> ReaderIdentity:
    """Who an operator or auditor is, to be sealed."""
    return ReaderIdentity(
        person=principal.subject or principal.token_id,
        organisation=principal.organisation,
        name=principal.name,
        token_issuer=principal.issuer,
        token_id=principal.token_id,
    )
