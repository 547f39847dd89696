"""Looks at everything that a certificate states, after an erasure was carried out."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consumers.audit.verify import Memory
from consumers.audit.verify import verify as verify_log
from consumers.erasure.certificate import Certificate, LogHolds, Place, Replayed
from infra.errors import InfrastructureError
from infra.keys.opening import opened_vault
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.erasure import rows_left
from projections.erasure_queries import Erasure, erasures
from projections.shells import Projection, registered
from projections.verify import verify as verify_projection
from schemas import topics
from schemas.brussels import day_of
from schemas.sealing import b64encode
from streams.notary import leaf, reading
from streams.notary.directory import Read
from streams.notary.notes import Verifier

_COPIES: Final = timedelta(milliseconds=topics.DISPENSATION_SUBMITTED.retention_ms, days=2)
"""How long sealed submissions are kept, and a segment of them beyond, at most a day old."""
_NAMING: Final = frozenset(
    {
        topics.DISPENSATION_RECORDED.name,
        topics.SUBJECT_REGISTERED.name,
        topics.ACCESS_AUDITED.name,
    }
)
_DESTROYED: Final = "SELECT destroyed_at FROM subject_secret WHERE subject = %s AND generation = %s"


class NotCertified(InfrastructureError):
    """Something is not as the certificate would say; the text names it."""


async def issue(
    settings: Settings, read: Read, log: Verifier, erasure: str, now: datetime
) -> list[Certificate]:
    """A certificate for each number of the person; everything in it was looked at just now.

    Raises:
        NotCertified: it is not carried out, or the log or a projection does not hold.
        DatabaseUnavailable, BrokerUnavailable, LogUnavailable: try again.
    """
    async with connect(settings.dsn, autocommit=True) as connection:
        found = await erasures(connection, erasure)
        if not found:
            raise NotCertified("There is no erasure of this id: dpp erasure list shows all.")
        held = await asyncio.to_thread(_verified, read, log, found)
        replayed = await _replayed(settings)
        return [
            await _certificate(settings, connection, one, _Proof(leaves, replayed, now))
            for one, leaves in zip(found, held, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Proof:
    """What holds after the erasure, as of now."""

    log: LogHolds
    projections: tuple[Replayed, ...]
    at: datetime


async def _certificate(
    settings: Settings, connection: Connection, one: Erasure, proof: _Proof
) -> Certificate:
    if one.executed_at is None or one.executed_position is None or not one.removed:
        raise NotCertified(f"The erasure is not carried out yet: it is {one.phase}.")
    if await rows_left(connection, one.subject, one.generation):
        raise NotCertified("The projections hold rows of the person: look at dpp run keeper.")
    return Certificate(
        erasure=one.id,
        ground=one.ground,
        subject=one.subject,
        generation=one.generation,
        requested_at=one.requested_at,
        approvals=one.approvals,
        executed_at=one.executed_at,
        executed=Place(partition=one.partition, offset=one.executed_position),
        secret_destroyed_at=await _destroyed_at(settings, one),
        copies_until=day_of(one.executed_at + _COPIES),
        projections=proof.projections,
        log=proof.log,
        issued_at=proof.at,
    )


async def _destroyed_at(settings: Settings, one: Erasure) -> datetime:
    async with connect(settings.vault, autocommit=True) as connection:
        cursor = await connection.execute(_DESTROYED, (one.subject, one.generation))
        row = await cursor.fetchone()
    if row is None or not isinstance(row[0], datetime):
        raise NotCertified("The vault still holds the secret: look at dpp run keeper.")
    return row[0]


async def _replayed(settings: Settings) -> tuple[Replayed, ...]:
    async with opened_vault(settings, maximum=2) as vault:
        return tuple([await _same(settings, one) for one in registered(vault) if one.forgets])


async def _same(settings: Settings, projection: Projection) -> Replayed:
    found = await verify_projection(settings, projection, memory=False)
    if not found.equal:
        raise NotCertified(
            f"The projection {projection.name} is not what the log says: run dpp projections "
            "verify."
        )
    return Replayed(
        projection=found.projection,
        version=found.version,
        positions={str(one): position for one, position in found.positions.items()},
        content=found.live.digest,
    )


def _verified(read: Read, log: Verifier, found: list[Erasure]) -> list[LogHolds]:
    verified = verify_log(read, log, Memory())
    checkpoint = verified.checkpoint
    if verified.fault is not None or checkpoint is None:
        told = "no checkpoint" if verified.fault is None else verified.fault.sentence
        raise NotCertified(f"The transparency log does not hold: {told}")
    leaves: list[list[int]] = [[] for _ in found]
    for index, entry in reading.leaves(read, checkpoint.size):
        for one, mine in zip(found, leaves, strict=True):
            if one.subject.encode() in entry and _is_of(leaf.decode(entry), one):
                mine.append(index)
    return [
        LogHolds(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=b64encode(checkpoint.root),
            leaves=tuple(mine),
        )
        for mine in leaves
    ]


def _is_of(record: leaf.Leaf, one: Erasure) -> bool:
    """Whether a leaf is about a generation that was erased; only facts and accesses name one."""
    if record.topic not in _NAMING or record.value is None:
        return False
    try:
        body = json.loads(record.value)
    except ValueError:
        return False
    body = body.get("access", body)
    generation = body.get("generation") or 0
    return bool(body.get("subject") == one.subject and generation <= one.generation)
