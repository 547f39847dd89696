"""Reads of the projections' tables, one statement each, for the API and its neighbours.

They take a connection and decide nothing: who may see what is `projections.access`. Texts that
come back sealed are opened by the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import sql
from psycopg.rows import class_row, kwargs_row

from infra.postgres import Connection
from projections.access import AccessFacts, Exclusion, Link, Mandate
from projections.folds.history import month_of
from projections.store import Failure

Cut = Mapping[int, int]
"""A position per partition: what lies before it counts, what lies at it or after does not."""
Versions = Literal["current", "all"]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One version of a line; `sealed` is nonce || ciphertext || tag, `offset` the fact's place."""

    pharmacy: str
    dguid: str
    version: int
    status: str
    event_type: str
    ce_id: str
    subject: str
    generation: int
    period: str
    delivered_at: datetime
    sealed: bytes
    score: int | None
    warnings: tuple[str, ...]
    partition: int
    offset: int
    superseded_position: int | None = None
    """Offset of the fact that replaced it."""

    @property
    def key(self) -> "HistoryKey":
        """Where the page after this row begins."""
        return HistoryKey(self.delivered_at, self.pharmacy, self.dguid, self.version)


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """A row's place in the order of histories: latest delivery first, then identity."""

    delivered_at: datetime
    pharmacy: str
    dguid: str
    version: int


_HISTORY: Final = sql.SQL(
    "SELECT pharmacy, dguid, version, status, event_type, ce_id, subject, generation, period,"
    " delivered_at, sealed, score, warnings, recorded_partition AS partition,"
    ' recorded_position AS "offset", superseded_position'
    " FROM history_v1.dispensation AS d"
    " WHERE {who} AND delivered_month >= %(first)s AND delivered_month <= %(last)s"
    " AND delivered_at >= %(start)s AND delivered_at < %(end)s{and_more}"
    " ORDER BY {order} LIMIT %(limit)s"
)
_LATEST_FIRST: Final = sql.SQL("delivered_at DESC, pharmacy, dguid, version")
_OLDEST_FIRST: Final = sql.SQL("delivered_at, pharmacy DESC, dguid DESC, version DESC")
"""The same order backwards, so that the same index serves it."""
_AFTER: Final = sql.SQL(
    " AND delivered_at <= %(after_at)s AND (delivered_at < %(after_at)s OR"
    " (pharmacy, dguid, version) > (%(after_pharmacy)s, %(after_dguid)s, %(after_version)s))"
)
_AFTER_OLDEST: Final = sql.SQL(
    " AND delivered_at >= %(after_at)s AND (delivered_at > %(after_at)s OR"
    " (pharmacy, dguid, version) < (%(after_pharmacy)s, %(after_dguid)s, %(after_version)s))"
)
_ONE_LINE: Final = sql.SQL(" AND dguid = %(dguid)s")
_CURRENT: Final = sql.SQL(" AND superseded_position IS NULL AND status <> 'revoked'")
_AS_OF: Final = sql.SQL(
    " AND EXISTS (SELECT FROM unnest(%(partitions)s::int[], %(positions)s::bigint[])"
    " AS cut(partition, position) WHERE cut.partition = d.recorded_partition"
    " AND d.recorded_position < cut.position{and_current})"
)
_CURRENT_AS_OF: Final = sql.SQL(
    " AND (d.superseded_position IS NULL OR d.superseded_position >= cut.position)"
    " AND d.status <> 'revoked'"
)
_NOTHING: Final = sql.SQL("")


async def history(
    connection: Connection,
    *,
    subject: str,
    start: datetime,
    end: datetime,
    limit: int,
    after: HistoryKey | None = None,
    as_of: Cut | None = None,
    versions: Versions = "current",
    dguid: str | None = None,
    oldest_first: bool = False,
) -> list[HistoryRow]:
    """A subject's lines delivered in [start, end), latest first, at most `limit` after `after`.

    With `dguid` only that line; with `oldest_first` in the opposite order.

    `current` shows what stands and leaves revoked lines out; `all` shows every version, the
    revocations too. `as_of` answers as if the log ended at that cut; a partition that it does not
    name had nothing yet.
    """
    who = (sql.SQL("subject = %(who)s"), subject)
    return await _page(
        connection,
        who,
        start=start,
        end=end,
        limit=limit,
        after=after,
        as_of=as_of,
        versions=versions,
        dguid=dguid,
        oldest_first=oldest_first,
    )


async def own_lines(
    connection: Connection,
    *,
    pharmacy: str,
    start: datetime,
    end: datetime,
    limit: int,
    after: HistoryKey | None = None,
    as_of: Cut | None = None,
) -> list[HistoryRow]:
    """The current lines that a pharmacy delivered in [start, end), in the order of `history`."""
    who = (sql.SQL("pharmacy = %(who)s"), pharmacy)
    return await _page(
        connection,
        who,
        start=start,
        end=end,
        limit=limit,
        after=after,
        as_of=as_of,
        versions="current",
    )


