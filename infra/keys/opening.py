"""The key vault as every process opens it: checked, and if it lasts in step with erasures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from infra.keys.heeding import heeding_erasures
from infra.keys.kek import load_kek, load_other_keks
from infra.keys.postgres import PostgresVault
from infra.postgres import pool
from infra.settings import Settings


@asynccontextmanager
async def opened_vault(
    settings: Settings, *, maximum: int = 10, listening: bool = True
) -> AsyncIterator[PostgresVault]:
    """The vault, on at most `maximum` connections and one that listens; closed at the end.

    Whoever is done within seconds need not listen to erasures: its cache is empty at first.

    Raises:
        DatabaseUnavailable, VaultUnavailable: its database does not answer.
        KekError, WrongKek: the key-encryption key is missing, or another vault's.
    """
    async with pool(settings.vault, maximum=maximum) as connections:
        vault = PostgresVault(connections, load_kek(settings), also=load_other_keks(settings))
        await vault.open()
        async with heeding_erasures(settings.vault, vault) if listening else nullcontext():
            yield vault
