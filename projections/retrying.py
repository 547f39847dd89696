"""Retrying what stood still or was left out: on command, without a restart of any process."""

from infra.postgres import Connection
from projections.store import RETRY_CHANNEL


async def retry(connection: Connection, projection: str) -> None:
    """Tells the runners to try again where the projection stopped; harmless where it runs."""
    await connection.execute("SELECT pg_notify(%s, %s)", (RETRY_CHANNEL, projection))
