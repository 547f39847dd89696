"""Sets of columns that a projection's tables may have, and who is connected whose code knows them.

A release may give a projection's rows another set of columns: a layout, numbered from 1. It brings
the SQL that makes tables of the new one, and still knows the former: a version of the new layout is
built beside the live one, and taking over is refused while anybody is connected whose code does not
know it. Everybody who reads or follows the live version therefore says so with advisory locks on a
connection that stays; like leases they end with it (`projections.leases`).
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from infra.errors import InfrastructureError
from infra.postgres import Connection

_GATE: Final = 0
"""Held shared while somebody comes in, and alone by who changes the live layout."""
_MEMBER: Final = 1
"""Held shared by everybody who came in; layouts follow, each by its number behind it."""
_STRANGERS: Final = """
SELECT count(DISTINCT pid) FILTER (WHERE objid = %(member)s::oid)
    - count(DISTINCT pid) FILTER (WHERE objid = %(layout)s::oid)
FROM pg_locks
WHERE locktype = 'advisory' AND classid = %(class)s::bigint::oid AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_LIVE: Final = "SELECT projection, layout FROM projection_version WHERE state = 'live'"


class LayoutUnknown(InfrastructureError):
    """The live version has columns that this release does not know."""


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts that code knows, `first` to `last`; a new version is built with the last.

    `tables` and `indexes` are the SQL that makes tables of the last one with their primary keys,
    and then what serves reads only (`IF NOT EXISTS`, since a rebuild that goes on runs it again),
    naming no schema. Primary keys are those of all layouts. Without `tables` the last one is what
    migrations made.
    """

    first: int = 1
    last: int = 1
    tables: sql.SQL | None = None
    indexes: sql.SQL | None = None

    def know(self, layout: int) -> bool:
        """Whether code can read and write it."""
        return self.first <= layout <= self.last


KNOWN: Final[Mapping[str, Layouts]] = dict.fromkeys(
    (
        "history",
        "access_state",
        "access_log",
        "quality",
        "product_recall",
        "erasures",
        "consumption",
        "recall",
        "surveillance",
    ),
    Layouts(),
)
"""What this release knows, by projection."""


async def come_in(connection: Connection, known: Mapping[str, Layouts]) -> None:
    """Says, until the connection ends, which layouts of these projections its code knows.

    Raises:
        LayoutUnknown: a live version has another one.
    """
    held = [
        (_class(name), number)
        for name, layouts in known.items()
        for number in (_MEMBER, *range(_MEMBER + layouts.first, _MEMBER + layouts.last + 1))
    ]
    gates = [(_class(name), _GATE) for name in known]
    await _each(connection, "pg_advisory_lock_shared", gates)
    try:
        await _each(connection, "pg_advisory_lock_shared", held)
        live = await (await connection.execute(_LIVE)).fetchall()
    finally:
        await _each(connection, "pg_advisory_unlock_shared", gates)
    for name, layout in live:
        if name in known and not known[name].know(layout):
            raise LayoutUnknown(
                f"The live version of the projection {name} has layout {layout}, which this "
                "release does not know: run the release that it was built with, or a later one."
            )


async def strangers(connection: Connection, projection: str, layout: int) -> int:
    """How many are connected whose code does not know a layout.

    Nobody else comes in until the caller's transaction ends.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(%s, %s)", (_signed(_class(projection)), _GATE)
    )
    asked = {"class": _class(projection), "member": _MEMBER, "layout": _MEMBER + layout}
    row = await (await connection.execute(_STRANGERS, asked)).fetchone()
    return int(row[0]) if row else 0


async def _each(connection: Connection, function: str, locks: list[tuple[int, int]]) -> None:
    await connection.execute(
        sql.SQL("SELECT {}(one, other) FROM unnest(%s::int[], %s::int[]) AS l(one, other)").format(
            sql.Identifier(function)
        ),
        ([_signed(one) for one, _ in locks], [other for _, other in locks]),
    )


def _class(projection: str) -> int:
    return zlib.crc32(f"dpp layouts {projection}".encode())


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
