"""The statements that read the history, as data, so that they can be run and explained alike.

One walk along an index per month gives a page: the order of the index is the order of the answer,
and everything else is a filter on the way. Why these indexes: docs/design/projections.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

from psycopg import sql

from projections.folds.history import month_of

Cut = Mapping[int, int]
"""A position per partition: what lies before it counts, what lies at it or after does not."""
Versions = Literal["current", "latest", "revoked", "all"]
"""What stands; that and what was revoked; that which was revoked alone; every version of a line."""


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """A row's place in the order of histories: latest delivery first, then identity."""

    delivered_at: datetime
    pharmacy: str
    dguid: str
    version: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One page of a history: deliveries in [start, end), at most `limit` of them behind `after`.

    `as_of` answers as if the log ended at that cut; a partition that it does not name had nothing
    yet. With `dguid` only that line.
    """

    start: datetime
    end: datetime
    limit: int
    after: HistoryKey | None = None
    as_of: Cut | None = None
    versions: Versions = "current"
    dguid: str | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A query and its values."""

    query: sql.SQL | sql.Composed
    values: Mapping[str, Any] = field(repr=False)


_Who = Literal["subject", "subjects", "pharmacy"]
_COLUMNS: Final = (
    "SELECT d.pharmacy, d.dguid, d.version, d.status, d.subject, d.delivered_at, d.score,"
    " d.warnings, d.recorded_partition, d.recorded_position, {sealed}, {superseded}, {returned}"
    " FROM history_v1.dispensation AS d"
)
"""In the order of the members of `queries.HistoryRow`."""
_SEALED: Final = sql.SQL("d.event_type, d.ce_id, d.generation, d.period, d.sealed, d.version")
_WITHDRAWN: Final = sql.SQL(
    "coalesce(w.event_type, d.event_type), coalesce(w.ce_id, d.ce_id),"
    " coalesce(w.generation, d.generation), coalesce(w.period, d.period),"
    " coalesce(w.sealed, d.sealed), coalesce(w.version, d.version)"
)
"""A revocation seals nothing that a reader asks for: it shows what it withdrew."""
_WITH_WITHDRAWN: Final = sql.SQL(
    " LEFT JOIN LATERAL (SELECT event_type, ce_id, generation, period, sealed, version"
    " FROM history_v1.dispensation AS o WHERE d.status = 'revoked'"
    " AND o.delivered_month = d.delivered_month AND o.pharmacy = d.pharmacy"
    " AND o.dguid = d.dguid AND o.version = d.version - 1 LIMIT 1) AS w ON true"
)
"""Looked up for revocations alone; a plain join would look for one behind every row."""
_PAGE: Final = sql.SQL(
    _COLUMNS + "{joined} WHERE {who} AND d.delivered_month >= %(first)s"
    " AND d.delivered_month <= %(last)s AND d.delivered_at >= %(start)s"
    " AND d.delivered_at < %(end)s{and_more} ORDER BY {order} LIMIT %(limit)s"
)
_RETURNS: Final = sql.SQL(
    _COLUMNS + " WHERE d.subject = ANY(%(subjects)s) AND d.returns_index = ANY(%(indexes)s)"
    " AND d.returns_index IS NOT NULL{and_more}"
)
_LATEST_FIRST: Final = sql.SQL("d.delivered_at DESC, d.pharmacy, d.dguid, d.version")
_OLDEST_FIRST: Final = sql.SQL("d.delivered_at, d.pharmacy DESC, d.dguid DESC, d.version DESC")
"""The same order backwards, so that the same index serves it."""
_PLACE: Final = "(%(after_pharmacy)s, %(after_dguid)s, %(after_version)s)"
_AFTER: Final = sql.SQL(
    " AND d.delivered_at <= %(after_at)s AND (d.delivered_at < %(after_at)s"
    f" OR (d.pharmacy, d.dguid, d.version) > {_PLACE})"
)
_AFTER_OLDEST: Final = sql.SQL(
    " AND d.delivered_at >= %(after_at)s AND (d.delivered_at > %(after_at)s"
    f" OR (d.pharmacy, d.dguid, d.version) < {_PLACE})"
)
_ONE_LINE: Final = sql.SQL(" AND d.dguid = %(dguid)s")
_ANY_RETURNED: Final = (
    "EXISTS (SELECT FROM history_v1.dispensation AS r WHERE r.{} AND r.returns_index IS NOT NULL)"
)
"""Looked up once a page, in an index that is nearly empty; spares most pages a second question."""
_UNKNOWN: Final = sql.SQL("true")
_WHO: Final[dict[_Who, tuple[sql.SQL, sql.SQL]]] = {
    "subject": (sql.SQL("d.subject = %(who)s"), sql.SQL(_ANY_RETURNED.format("subject = %(who)s"))),
    "subjects": (
        sql.SQL("d.subject = ANY(%(who)s)"),
        sql.SQL(_ANY_RETURNED.format("subject = ANY(%(who)s)")),
    ),
    "pharmacy": (sql.SQL("d.pharmacy = %(who)s"), _UNKNOWN),
}
"""Whose lines, and whether something of theirs may have come back; see `HistoryRow.may_return`."""
_SUPERSEDED: Final = sql.SQL("d.superseded_position")
_CUT: Final = "(%(cut)s::bigint[])[d.recorded_partition + 1]"
"""The cut as an array: a filter along the index, where a join would be a sort."""
_SUPERSEDED_AS_OF: Final = sql.SQL(
    f"CASE WHEN d.superseded_position < {_CUT} THEN d.superseded_position END"
)
_KNOWN: Final = sql.SQL(f" AND d.recorded_position < {_CUT}")
_STANDS: Final = sql.SQL(" AND d.superseded_position IS NULL")
_STOOD: Final = sql.SQL(f" AND (d.superseded_position IS NULL OR d.superseded_position >= {_CUT})")
_NOT_REVOKED: Final = sql.SQL(" AND d.status <> 'revoked'")
_REVOKED: Final = sql.SQL(" AND d.status = 'revoked'")
_NOTHING: Final = sql.SQL("")


