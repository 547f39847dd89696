"""The register of erasures, as the keeper and privacy officers ask it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from infra.postgres import Connection

_ERASURES: Final = """
SELECT e.subject, e.generation, e.id, e.ground, e.author_role, e.recorded_at AS requested_at,
    e.recorded_partition AS partition, e.executed_position, e.executed_at, e.rejected_at,
    (SELECT count(*) FROM erasures_v1.approval AS a WHERE a.subject = e.subject
        AND a.generation = e.generation AND a.id = e.id) AS approvals,
    (SELECT count(*) FROM erasures_v1.hold AS h WHERE h.subject = e.subject
        AND h.generation = e.generation AND h.superseded_position IS NULL) AS holds,
    coalesce((SELECT d.generation >= e.generation FROM projection_erased AS d
        WHERE d.subject = e.subject), false) AS removed
FROM erasures_v1.erasure AS e
WHERE (%(id)s::text IS NULL OR e.id = %(id)s)
    AND (NOT %(executed)s OR e.executed_position IS NOT NULL)
    AND (NOT %(left)s OR NOT EXISTS (SELECT FROM projection_erased AS d
        WHERE d.subject = e.subject AND d.generation >= e.generation))
ORDER BY e.recorded_at, e.subject, e.id
"""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure of one generation of a subject, and how far it is.

    `partition` and `executed_position` are the place in `dpp.subject.registered`; `removed` says
    that the projections hold nothing of it any more.
    """

    subject: str
    generation: int
    id: str
    ground: str
    author_role: str
    requested_at: datetime
    partition: int
    executed_position: int | None
    executed_at: datetime | None
    rejected_at: datetime | None
    approvals: int
    holds: int
    removed: bool

    @property
    def phase(self) -> str:
        """In one word."""
        if self.executed_at is not None:
            return "removed" if self.removed else "executed"
        return "requested" if self.rejected_at is None else "rejected"


async def erasures(connection: Connection, erasure: str | None = None) -> list[Erasure]:
    """All of them, oldest first, or those under one id: one for each number of the person."""
    return await _ask(connection, erasure, executed=False)


async def executed(connection: Connection, *, left: bool = False) -> list[Erasure]:
    """Those that are to be carried out, or were; with `left` those whose rows are still there."""
    return await _ask(connection, None, executed=True, left=left)


async def _ask(
    connection: Connection, erasure: str | None, *, executed: bool, left: bool = False
) -> list[Erasure]:
    async with connection.cursor(row_factory=class_row(Erasure)) as cursor:
        await cursor.execute(_ERASURES, {"id": erasure, "executed": executed, "left": left})
        return await cursor.fetchall()
