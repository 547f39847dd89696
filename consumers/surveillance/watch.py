"""Shows what of the use of the record should be looked at as metrics: totals, never a reader.

Who it is, an operator asks (`dpp surveillance`, `POST /v1/surveillance`), which is recorded.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final, get_args

from prometheus_client import Gauge

from consumers.api.surveillance import PERIOD
from infra.postgres import Pool
from projections.surveillance import Finding, Kind, judged
from projections.surveillance_queries import uses
from schemas.keyvault import KeyVault

SECONDS: Final = 3600.0
"""Between two looks, which count four weeks: an unusual day shows before it is over."""
FINDINGS: Final = Gauge(
    "dpp_surveillance_findings",
    "Uses of the record that should be looked at, of the last 28 days.",
    ["kind"],
)
READS: Final = Gauge("dpp_surveillance_reads", "Reads that those findings are made of.", ["kind"])
WATCHED_AT: Final = Gauge(
    "dpp_surveillance_watched_timestamp_seconds", "When these figures were last taken (Unix time)."
)


async def look(
    connections: Pool, opened: Callable[[], AbstractAsyncContextManager[KeyVault]], at: datetime
) -> None:
    """Takes all figures once.

    Raises:
        InfrastructureError, VaultUnavailable, psycopg.Error: vault or database do not answer.
    """
    async with opened() as vault:
        key = await vault.root_key("pseudonym")
    async with connections.connection() as connection, connection.transaction():
        # Who was met is looked up one by one; nobody waits for these figures.
        await connection.execute("SET LOCAL statement_timeout = 0")
        counted = await uses(connection, start=at - PERIOD, end=at, now=at)
    show(judged(counted, key), at)


def show(found: Iterable[Finding], at: datetime) -> None:
    """Sets the gauges; a kind of which nothing was found shows 0."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    listed = list(found)
    for kind in kinds:
        of_kind = [one for one in listed if one.kind == kind]
        FINDINGS.labels(kind).set(len(of_kind))
        READS.labels(kind).set(sum(one.reads for one in of_kind))
    WATCHED_AT.set(at.timestamp())
