"""Reads of the projections' tables, one statement each, for the API and its neighbours.

They take a connection and decide nothing: who may see what is `projections.access`. Texts that
come back sealed are opened by the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from psycopg.rows import args_row, class_row

from infra.postgres import Connection
from projections import history_statements, registered
from projections.access import AccessFacts
from projections.history_statements import Asked, Cut, HistoryKey, Statement
from projections.registered import RegistrationRow
from projections.store import Failure


class HistoryRow(NamedTuple):
    """One version of a line; `sealed` is nonce || ciphertext || tag, `offset` the fact's place.

    A revocation shows what it withdrew: `event_type`, `ce_id`, `generation`, `period`, `sealed` and
    `sealed_version` are then those of that version.
    """

    pharmacy: str
    dguid: str
    version: int
    status: str
    subject: str
    delivered_at: datetime
    score: int | None
    warnings: Sequence[str]
    partition: int
    offset: int
    event_type: str
    ce_id: str
    generation: int
    period: str
    sealed: bytes
    sealed_version: int | None = None
    """The version that is sealed here, if not its own."""
    superseded_position: int | None = None
    """Offset of the fact that replaced it, if that is within the cut."""
    may_return: bool = True
    """Whether something of the subject's may have come back; False only if nothing ever did."""

    @property
    def stands(self) -> bool:
        """Whether it is a delivery or return that nothing replaced."""
        return self.superseded_position is None and self.status != "revoked"

    @property
    def key(self) -> HistoryKey:
        """Where the page after this row begins."""
        return HistoryKey(self.delivered_at, self.pharmacy, self.dguid, self.version)


async def history(connection: Connection, person: Sequence[str], asked: Asked) -> list[HistoryRow]:
    """A page of a person's lines, latest delivery first unless asked otherwise.

    `person` are the subjects of one person: more than one after a merge of numbers.
    """
    return await read(connection, history_statements.of_person(person, asked))


async def own_lines(connection: Connection, pharmacy: str, asked: Asked) -> list[HistoryRow]:
    """A page of the lines that a pharmacy delivered, in the order of `history`."""
    return await read(connection, history_statements.of_pharmacy(pharmacy, asked))


async def returns(
    connection: Connection,
    subjects: Sequence[str],
    indexes: Sequence[str],
    as_of: Cut | None = None,
) -> list[HistoryRow]:
    """The returns that stand of the lines with these `folds.history.returns_index`, unordered."""
    return await read(connection, history_statements.of_returns(subjects, indexes, as_of))


async def read(connection: Connection, statement: Statement) -> list[HistoryRow]:
    """Runs a statement of the history."""
    # Binary, so that sealed bodies are neither written nor read as text.
    async with connection.cursor(row_factory=args_row(HistoryRow), binary=True) as cursor:
        await cursor.execute(statement.query, statement.values)
        return await cursor.fetchall()


