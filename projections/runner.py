"""Runs the projections of one process: a follower each, every batch one transaction.

A projection that meets an event it cannot take over applies everything before it, stores why it
stopped, and stands still until it is retried or the process is started anew; the others go on.
Trouble with a server is waited out: what was not committed is read again from the stored position.
Several processes share the partitions of each projection (`projections.leases`).
"""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Final

from infra.keys.opening import opened_vault
from infra.migrations import Source, require_current
from infra.settings import Settings
from projections.follower import Follower
from projections.health import ProjectionHealth
from projections.shells import Projection, registered
from schemas.keyvault import KeyVault

COLLECT_AFTER: Final = 100_000
"""Objects made before the collector looks for circles among them."""


def migrations(settings: Settings) -> Source:
    """Where the projections' SQL is, for `infra.migrations`."""
    return Source("projections", "sql", settings.dsn)


async def run_projections(
    settings: Settings,
    *,
    stop: asyncio.Event,
    vault: KeyVault | None = None,
    health: ProjectionHealth | None = None,
    projections: Sequence[Projection] | None = None,
) -> None:
    """Runs all projections until `stop` is set.

    Raises:
        DatabaseUnavailable, MigrationRefused: at the start, with what to do.
    """
    await require_current([migrations(settings)])
    shown = health or ProjectionHealth()
    async with AsyncExitStack() as stack:
        stack.enter_context(batches_spared())
        if projections is None:
            if vault is None:
                vault = await stack.enter_async_context(opened_vault(settings))
            projections = registered(vault)
        followers = [Follower(settings, one, shown, stop) for one in projections]
        async with asyncio.TaskGroup() as group:
            for one in followers:
                group.create_task(one.run())


@contextmanager
def batches_spared() -> Iterator[None]:
    """Keeps the garbage collector from walking through everything for each batch.

    A batch is some hundred thousand objects that all live until it is committed, and hold no
    circles. With the usual thresholds the collector takes a sixth of the time of folding.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
