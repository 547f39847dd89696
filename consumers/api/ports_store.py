"""What the API asks of the projections' tables, as a port; `store.py` is the real one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from consumers.api.cursors import SortKey
from projections.access import AccessFacts
from projections.consumption_queries import Consumed
from projections.history_statements import Versions
from projections.notice_queries import Concern, ConcernedLine, ConcernedPharmacy, Notice
from projections.quality_overview import Quality
from projections.quality_queries import ReceiptRow
from projections.quality_refusals import Filter, Refusal, RefusalKey
from projections.queries import AccessLogRow, HistoryRow
from projections.registered import RegistrationRow
from projections.surveillance import Uses


class Store(Protocol):
    """The projections' tables. Subjects, parties and readers are pseudonyms throughout."""

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
    ) -> Sequence[HistoryRow]:
        """A subject's lines, newest first unless told otherwise; with `dguid` only that.

        `also` are the person's replaced numbers.
        """
        ...

    async def returns(
        self, *, subjects: Sequence[str], indexes: Sequence[str], as_of: Mapping[int, int]
    ) -> Sequence[HistoryRow]:
        """The returns that stand of the lines with these `folds.history.returns_index`."""
        ...

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
    ) -> Sequence[HistoryRow]:
        """A pharmacy's lines, newest first."""
        ...

    async def quality(self, *, pharmacy: str | None, start: datetime, end: datetime) -> Quality:
        """How a pharmacy, or everybody, did in a period."""
        ...

    async def recalls(
        self,
        *,
        limit: int | None,
        recall: str | None = None,
        authority: str | None = None,
        open_only: bool = False,
    ) -> Sequence[Notice]:
        """Recalls, the newest first; all of them without a limit."""
        ...

    async def recalls_concerning(
        self, concerns: Mapping[str, Concern], *, pharmacy: str
    ) -> set[str]:
        """Those of these recalls for which the pharmacy has a line."""
        ...

    async def recall_lines(
        self, concern: Concern, *, pharmacy: str, limit: int, after: str
    ) -> Sequence[ConcernedLine]:
        """One pharmacy's lines that a recall concerns, by DGUID."""
        ...

    async def recall_pharmacies(
        self, concern: Concern, *, recall: str, pharmacy: str | None
    ) -> Sequence[ConcernedPharmacy]:
        """The pharmacies that a recall concerns, or one of them."""
        ...

    async def consumption(
        self, *, products: Sequence[str], start: datetime, end: datetime
    ) -> Sequence[Consumed]:
        """What was dispensed of products (keyed hashes), per month and pharmacy."""
        ...

    async def access_facts(
        self, *, subject: str, at: datetime, as_of: Mapping[int, int] | None = None
    ) -> AccessFacts:
        """What `access_state` holds about a subject, as of positions of its partitions.

        A partition that is not named counts as it is now.
        """
        ...

    async def mandates_held(self, *, holder: str) -> list[RegistrationRow]:
        """Mandates to the holder that are not ended, waiting ones included."""
        ...

    async def registrations_of(self, *, subject: str) -> list[RegistrationRow]:
        """Consent, links, exclusions and mandates of a subject, ended ones included."""
        ...

    async def access_log(
        self,
        *,
        subject: str,
        start: datetime,
        limit: int,
        after: SortKey | None,
        also: Sequence[str] = (),
    ) -> list[AccessLogRow]:
        """Decisions about a subject, newest first, with those about its replaced numbers."""
        ...

    async def access_place(self, *, subject: str, ce_id: str) -> tuple[int, int] | None:
        """Partition and offset of a decision about the subject in `dpp.access.audited`."""
        ...

    async def receipts(self, *, pharmacy: str, after: int, limit: int) -> list[ReceiptRow]:
        """A pharmacy's receipts and gap notices behind an offset, oldest first."""
        ...

    async def refusals(
        self, wanted: Filter, *, limit: int, after: RefusalKey | None
    ) -> Sequence[Refusal]:
        """Refused lines and submissions behind a place, newest first."""
        ...

    async def uses(self, *, start: datetime, end: datetime, now: datetime, contacts: bool) -> Uses:
        """How the record was used in [start, end), with or without what shows who was met."""
        ...