async def _page(
    connection: Connection,
    who: tuple[sql.SQL, str],
    *,
    start: datetime,
    end: datetime,
    limit: int,
    after: HistoryKey | None,
    as_of: Cut | None,
    versions: Versions,
    dguid: str | None = None,
    oldest_first: bool = False,
) -> list[HistoryRow]:
    values: dict[str, Any] = {"who": who[1], "start": start, "end": end, "limit": limit}
    # Told in months too, so that other partitions are not even opened.
    values |= {"first": month_of(start), "last": month_of(end)}
    more: list[sql.Composable] = []
    if as_of is not None:
        values |= {"partitions": list(as_of), "positions": list(as_of.values())}
        current = _CURRENT_AS_OF if versions == "current" else _NOTHING
        more.append(_AS_OF.format(and_current=current))
    elif versions == "current":
        more.append(_CURRENT)
    if after is not None:
        values |= {
            "after_at": after.delivered_at,
            "after_pharmacy": after.pharmacy,
            "after_dguid": after.dguid,
            "after_version": after.version,
        }
        more.append(_AFTER_OLDEST if oldest_first else _AFTER)
    if dguid is not None:
        values["dguid"] = dguid
        more.append(_ONE_LINE)
    order = _OLDEST_FIRST if oldest_first else _LATEST_FIRST
    query = _HISTORY.format(who=who[0], and_more=sql.Composed(more), order=order)
    async with connection.cursor(row_factory=kwargs_row(_history_row)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


def _history_row(*, warnings: list[str], **columns: Any) -> HistoryRow:
    return HistoryRow(warnings=tuple(warnings), **columns)


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """A consent, link, exclusion or mandate: in force until `ended_at`.

    A mandate waits until `accepted_at`. `party` is whom it is about (the holder of a mandate),
    `variety` the type of link or mandate.
    """

    kind: Literal["consent", "link", "exclusion", "mandate"]
    id: str
    subject: str
    generation: int
    ce_id: str
    event_type: str
    recorded_at: datetime
    author_role: str
    author: str
    sealed: str
    party: str | None
    party_kind: str | None
    variety: str | None
    valid_from: datetime | None
    valid_until: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None


_COMMON: Final = (
    "id, subject, generation, ce_id, event_type, recorded_at, author_role, author, sealed"
)
_SUBJECTS: Final = (
    "WHERE subject = %(subject)s AND (%(ended)s::boolean OR superseded_position IS NULL)"
)
_REGISTRATIONS: Final = f"""
SELECT 'consent' AS kind, {_COMMON}, NULL AS party, NULL AS party_kind, NULL AS variety,
    NULL::timestamptz AS valid_from, NULL::timestamptz AS valid_until,
    NULL::timestamptz AS accepted_at, superseded_at AS ended_at
FROM access_state_v1.consent {_SUBJECTS}
UNION ALL
SELECT 'link', {_COMMON}, party, party_kind, link_type, valid_from, valid_until, NULL,
    superseded_at
FROM access_state_v1.link {_SUBJECTS}
UNION ALL
SELECT 'exclusion', {_COMMON}, party, party_kind, NULL, NULL, NULL, NULL, superseded_at
FROM access_state_v1.exclusion {_SUBJECTS}
UNION ALL
SELECT 'mandate', {_COMMON}, holder, holder_kind, mandate_type, NULL, valid_until, accepted_at,
    superseded_at
FROM access_state_v1.mandate {_SUBJECTS}
ORDER BY recorded_at, id
"""  # noqa: S608 - constants only
_MANDATES: Final = f"""
SELECT 'mandate' AS kind, {_COMMON}, holder AS party, holder_kind AS party_kind,
    mandate_type AS variety, NULL::timestamptz AS valid_from, valid_until, accepted_at,
    superseded_at AS ended_at
FROM access_state_v1.mandate WHERE superseded_position IS NULL
    AND (%(subject)s::text IS NULL OR subject = %(subject)s)
    AND (%(holder)s::text IS NULL OR holder = %(holder)s)
ORDER BY recorded_at, id
"""  # noqa: S608 - constants only


async def registrations_of(
    connection: Connection, *, subject: str, ended: bool = False
) -> list[RegistrationRow]:
    """What is in force for a subject, waiting mandates included, as of one moment of the table.

    With `ended` also what is over, in the order of declaration.
    """
    async with connection.cursor(row_factory=class_row(RegistrationRow)) as cursor:
        await cursor.execute(_REGISTRATIONS, {"subject": subject, "ended": ended})
        return await cursor.fetchall()


async def mandates_of(
    connection: Connection, *, subject: str | None = None, holder: str | None = None
) -> list[RegistrationRow]:
    """Mandates that nobody ended, waiting ones included, from a subject, to a holder, or both.

    Raises:
        ValueError: neither is given.
    """
    if subject is None and holder is None:
        raise ValueError("mandates_of needs a subject or a holder")
    async with connection.cursor(row_factory=class_row(RegistrationRow)) as cursor:
        await cursor.execute(_MANDATES, {"subject": subject, "holder": holder})
        return await cursor.fetchall()


async def access_facts(connection: Connection, *, subject: str, at: datetime) -> AccessFacts:
    """What a decision about the subject rests on: registrations in force, not over by `at`."""
    rows = await registrations_of(connection, subject=subject)
    generation = max((row.generation for row in rows), default=1)
    living = [
        row
        for row in rows
        if row.generation == generation and (row.valid_until is None or at < row.valid_until)
    ]
    consents = [row.ce_id for row in living if row.kind == "consent"]
    return AccessFacts(
        consent=consents[-1] if consents else None,
        links=tuple(_link(row) for row in living if row.kind == "link"),
        exclusions=tuple(
            Exclusion(row.id, row.party or "") for row in living if row.kind == "exclusion"
        ),
        mandates=tuple(
            Mandate(row.id, row.party or "", row.variety or "", row.valid_until)
            for row in living
            if row.kind == "mandate" and row.accepted_at is not None
        ),
        generation=generation,
    )


def _link(row: RegistrationRow) -> Link:
    if row.valid_from is None or row.valid_until is None:
        raise TypeError("a link without validity: access_state_v1.link does not allow nulls there")
    return Link(row.id, row.party or "", row.variety or "", row.valid_from, row.valid_until)


@dataclass(frozen=True, slots=True)
class MandatorRow:
    """Somebody who mandated the holder, accepted and not ended; it may be over by now."""

    subject: str
    mandate: str
    mandate_type: str
    valid_until: datetime | None


async def mandators(connection: Connection, *, holder: str) -> list[MandatorRow]:
    """Whom a holder acts for, in a stable order."""
    async with connection.cursor(row_factory=class_row(MandatorRow)) as cursor:
        await cursor.execute(
            "SELECT subject, id AS mandate, mandate_type, valid_until"
            " FROM access_state_v1.mandate WHERE holder = %s AND superseded_position IS NULL"
            " AND accepted_position IS NOT NULL ORDER BY subject, id",
            (holder,),
        )
        return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class AccessLogRow:
    """One decision about a subject's data, as audited; who and what stay sealed."""

    ce_id: str
    event_type: str
    subject: str | None
    generation: int | None
    decision: str
    reason: str | None
    basis: str | None
    basis_refs: list[str]
    reader: str
    role: str
    profession: str | None
    organisation: str | None
    on_behalf_of: str | None
    purpose: str
    decided_at: datetime
    window_start: datetime | None
    window_end: datetime | None
    policy_version: str
    rows: int
    sealed_parameters: str | None
    sealed_reader: str


async def access_log(
    connection: Connection,
    *,
    subject: str,
    start: datetime,
    limit: int,
    after: tuple[datetime, str] | None = None,
) -> list[AccessLogRow]:
    """Decisions about a subject since `start`, latest first; `after` = (decided_at, ce_id)."""
    at, ce_id = after or (None, None)
    async with connection.cursor(row_factory=class_row(AccessLogRow)) as cursor:
        await cursor.execute(
            "SELECT ce_id, event_type, subject, generation, decision, reason, basis, basis_refs,"
            " reader, role, profession, organisation, on_behalf_of, purpose, decided_at,"
            " window_start, window_end, policy_version, row_count AS rows, sealed_parameters,"
            " sealed_reader FROM access_log_v1.decision"
            " WHERE subject = %(subject)s AND decided_at >= %(start)s"
            " AND (%(at)s::timestamptz IS NULL OR decided_at < %(at)s"
            " OR (decided_at = %(at)s AND ce_id > %(ce_id)s))"
            " ORDER BY decided_at DESC, ce_id LIMIT %(limit)s",
            {"subject": subject, "start": start, "limit": limit, "at": at, "ce_id": ce_id},
        )
        return await cursor.fetchall()


async def access_place(
    connection: Connection, *, subject: str, ce_id: str
) -> tuple[int, int] | None:
    """Partition and offset of a decision about the subject in `dpp.access.audited`."""
    cursor = await connection.execute(
        "SELECT recorded_partition, recorded_position FROM access_log_v1.decision"
        " WHERE ce_id = %s AND subject = %s",
        (ce_id, subject),
    )
    row = await cursor.fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


async def positions(connection: Connection, *, projection: str, topic: str) -> dict[int, int]:
    """A projection's position per partition: the cut that a read made now sees at least."""
    cursor = await connection.execute(
        "SELECT partition, position FROM projection_position"
        " WHERE projection = %s AND topic = %s ORDER BY partition",
        (projection, topic),
    )
    return {partition: position async for partition, position in cursor}


async def failure(connection: Connection, *, projection: str) -> Failure | None:
    """Why a projection stands still, if it does."""
    cursor = await connection.execute(
        "SELECT category, topic, partition, position, event_type FROM projection_failure"
        " WHERE projection = %s",
        (projection,),
    )
    row = await cursor.fetchone()
    return None if row is None else Failure(*row)
