"""The statements that read the history, as data, so that they can be run and explained alike.

One walk along an index per month gives a page: the order of the index is the order of the answer,
and everything else is a filter on the way. Why these indexes: docs/design/projections.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import sql

from projections.folds.history import month_of

Cut = Mapping[int, int]
"""A position per partition: what lies before it counts, what lies at it or after does not."""
Versions = Literal["current", "latest", "all"]
"""What stands; that and what was revoked; every version of a line."""


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

    query: sql.Composed
    values: Mapping[str, Any] = field(repr=False)


_COLUMNS: Final = (
    "SELECT d.pharmacy, d.dguid, d.version, d.status, {sealed}, d.subject, d.delivered_at, d.score,"
    ' d.warnings, d.recorded_partition AS partition, d.recorded_position AS "offset",'
    " {superseded} AS superseded_position FROM history_v1.dispensation AS d"
)
_SEALED: Final = sql.SQL(
    "d.event_type, d.ce_id, d.generation, d.period, d.sealed, d.version AS sealed_version"
)
_WITHDRAWN: Final = sql.SQL(
    "coalesce(w.event_type, d.event_type) AS event_type, coalesce(w.ce_id, d.ce_id) AS ce_id,"
    " coalesce(w.generation, d.generation) AS generation, coalesce(w.period, d.period) AS period,"
    " coalesce(w.sealed, d.sealed) AS sealed, coalesce(w.version, d.version) AS sealed_version"
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
_NOTHING: Final = sql.SQL("")


def of_person(subjects: Sequence[str], asked: Asked) -> Statement:
    """A page of the history of one person, who may be several subjects.

    Of one subject the index gives the order; rows of several are sorted.
    """
    if len(subjects) == 1:
        return _page(sql.SQL("d.subject = %(who)s"), subjects[0], asked)
    return _page(sql.SQL("d.subject = ANY(%(who)s)"), list(subjects), asked)


def of_pharmacy(pharmacy: str, asked: Asked) -> Statement:
    """A page of the lines that a pharmacy delivered."""
    return _page(sql.SQL("d.pharmacy = %(who)s"), pharmacy, asked)


def of_returns(
    subjects: Sequence[str], indexes: Sequence[str], as_of: Cut | None = None
) -> Statement:
    """The returns that stand of lines with these `returns_index`, among these subjects."""
    more, values = _validity(as_of, "current")
    return Statement(
        _RETURNS.format(
            sealed=_SEALED,
            superseded=_SUPERSEDED if as_of is None else _SUPERSEDED_AS_OF,
            and_more=sql.Composed(more),
        ),
        {**values, "subjects": list(subjects), "indexes": list(indexes)},
    )


def _page(who: sql.SQL, whom: str | list[str], asked: Asked) -> Statement:
    more, values = _validity(asked.as_of, asked.versions)
    # Told in months too, so that other partitions are not even opened.
    values |= {"first": month_of(asked.start), "last": month_of(asked.end)}
    values |= {"who": whom, "start": asked.start, "end": asked.end, "limit": asked.limit}
    if asked.after is not None:
        values |= {
            "after_at": asked.after.delivered_at,
            "after_pharmacy": asked.after.pharmacy,
            "after_dguid": asked.after.dguid,
            "after_version": asked.after.version,
        }
        more.append(_AFTER_OLDEST if asked.oldest_first else _AFTER)
    if asked.dguid is not None:
        values["dguid"] = asked.dguid
        more.append(_ONE_LINE)
    plain = asked.versions == "current"
    query = _PAGE.format(
        sealed=_SEALED if plain else _WITHDRAWN,
        superseded=_SUPERSEDED if asked.as_of is None else _SUPERSEDED_AS_OF,
        joined=_NOTHING if plain else _WITH_WITHDRAWN,
        who=who,
        and_more=sql.Composed(more),
        order=_OLDEST_FIRST if asked.oldest_first else _LATEST_FIRST,
    )
    return Statement(query, values)


def _validity(as_of: Cut | None, versions: Versions) -> tuple[list[sql.Composable], dict[str, Any]]:
    """Which versions count, by the places at which they were recorded and replaced."""
    more: list[sql.Composable] = []
    if as_of is not None:
        more.append(_KNOWN)
    if versions != "all":
        more.append(_STANDS if as_of is None else _STOOD)
    if versions == "current":
        more.append(_NOT_REVOKED)
    return more, {} if as_of is None else {"cut": _array(as_of)}


def _array(cut: Cut) -> list[int | None]:
    return [cut.get(partition) for partition in range(max(cut, default=-1) + 1)]
