"""A new signing key for the log: first both sign, then the former hands over and is destroyed.

Every step may be interrupted and done again. The notary does what the files ask of it; only the
office's statements are made here.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from consumers.keys.log_keys import LogKeyFiles
from consumers.stack.office import (
    log_facts,
    log_key_path,
    log_signers,
    office_signing_key,
    publish,
)
from infra.errors import InfrastructureError
from infra.kafka import producer
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from schemas.publisher import BackboneKeyRetired, PublisherFact
from schemas.sealing import b64decode
from streams.notary import notes
from streams.notary.directory import LogDirectory
from streams.notary.handover import Handover
from streams.notary.notes import Verifier
from streams.notary.opening import handovers_of

_LOOK_SECONDS: Final = 0.1


class NotHandedOver(InfrastructureError):
    """The log's key has no successor, or the notary has not handed over yet; the text says so."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Both keys sign from now on; readers pin `successor` before the former is retired."""

    ruling: Verifier
    successor: Verifier
    stated: list[str]


async def rotate_log_key(settings: Settings, tables: BroadcastTables) -> Begun:
    """Makes the key that follows, unless it is there, and states what the office has not stated.

    Raises:
        KeyFileError: the log's or the office's private key is not here.
        BrokerUnavailable: run it again; it goes on with the same key.
    """
    office_signing_key(settings)
    if log_signers(settings).successor is None:
        LogKeyFiles(log_key_path(settings)).make_next()
    now = log_signers(settings)
    ruling, successor = (notes.verifier(settings.log_origin, key) for key in now.keys)
    return Begun(ruling, successor, await _state(settings, log_facts(tables, settings)))


async def retire_log_key(settings: Settings, tables: BroadcastTables, seconds: float) -> Handover:
    """Lets the former key hand over, waits for it, states it and destroys the private half.

    Raises:
        NotHandedOver: there is no successor, or no handover within `seconds`; it stays asked for.
        KeyFileError: a private key is not here.
        BrokerUnavailable: run it again.
    """
    office_signing_key(settings)
    files = LogKeyFiles(log_key_path(settings))
    now = log_signers(settings)
    if now.successor is not None:
        ruling = now.ruling.public_key().public_bytes_raw()
        files.retire(next(key for key in files.load() if key.public_bytes == ruling))
        await _handed_over(settings, ruling, seconds)
    shown = _shown(settings)
    if not shown:
        raise NotHandedOver("The log's key has no successor: begin with dpp log rotate-key.")
    former = {one.former.key for one in shown}
    retired: list[PublisherFact] = [
        BackboneKeyRetired(key_id=one.fact.key_id, purpose="log")
        for one in tables.backbone_key_lives("log")
        if one.retired_at is None and b64decode(one.fact.public_key) in former
    ]
    await _state(settings, retired)
    for public in former:
        files.destroy(public)
    return shown[-1]


async def _handed_over(settings: Settings, ruling: bytes, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while ruling not in {one.former.key for one in _shown(settings)}:  # noqa: ASYNC110 - the file is what readers see
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise NotHandedOver(
            f"The notary has not handed over within {seconds:g} s. It will when it runs (dpp run "
            "notary); run this again then."
        ) from None


def _shown(settings: Settings) -> tuple[Handover, ...]:
    return handovers_of(LogDirectory(settings.log_folder).read, settings.log_origin)


async def _state(settings: Settings, facts: list[PublisherFact]) -> list[str]:
    office = office_signing_key(settings)
    async with producer(settings) as sender:
        return [await publish(sender, office, fact) for fact in facts]
