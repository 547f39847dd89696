"""Tallies a period of a log, and looks for rows of people who were erased."""

from collections.abc import Sequence

from consumers.audit.logged import STRETCH_LEAVES, stretches
from consumers.audit.report import Window
from consumers.audit.tally import ErasureSeen, Tally
from consumers.progress import Progress
from infra.postgres import connect
from infra.settings import Settings
from projections.erasure import rows_left
from streams.notary.directory import Read
from streams.notary.leaf import LOGGED

STEP = "leaves counted"


async def tally(read: Read, size: int, window: Window, progress: Progress) -> Tally:
    """What the first `size` leaves tell of a period.

    Raises:
        LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged: verify it first.
    """
    found, done = Tally(window), 0
    async for stretch in stretches(read, size, LOGGED):
        for _, record in stretch:
            found.add(record)
        done = min(done + STRETCH_LEAVES, size)
        progress(STEP, done, size)
    return found


async def rows_of(settings: Settings, erasures: Sequence[ErasureSeen]) -> dict[str, int]:
    """Rows that the projections still hold of executed erasures, by erasure.

    Raises:
        DatabaseUnavailable, psycopg.Error: nobody knows.
    """
    left: dict[str, int] = {}
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        for one in erasures:
            rows = await rows_left(connection, one.subject, one.generation)
            left[one.id] = left.get(one.id, 0) + rows
    return left
