"""Carries erasures out: secrets first, then rows, again and again until nothing is left to do.

The fact in `dpp.subject.registered` comes first and says all that is needed, so a crash at any step
is made good by the next round. Rows go last: what still has rows is left to do, and all a round
reads. At the start and every hour everything is compared with the vault too, so that secrets of
erased generations in one that was restored from an older copy are destroyed anew. Source: DESIGN
sections 4.2 and 10.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import psycopg
import structlog
from prometheus_client import Gauge

from infra.errors import InfrastructureError
from infra.keys.opening import opened_vault
from infra.postgres import Connection, connect
from infra.settings import Settings
from infra.waiting import pause
from projections.erasure import erase
from projections.erasure_queries import Erasure, executed
from schemas.keyvault import KeyVault, SubjectSecret, VaultUnavailable

EVERY_SECONDS: Final = 5.0
ALL_EVERY: Final = timedelta(hours=1)
Scope = Literal["left", "all", "anew"]
"""What a round reads.

- `left`: erasures whose rows are still there
- `all`: every one, to find secrets that are in the vault again
- `anew`: every one, and secrets are destroyed even where the vault knows of none: a vault that was
  restored from a copy older than the subject must not make that generation again
"""
LAST_DONE: Final = Gauge(
    "dpp_erasure_last_done_seconds",
    "When a round of erasures ended well, in seconds since 1970; alarm when minutes old",
)
ASKED: Final = Gauge("dpp_erasures_executed", "Erasures that were executed, ever")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What one round destroyed; both 0 when there was nothing left to do."""

    secrets: int = 0
    rows: int = 0


async def carry_out(
    connection: Connection, vault: KeyVault, now: datetime, scope: Scope
) -> CarriedOut:
    """Makes executed erasures true, in the vault and in the projections.

    Raises:
        VaultUnavailable, psycopg.Error: run it again; what was done stays done.
    """
    wanted = await executed(connection, left=scope == "left")
    due = wanted if scope == "anew" else await _living(vault, wanted)
    for one in due:
        await vault.destroy_subject(one.subject, one.generation, now)
    rows = 0
    for one in wanted:
        if not one.removed:
            rows += await erase(connection, one.subject, one.generation)
            ASKED.inc()
    if scope != "left":
        ASKED.set(len(wanted))
    return CarriedOut(len(due), rows)


async def _living(vault: KeyVault, wanted: Sequence[Erasure]) -> list[Erasure]:
    found = await vault.find_subject_secrets({(one.subject, one.generation) for one in wanted})
    return [one for one in wanted if isinstance(found[one.subject, one.generation], SubjectSecret)]


async def apply_all(settings: Settings, now: datetime) -> CarriedOut:
    """One round over everything, as after the vault was restored.

    Raises:
        InfrastructureError, VaultUnavailable, psycopg.Error: run it again.
    """
    async with (
        connect(settings.dsn, autocommit=True, statement_ms=0) as connection,
        opened_vault(settings, maximum=1, listening=False) as vault,
    ):
        return await carry_out(connection, vault, now, "anew")


def next_scope(compared_at: datetime | None, now: datetime) -> Scope:
    """What the keeper's round reads; `compared_at` is when one last read everything."""
    if compared_at is None:
        return "anew"
    return "all" if now - compared_at >= ALL_EVERY else "left"


async def keep_carrying_out(
    settings: Settings,
    stop: asyncio.Event,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Does so every few seconds until told to stop; trouble with a server is waited out."""
    compared_at: datetime | None = None
    while not stop.is_set():
        try:
            async with (
                connect(settings.dsn, autocommit=True, statement_ms=0) as connection,
                opened_vault(settings, maximum=1) as vault,
            ):
                while not stop.is_set():
                    now = clock()
                    scope = next_scope(compared_at, now)
                    done = await carry_out(connection, vault, now, scope)
                    compared_at = compared_at if scope == "left" else now
                    LAST_DONE.set_to_current_time()
                    if done != CarriedOut():
                        _log.info("erasures", secrets=done.secrets, rows=done.rows)
                    await pause(stop, EVERY_SECONDS)
        except (InfrastructureError, VaultUnavailable, psycopg.Error) as error:
            _log.error("erasures cannot be carried out, trying again", error=type(error).__name__)
            await pause(stop, EVERY_SECONDS)
