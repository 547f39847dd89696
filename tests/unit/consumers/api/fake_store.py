"""The projections' rows over memory."""
# ruff: noqa: ARG002 - fakes take what their ports take

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from consumers.api.cursors import SortKey
from projections.access import AccessFacts
from projections.consumption_queries import Consumed
from projections.history_statements import Versions
from projections.notice_queries import Concern, ConcernedLine, ConcernedPharmacy, Notice
from projections.quality_overview import GapTotals, Overview, Quality
from projections.quality_queries import ReceiptRow
from projections.quality_refusals import Filter, Refusal, RefusalKey
from projections.queries import AccessLogRow, HistoryRow
from projections.registered import RegistrationRow
from projections.surveillance import Uses, Usual
from schemas.brussels import day_of

TOLD = Quality(
    Overview({"accepted": 3}, 5, 1, 0, 0, {"NISS_INVALID": 1}, {"LATE": 2}, {100: 5}),
    GapTotals(1, 2, 0, 0),
)


@dataclass
class FakeStore:
    trace: list[str]
    lines: list[HistoryRow] = field(default_factory=list)
    facts: dict[str, AccessFacts] = field(default_factory=dict)
    registered: list[RegistrationRow] = field(default_factory=list)
    accesses: list[AccessLogRow] = field(default_factory=list)
    letters: list[ReceiptRow] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    consumed: list[Consumed] = field(default_factory=list)
    told: Quality = field(default_factory=lambda: TOLD)
    notices: dict[str, Notice] = field(default_factory=dict)
    acknowledged: dict[tuple[str, str], int] = field(default_factory=dict)
    carried: list[tuple[str, str, str | None, ConcernedLine]] = field(default_factory=list)
    """Pharmacy, product index, batch index and line."""
    asked: list[str] = field(default_factory=list)
    used: Uses = field(default_factory=lambda: Uses((), (), (), Usual({}, {})))
    returning: dict[str, str] = field(default_factory=dict)
    """The `returns_index` of each line that is a return."""

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
    ) -> list[HistoryRow]:
        self.trace.append("history")
        self.asked.append(subject)
        rows = [
            r
            for r in self.lines
            if r.subject in (subject, *also)
            and start <= r.delivered_at < end
            and r.offset < as_of[r.partition]
            and dguid in (None, r.dguid)
            and _counts(r, versions)
        ]
        return _page(rows, after, limit, oldest_first=oldest_first)

    async def returns(
        self, *, subjects: Sequence[str], indexes: Sequence[str], as_of: Mapping[int, int]
    ) -> list[HistoryRow]:
        self.trace.append("returns")
        return [
            row
            for row in self.lines
            if row.subject in subjects
            and row.stands
            and self.returning.get(row.dguid) in indexes
            and row.offset < as_of[row.partition]
        ]

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
    ) -> list[HistoryRow]:
        self.trace.append("own_lines")
        rows = [
            r
            for r in self.lines
            if r.pharmacy == pharmacy and start <= r.delivered_at < end and _counts(r, versions)
        ]
        return _page(rows, after, limit)

    async def quality(self, *, pharmacy: str | None, start: datetime, end: datetime) -> Quality:
        self.trace.append(f"quality:{pharmacy}:{(end - start).days}")
        return self.told

    async def recalls(
        self,
        *,
        limit: int | None,
        recall: str | None = None,
        authority: str | None = None,
        open_only: bool = False,
    ) -> list[Notice]:
        self.trace.append("recalls")
        return [
            one
            for one in self.notices.values()
            if recall in (None, one.recall)
            and authority in (None, one.authority)
            and not (open_only and one.closed_at)
        ][:limit]

    async def recalls_concerning(
        self, concerns: Mapping[str, Concern], *, pharmacy: str
    ) -> set[str]:
        self.trace.append("recalls_concerning")
        return {name for name, one in concerns.items() if self._concerned(one, pharmacy)}

    def _concerned(self, concern: Concern, pharmacy: str | None) -> list[tuple[str, ConcernedLine]]:
        return [
            (where, replace(line, certain=concern.batch_index is None or batch is not None))
            for where, product, batch, line in self.carried
            if product == concern.product_index
            and (concern.batch_index is None or batch in (None, concern.batch_index))
            and pharmacy in (None, where)
            and (concern.start is None or line.delivered_at >= concern.start)
            and (concern.end is None or line.delivered_at < concern.end)
        ]

    async def recall_lines(
        self, concern: Concern, *, pharmacy: str, limit: int, after: str
    ) -> list[ConcernedLine]:
        self.trace.append("recall_lines")
        lines = [line for _, line in self._concerned(concern, pharmacy) if line.dguid > after]
        return sorted(lines, key=lambda line: line.dguid)[:limit]

    async def recall_pharmacies(
        self, concern: Concern, *, recall: str, pharmacy: str | None
    ) -> list[ConcernedPharmacy]:
        found: dict[str, list[ConcernedLine]] = {}
        for where, line in self._concerned(concern, pharmacy):
            found.setdefault(where, []).append(line)
        return [
            ConcernedPharmacy(
                where,
                len(lines),
                sum(not line.certain for line in lines),
                self.acknowledged.get((recall, where)),
            )
            for where, lines in sorted(found.items())
        ]

    async def consumption(
        self, *, products: Sequence[str], start: datetime, end: datetime
    ) -> list[Consumed]:
        self.trace.append("consumption")
        first, last = day_of(start), day_of(end)
        return [r for r in self.consumed if r.product_index in products and first <= r.month < last]

    async def access_facts(
        self, *, subject: str, at: datetime, as_of: Mapping[int, int] | None = None
    ) -> AccessFacts:
        self.trace.append("access_facts")
        return self.facts.get(subject, AccessFacts())

    async def mandates_held(self, *, holder: str) -> list[RegistrationRow]:
        return [r for r in self.registered if r.kind == "mandate" and r.party == holder]

    async def registrations_of(self, *, subject: str) -> list[RegistrationRow]:
        return [r for r in self.registered if r.subject == subject]

    async def access_log(
        self,
        *,
        subject: str,
        start: datetime,
        limit: int,
        after: SortKey | None,
        also: Sequence[str] = (),
    ) -> list[AccessLogRow]:
        rows = sorted(
            (r for r in self.accesses if r.subject in (subject, *also) and r.decided_at >= start),
            key=lambda r: (-r.decided_at.timestamp(), r.ce_id),
        )
        if after is not None:
            mark = (-after.at.timestamp(), after.parts[0])
            rows = [r for r in rows if (-r.decided_at.timestamp(), r.ce_id) > mark]
        return rows[:limit]

    async def access_place(self, *, subject: str, ce_id: str) -> tuple[int, int] | None:
        found = [r for r in self.accesses if (r.subject, r.ce_id) == (subject, ce_id)]
        return (2, self.accesses.index(found[0])) if found else None

    async def receipts(self, *, pharmacy: str, after: int, limit: int) -> list[ReceiptRow]:
        return [r for r in self.letters if r.offset > after][:limit]

    async def uses(self, *, start: datetime, end: datetime, now: datetime, contacts: bool) -> Uses:
        self.trace.append("uses" if contacts else "uses without contacts")
        return self.used

    async def refusals(
        self, wanted: Filter, *, limit: int, after: RefusalKey | None
    ) -> list[Refusal]:
        self.trace.append("refusals")
        rows = [
            r
            for r in sorted(self.refused, key=lambda r: r.key, reverse=True)
            if wanted.start <= r.key.appended_at < wanted.end
            and wanted.pharmacy in (None, r.pharmacy)
            and (wanted.code is None or wanted.code in {issue.code for issue in r.issues})
            and (after is None or r.key < after)
        ]
        return rows[:limit]


def _counts(row: HistoryRow, versions: Versions) -> bool:
    match versions:
        case "current":
            return row.stands
        case "latest":
            return row.superseded_position is None
        case "revoked":
            return row.superseded_position is None and row.status == "revoked"
        case "all":
            return True


def _page(
    rows: list[HistoryRow], after: SortKey | None, limit: int, *, oldest_first: bool = False
) -> list[HistoryRow]:
    def key(row: HistoryRow) -> tuple[float, str, str, int]:
        return (-row.delivered_at.timestamp(), row.pharmacy, row.dguid, row.version)

    ordered = sorted(rows, key=key, reverse=oldest_first)
    if after is not None:
        mark = (-after.at.timestamp(), *after.parts, after.number)
        ordered = [row for row in ordered if (key(row) < mark if oldest_first else key(row) > mark)]
    return ordered[:limit]