_COMMON: Final = (
    "id, subject, generation, ce_id, event_type, recorded_at, author_role, author, sealed"
)
_TABLES: Final = (
    ("consent", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"),
    ("link", "party", "party_kind", "link_type", "valid_from", "valid_until", "NULL", "NULL"),
    ("exclusion", "party", "party_kind", "NULL", "NULL", "NULL", "NULL", "NULL"),
    (
        *("mandate", "holder", "holder_kind", "mandate_type", "NULL", "valid_until"),
        *("accepted_at", "accepted_position"),
    ),
    ("parent", "party", "'citizen'", "NULL", "NULL", "valid_until", "NULL", "NULL"),
    ("death", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"),
    ("merge", "other", "'citizen'", "side", "NULL", "NULL", "NULL", "NULL"),
)
"""Table, party, its kind, variety, beginning and end of validity, time and place of acceptance."""


def _select(row: tuple[str, ...]) -> str:
    """In the order of the members of `RegistrationRow`.

    Without names for the columns: psycopg reads a text of more than 4096 characters anew each time.
    """
    table, party, kind, variety, start, end, accepted_at, accepted_position = row
    return (
        f"SELECT '{table}', {_COMMON}, {party}::text, {kind}::text, {variety}::text,"  # noqa: S608 - constants only
        f" {start}::timestamptz, {end}::timestamptz, {accepted_at}::timestamptz, superseded_at,"
        f" recorded_partition, recorded_position, {accepted_position}::bigint, superseded_position"
        f" FROM access_state_v1.{table}"
    )


_IN_FORCE: Final = " AND (%(ended)s::boolean OR superseded_position IS NULL)"
_SINCE: Final = " AND (superseded_position IS NULL OR superseded_position >= %(since)s)"
_REGISTRATIONS: Final = (
    " UNION ALL ".join(f"{_select(one)} WHERE subject = %(subject)s{_IN_FORCE}" for one in _TABLES)
    + " ORDER BY recorded_at, recorded_position, id"
)
_FACTS: Final = (
    " UNION ALL ".join(f"{_select(one)} WHERE subject = %(subject)s{_SINCE}" for one in _TABLES)
    + f" UNION ALL {_select(_TABLES[-1])} WHERE other = %(subject)s{_SINCE}"
    " ORDER BY recorded_position, id"
)
"""What stands, or stood at some offset from `since` on, and halves of merges that name it."""
_MANDATES: Final = (
    f"{_select(_TABLES[3])} WHERE superseded_position IS NULL"
    " AND (%(subject)s::text IS NULL OR subject = %(subject)s)"
    " AND (%(holder)s::text IS NULL OR holder = %(holder)s) ORDER BY recorded_at, id"
)


async def registrations_of(
    connection: Connection, *, subject: str, ended: bool = False
) -> list[RegistrationRow]:
    """What is in force for a subject, waiting mandates included, as of one moment of the table.

    With `ended` also what is over, in the order of declaration.
    """
    async with connection.cursor(row_factory=args_row(RegistrationRow)) as cursor:
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
    async with connection.cursor(row_factory=args_row(RegistrationRow)) as cursor:
        await cursor.execute(_MANDATES, {"subject": subject, "holder": holder})
        return await cursor.fetchall()


async def access_facts(
    connection: Connection, *, subject: str, at: datetime, as_of: Cut | None = None
) -> AccessFacts:
    """What a decision about the subject rests on: registrations in force, not over by `at`.

    As of the cut, so that whoever derives the decision again from the log finds the same; a
    partition that it does not name counts as it is now, and stands in `person` of the answer.
    """
    rows: dict[str, list[RegistrationRow]] = {}
    wanted = {subject}
    while wanted:
        for one in sorted(wanted):
            rows[one] = await _facts_of(connection, one, as_of)
        wanted = set(registered.concerned(subject, rows)) - rows.keys()
    return registered.access_facts(subject, rows, at, as_of)


async def _facts_of(
    connection: Connection, subject: str, as_of: Cut | None
) -> list[RegistrationRow]:
    since = min(as_of.values()) if as_of else None
    async with connection.cursor(row_factory=args_row(RegistrationRow)) as cursor:
        await cursor.execute(_FACTS, {"subject": subject, "since": since})
        return registered.standing(await cursor.fetchall(), as_of)


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
    detail: str | None = None
    """What `reason` or `basis` is more exactly, where a finer word exists."""


async def access_log(
    connection: Connection,
    *,
    subject: str,
    start: datetime,
    limit: int,
    after: tuple[datetime, str] | None = None,
    also: Sequence[str] = (),
) -> list[AccessLogRow]:
    """Decisions about a subject since `start`, latest first; `after` = (decided_at, ce_id).

    `also` are further subjects that are the same person.
    """
    at, ce_id = after or (None, None)
    async with connection.cursor(row_factory=class_row(AccessLogRow)) as cursor:
        await cursor.execute(
            "SELECT ce_id, event_type, subject, generation, decision, reason, basis, detail,"
            " basis_refs,"
            " reader, role, profession, organisation, on_behalf_of, purpose, decided_at,"
            " window_start, window_end, policy_version, row_count AS rows, sealed_parameters,"
            " sealed_reader FROM access_log_v1.decision"
            " WHERE subject = ANY (%(subjects)s) AND decided_at >= %(start)s"
            " AND (%(at)s::timestamptz IS NULL OR decided_at < %(at)s"
            " OR (decided_at = %(at)s AND ce_id > %(ce_id)s))"
            " ORDER BY decided_at DESC, ce_id LIMIT %(limit)s",
            {
                "subjects": [subject, *also],
                "start": start,
                "limit": limit,
                "at": at,
                "ce_id": ce_id,
            },
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