def of_person(subjects: Sequence[str], asked: Asked) -> Statement:
    """A page of the history of one person, who may be several subjects.

    Of one subject the index gives the order; rows of several are sorted.
    """
    if len(subjects) == 1:
        return _page("subject", subjects[0], asked)
    return _page("subjects", list(subjects), asked)


def of_pharmacy(pharmacy: str, asked: Asked) -> Statement:
    """A page of the lines that a pharmacy delivered."""
    return _page("pharmacy", pharmacy, asked)


def of_returns(
    subjects: Sequence[str], indexes: Sequence[str], as_of: Cut | None = None
) -> Statement:
    """The returns that stand of lines with these `returns_index`, among these subjects."""
    values = {**_cut_values(as_of), "subjects": list(subjects), "indexes": list(indexes)}
    return Statement(_returns_query(has_cut=as_of is not None), values)


def _page(who: _Who, whom: str | list[str], asked: Asked) -> Statement:
    # Told in months too, so that other partitions are not even opened.
    values = _cut_values(asked.as_of) | {
        "first": month_of(asked.start),
        "last": month_of(asked.end),
    }
    values |= {"who": whom, "start": asked.start, "end": asked.end, "limit": asked.limit}
    if asked.after is not None:
        values |= {
            "after_at": asked.after.delivered_at,
            "after_pharmacy": asked.after.pharmacy,
            "after_dguid": asked.after.dguid,
            "after_version": asked.after.version,
        }
    if asked.dguid is not None:
        values["dguid"] = asked.dguid
    query = _page_query(
        who,
        asked.versions,
        has_cut=asked.as_of is not None,
        has_after=asked.after is not None,
        is_one_line=asked.dguid is not None,
        oldest_first=asked.oldest_first,
    )
    return Statement(query, values)


# Written once for each kind of question: to compose one takes a tenth of the time of asking it.


@cache
def _page_query(
    who: _Who,
    versions: Versions,
    *,
    has_cut: bool,
    has_after: bool,
    is_one_line: bool,
    oldest_first: bool,
) -> sql.SQL:
    more = _validity(versions, has_cut=has_cut)
    if has_after:
        more.append(_AFTER_OLDEST if oldest_first else _AFTER)
    if is_one_line:
        more.append(_ONE_LINE)
    is_plain = versions == "current"
    whose, returned = _WHO[who]
    return _written(
        _PAGE.format(
            sealed=_SEALED if is_plain else _WITHDRAWN,
            superseded=_SUPERSEDED_AS_OF if has_cut else _SUPERSEDED,
            returned=returned,
            joined=_NOTHING if is_plain else _WITH_WITHDRAWN,
            who=whose,
            and_more=sql.Composed(more),
            order=_OLDEST_FIRST if oldest_first else _LATEST_FIRST,
        )
    )


@cache
def _returns_query(*, has_cut: bool) -> sql.SQL:
    return _written(
        _RETURNS.format(
            sealed=_SEALED,
            superseded=_SUPERSEDED_AS_OF if has_cut else _SUPERSEDED,
            returned=_UNKNOWN,
            and_more=sql.Composed(_validity("current", has_cut=has_cut)),
        )
    )


def _written(composed: sql.Composed) -> sql.SQL:
    return sql.SQL(composed.as_string())


def _validity(versions: Versions, *, has_cut: bool) -> list[sql.Composable]:
    """Which versions count, by the places at which they were recorded and replaced."""
    more: list[sql.Composable] = []
    if has_cut:
        more.append(_KNOWN)
    if versions != "all":
        more.append(_STOOD if has_cut else _STANDS)
    if versions == "current":
        more.append(_NOT_REVOKED)
    if versions == "revoked":
        more.append(_REVOKED)
    return more


def _cut_values(cut: Cut | None) -> dict[str, Any]:
    if cut is None:
        return {}
    return {"cut": [cut.get(partition) for partition in range(max(cut, default=-1) + 1)]}
