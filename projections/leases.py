"""Which runner follows which partition: advisory locks held by the very connection that commits.

A lock ends with its connection, so whoever holds it is the one whose commits can arrive; no clock,
heartbeat or row is needed. A process that froze keeps its locks only until the server ends its idle
session, or, since the server never ends one that is in the middle of a COPY, until a runner that
wants them has it ended. The check of the expected position is the second fence. Decision record 10
says why.
"""

import zlib
from collections.abc import Collection
from typing import Final

from infra.postgres import Connection

IDLE_SECONDS: Final = 30
"""After so long without a word from a runner the server ends its session, and so its locks."""
_MEMBER: Final = 0
"""Held shared by every runner of a projection, so that they can be counted."""
_MEMBERS: Final = """
SELECT count(DISTINCT pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s::bigint::oid AND objid = %s::oid AND objsubid = 2
    AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_END_FROZEN: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid IN (
        SELECT pid FROM pg_locks
        WHERE locktype = 'advisory' AND classid = %s::bigint::oid AND objsubid = 2 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    AND pid <> pg_backend_pid() AND state = 'active'
    AND wait_event_type = 'Client' AND wait_event = 'ClientRead'
    AND query_start < clock_timestamp() - make_interval(secs => %s)
"""


class Leases:
    """One runner's partitions of one projection."""

    def __init__(self, connection: Connection, projection: str) -> None:
        self._connection = connection
        self._class = zlib.crc32(f"dpp projection {projection}".encode())
        self.held: frozenset[int] = frozenset()

    async def join(self) -> None:
        """Becomes one of the projection's runners, until the connection ends."""
        for setting in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
            await self._connection.execute(f"SET {setting} = '{IDLE_SECONDS}s'")
        await self._connection.execute(
            "SELECT pg_advisory_lock_shared(%s, %s)", (self._signed, _MEMBER)
        )

    async def settle(self, partitions: Collection[int]) -> bool:
        """Takes what is free up to a fair share, gives up what is more; True if that changed.

        Call it between commits only: what is given up may be somebody else's at once.
        """
        cursor = await self._connection.execute(_MEMBERS, (self._class, _MEMBER))
        row = await cursor.fetchone()
        members = max(1, int(row[0]) if row else 1)
        share = -(-len(partitions) // members)
        before = self.held
        for partition in sorted(self.held, reverse=True)[: max(0, len(self.held) - share)]:
            await self._ask("pg_advisory_unlock", partition)
            self.held -= {partition}
        for partition in sorted(set(partitions) - before):
            if len(self.held) >= share:
                break
            if await self._ask("pg_try_advisory_lock", partition):
                self.held |= {partition}
        if len(self.held) < len(partitions):
            # Frozen ones count as runners, so even a fair share may leave partitions to nobody.
            await self._connection.execute(_END_FROZEN, (self._class, IDLE_SECONDS))
        return self.held != before

    async def _ask(self, function: str, partition: int) -> bool:
        cursor = await self._connection.execute(
            f"SELECT {function}(%s, %s)",
            (self._signed, partition + 1),
        )
        row = await cursor.fetchone()
        return bool(row and row[0])

    @property
    def _signed(self) -> int:
        return self._class - 2**32 if self._class >= 2**31 else self._class
