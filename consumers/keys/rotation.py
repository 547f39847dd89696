"""A new intake key in the old one's place; the private half of a retired one goes on its day."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog

from consumers.keys.schedule import destroyed_at
from consumers.stack.office import office_signing_key, publish
from infra.errors import InfrastructureError
from infra.kafka import producer
from infra.keys.opening import opened_vault
from infra.settings import Settings
from infra.waiting import pause
from projections.broadcast import BroadcastTables
from schemas.keyvault import IntakeKey, KeyVault, VaultUnavailable
from schemas.publisher import BackboneKeyPublished, BackboneKeyRetired, PublisherFact
from schemas.sealing import b64encode
from schemas.sealing.session import INTAKE_PRIVATE_BYTES, intake_public_bytes

EVERY_SECONDS: Final = 3600.0
_log = structlog.get_logger(__name__)


async def rotate_intake(settings: Settings, tables: BroadcastTables, vault: KeyVault) -> list[str]:
    """Publishes a new intake key and retires those before it; a sentence for each fact.

    Sessions that are open go on; new ones are opened with the new key. The key is in the vault
    before anybody is told of it.

    Raises:
        KeyFileError: the office's private key is not here.
        BrokerUnavailable, VaultUnavailable: run it again; a key that nobody was told of is no harm.
    """
    office = office_signing_key(settings)
    former = tables.backbone_keys("intake")
    key = IntakeKey(f"intake-{secrets.token_hex(4)}", secrets.token_bytes(INTAKE_PRIVATE_BYTES))
    await vault.put_intake_key(key)
    public = b64encode(intake_public_bytes(key.private_key))
    facts: tuple[PublisherFact, ...] = (
        BackboneKeyPublished(key_id=key.key_id, purpose="intake", public_key=public),
        *(BackboneKeyRetired(key_id=one.key_id, purpose="intake") for one in former),
    )
    async with producer(settings) as sender:
        return [await publish(sender, office, fact) for fact in facts]


async def destroy_retired(tables: BroadcastTables, vault: KeyVault, now: datetime) -> list[str]:
    """Destroys every intake key whose time is over; answers their ids. Again changes nothing."""
    sessions = tables.sessions()
    living = await vault.intake_keys()
    due = [
        one.fact.key_id
        for one in tables.backbone_key_lives("intake")
        if one.fact.key_id in living
        and (end := destroyed_at(one, sessions)) is not None
        and end <= now
    ]
    for key_id in due:
        await vault.destroy_intake_key(key_id, now)
    return due


async def keep_destroying(
    settings: Settings,
    tables: BroadcastTables,
    stop: asyncio.Event,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Does so every hour until told to stop; trouble with a server is told and waited out."""
    while not stop.is_set():
        try:
            await tables.catch_up()
            async with opened_vault(settings, maximum=1, listening=False) as vault:
                destroyed = await destroy_retired(tables, vault, clock())
            _log.info("intake keys", destroyed=destroyed)
        except (InfrastructureError, VaultUnavailable, psycopg.Error) as error:
            _log.error("keys could not be looked through, trying again", error=type(error).__name__)
        await pause(stop, EVERY_SECONDS)
