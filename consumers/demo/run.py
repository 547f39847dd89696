"""The story of the demo, from an empty folder to a verdict."""

import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from consumers.demo import publishing, reading
from consumers.demo.cast import Cast, planned
from consumers.demo.checks import Checks
from consumers.stack.stack import Stack
from infra.settings import Settings


@dataclass
class Told:
    """What the demo found."""

    checks: Checks
    outcomes: dict[str, int] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    accesses: list[dict[str, Any]] = field(default_factory=list)


async def tell(settings: Settings, data: Path | None, progress: Callable[[str], None]) -> Told:
    """Runs everything in `data`, or in a folder that is removed afterwards.

    Raises:
        InfrastructureError: a server or a part did not start.
    """
    async with AsyncExitStack() as closing:
        folder = data or Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="dpp-")))
        update = {"data": folder, "dev_issuer": True, "api_port": 0}
        stack = Stack(settings.model_copy(update=update), progress=progress)
        await closing.enter_async_context(stack)
        client = httpx.AsyncClient(base_url=stack.api_url, timeout=30.0)
        portal = reading.Portal(await closing.enter_async_context(client))
        return await _tell(stack, portal, progress)


async def _tell(stack: Stack, portal: reading.Portal, progress: Callable[[str], None]) -> Told:
    cast, told = Cast(), Told(Checks())
    progress("pharmacies enrol and publish")
    publishers = await publishing.enrol(stack)
    try:
        await publishing.publish_noise(stack)
        sent = await publishing.publish(publishers, planned(cast, datetime.now(UTC)))
        progress("receipts")
        told.outcomes = dict(await publishing.compare(publishers, sent, told.checks))
    finally:
        for publisher in publishers.values():
            await publisher.close()
    progress("registrations and reads")
    await reading.enter_all(portal, cast)
    stack.publish_tokens(portal.tokens)
    await reading.register_all(portal, cast, told.checks)
    told.history = await reading.read_all(portal, cast, told.checks)
    await reading.refuse_all(portal, cast, told.checks)
    told.accesses = await reading.access_log(portal, told.checks)
    return told
