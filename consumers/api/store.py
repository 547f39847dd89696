"""The store port over the projections' database; rows come as `projections.queries` gives them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from consumers.api.cursors import SortKey
from consumers.api.pools import Pools, asking
from projections import (
    consumption_queries,
    notice_queries,
    quality_overview,
    quality_queries,
    quality_refusals,
    queries,
    surveillance_queries,
)
from projections.access import AccessFacts
from projections.history_statements import Asked, HistoryKey, Versions
from projections.registered import RegistrationRow
from projections.surveillance import Uses
from schemas.partitioning import partition_for


def _key(after: SortKey | None) -> HistoryKey | None:
    if after is None:
        return None
    pharmacy, dguid = after.parts
    return HistoryKey(after.at, pharmacy, dguid, after.number)


class PostgresStore:
    """Implements `ports.Store`; one connection and one statement per question."""

    def __init__(self, pools: Pools, receipt_partitions: int) -> None:
        self._pools = pools
        self._receipt_partitions = receipt_partitions

    async def history(
        self,
        *,
        subject: str,
        start: datetime,
        end: datetime,
        limit: int,
        after: SortKey | None,
        as_of: Mapping[int, int],
        dguid: str | None = None,
        oldest_first: bool = False,
        also: Sequence[str] = (),
        versions: Versions = "current",
    ) -> list[queries.HistoryRow]:
        """A subject's lines, newest first unless told otherwise; with `dguid` only that.

        `also` are the person's replaced numbers.
        """
        asked = Asked(
            start=start,
            end=end,
            limit=limit,
            after=_key(after),
            as_of=as_of,
            versions=versions,
            dguid=dguid,
            oldest_first=oldest_first,
        )
        async with self._pools.history_at(as_of) as connection:
            return await queries.history(connection, (subject, *also), asked)

    async def own_lines(
        self,
        *,
        pharmacy: str,
        start: datetime,
        end: datetime,
        limit: int,
        after: SortKey | None,
        as_of: Mapping[int, int],
        versions: Versions = "current",
    ) -> list[queries.HistoryRow]:
        """A pharmacy's lines, newest first."""
        asked = Asked(
            start=start, end=end, limit=limit, after=_key(after), as_of=as_of, versions=versions
        )
        async with self._pools.history_at(as_of) as connection:
            return await queries.own_lines(connection, pharmacy, asked)

    async def returns(
        self, *, subjects: Sequence[str], indexes: Sequence[str], as_of: Mapping[int, int]
    ) -> list[queries.HistoryRow]:
        """The returns that stand of lines."""
        async with self._pools.history_at(as_of) as connection:
            return await queries.returns(connection, subjects, indexes, as_of)

    async def quality(
        self, *, pharmacy: str | None, start: datetime, end: datetime
    ) -> quality_overview.Quality:
        """How a pharmacy, or everybody, did in a period."""
        async with asking(self._pools.lists) as connection:
            return await quality_overview.quality(
                connection, start=start, end=end, pharmacy=pharmacy
            )

    async def recalls(
        self,
        *,
        limit: int | None,
        recall: str | None = None,
        authority: str | None = None,
        open_only: bool = False,
    ) -> list[notice_queries.Notice]:
        """Recalls, the newest first; all of them without a limit."""
        async with asking(self._pools.lists) as connection:
            return await notice_queries.notices(
                connection, limit=limit, recall=recall, authority=authority, open_only=open_only
            )

    async def recalls_concerning(
        self, concerns: Mapping[str, notice_queries.Concern], *, pharmacy: str
    ) -> set[str]:
        """Those of these recalls for which the pharmacy has a line."""
        async with asking(self._pools.lists) as connection:
            return await notice_queries.concerning(connection, concerns, pharmacy=pharmacy)

    async def recall_lines(
        self, concern: notice_queries.Concern, *, pharmacy: str, limit: int, after: str
    ) -> list[notice_queries.ConcernedLine]:
        """One pharmacy's lines that a recall concerns, by DGUID."""
        async with asking(self._pools.lists) as connection:
            return await notice_queries.lines(
                connection, concern, pharmacy=pharmacy, limit=limit, after=after
            )

    async def recall_pharmacies(
        self, concern: notice_queries.Concern, *, recall: str, pharmacy: str | None
    ) -> list[notice_queries.ConcernedPharmacy]:
        """The pharmacies that a recall concerns, or one of them."""
        async with asking(self._pools.lists) as connection:
            return await notice_queries.pharmacies(
                connection, concern, recall=recall, pharmacy=pharmacy
            )

    async def consumption(
        self, *, products: Sequence[str], start: datetime, end: datetime
    ) -> list[consumption_queries.Consumed]:
        """What was dispensed of products, per month and pharmacy."""
        async with asking(self._pools.lists) as connection:
            return await consumption_queries.consumption(
                connection, products=products, start=start, end=end
            )

    async def access_facts(
        self, *, subject: str, at: datetime, as_of: Mapping[int, int] | None = None
    ) -> AccessFacts:
        """What `access_state` holds about a subject."""
        async with asking(self._pools.access) as connection:
            return await queries.access_facts(connection, subject=subject, at=at, as_of=as_of)

    async def mandates_held(self, *, holder: str) -> list[RegistrationRow]:
        """Mandates to the holder that are not ended, waiting ones included."""
        async with asking(self._pools.access) as connection:
            return await queries.mandates_of(connection, holder=holder)

    async def registrations_of(self, *, subject: str) -> list[RegistrationRow]:
        """Everything registered about a subject, ended ones included."""
        async with asking(self._pools.access) as connection:
            return await queries.registrations_of(connection, subject=subject, ended=True)

    async def access_log(
        self,
        *,
        subject: str,
        start: datetime,
        limit: int,
        after: SortKey | None,
        also: Sequence[str] = (),
    ) -> list[queries.AccessLogRow]:
        """Decisions about a subject, newest first."""
        async with asking(self._pools.lists) as connection:
            return await queries.access_log(
                connection,
                subject=subject,
                start=start,
                limit=limit,
                after=(after.at, after.parts[0]) if after else None,
                also=also,
            )

    async def access_place(self, *, subject: str, ce_id: str) -> tuple[int, int] | None:
        """Partition and offset of a decision about the subject in `dpp.access.audited`."""
        async with asking(self._pools.lists) as connection:
            return await queries.access_place(connection, subject=subject, ce_id=ce_id)

    async def receipts(
        self, *, pharmacy: str, after: int, limit: int
    ) -> list[quality_queries.ReceiptRow]:
        """A pharmacy's receipts and gap notices behind an offset, oldest first."""
        async with asking(self._pools.lists) as connection:
            return await quality_queries.receipts(
                connection,
                pharmacy=pharmacy,
                partition=partition_for(pharmacy.encode(), self._receipt_partitions),
                after=after,
                limit=limit,
            )

    async def refusals(
        self,
        wanted: quality_refusals.Filter,
        *,
        limit: int,
        after: quality_refusals.RefusalKey | None,
    ) -> Sequence[quality_refusals.Refusal]:
        """Refused lines and submissions behind a place, newest first."""
        async with asking(self._pools.lists) as connection:
            return await quality_refusals.refusals(connection, wanted, limit=limit, after=after)

    async def uses(self, *, start: datetime, end: datetime, now: datetime, contacts: bool) -> Uses:
        """How the record was used in a period."""
        async with asking(self._pools.lists) as connection:
            return await surveillance_queries.uses(
                connection, start=start, end=end, now=now, contacts=contacts
            )

    async def failure(self, projection: str) -> str | None:
        """Why a projection stands still, if it does; also tells whether the database answers."""
        async with asking(self._pools.access) as connection:
            found = await queries.failure(connection, projection=projection)
            return None if found is None else found.category
