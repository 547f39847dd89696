"""Shows what of the use of the record should be looked at as metrics: totals, never a reader.

Who it is, an operator asks (`dpp surveillance`, `POST /v1/surveillance`), which is recorded.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, get_args

from prometheus_client import Gauge

from consumers.api.surveillance import PERIOD
from infra.postgres import Pool
from projections.surveillance import Finding, Kind, judged
from projections.surveillance_queries import uses
from schemas.brussels import day_of
from schemas.keyvault import KeyVault

SECONDS: Final = 3600.0
"""Between two looks at four weeks: an unusual day shows before it is over."""
FINDINGS: Final = Gauge(
    "dpp_surveillance_findings",
    "Uses of the record that should be looked at, of the last 28 days.",
    ["kind"],
)
READS: Final = Gauge("dpp_surveillance_reads", "Reads that those findings are made of.", ["kind"])
WATCHED_AT: Final = Gauge(
    "dpp_surveillance_watched_timestamp_seconds", "When these figures were last taken (Unix time)."
)


@dataclass(slots=True)
class Looks:
    """Takes the figures, again and again; who was met is looked up in the first look of a day."""

    connections: Pool
    opened: Callable[[], AbstractAsyncContextManager[KeyVault]]
    _looked_up: date | None = None

    async def take(self, at: datetime) -> None:
        """Takes all figures once.

        Raises:
            InfrastructureError, VaultUnavailable, psycopg.Error: vault or database do not answer.
        """
        today = day_of(at)
        contacts = today != self._looked_up
        async with self.opened() as vault:
            key = await vault.root_key("pseudonym")
        async with self.connections.connection() as connection, connection.transaction():
            # Contacts are looked up one by one; nobody waits for these figures.
            await connection.execute("SET LOCAL statement_timeout = 0")
            counted = await uses(connection, start=at - PERIOD, end=at, now=at, contacts=contacts)
        show(judged(counted, key), at, contacts=contacts)
        self._looked_up = today


def show(found: Iterable[Finding], at: datetime, *, contacts: bool = True) -> None:
    """Sets the gauges; a kind of which nothing was found shows 0.

    Without `contacts`, what was found of those who were never met is shown as before.
    """
    kinds: list[Kind] = [one for one in get_args(Kind) if contacts or one != "no_contact"]
    listed = list(found)
    for kind in kinds:
        of_kind = [one for one in listed if one.kind == kind]
        FINDINGS.labels(kind).set(len(of_kind))
        READS.labels(kind).set(sum(one.reads for one in of_kind))
    WATCHED_AT.set(at.timestamp())
