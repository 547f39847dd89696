"""What was refused, newest first: single lines, and submissions refused as a whole.

Pages follow one another by the place of the last row, so they neither overlap nor shift while
submissions arrive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from infra.postgres import Connection
from projections.folds.quality import WHOLE_MESSAGE
from schemas.receipts import Issue, LineOutcome, Receipt


class RefusalKey(NamedTuple):
    """Where a refusal stands: by append time, then by place in the submitted topic, then line."""

    appended_at: datetime
    partition: int
    source_offset: int
    line: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused line, or a submission refused as a whole, with what refused it."""

    key: RefusalKey
    pharmacy: str | None
    receipt: Receipt

    @property
    def outcome(self) -> LineOutcome | None:
        """The line; None when the submission as a whole was refused."""
        return None if self.key.line == WHOLE_MESSAGE else self.receipt.lines[self.key.line]

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What refused it; warnings are left out."""
        line = self.outcome
        found = self.receipt.issues if line is None else line.issues
        return tuple(issue for issue in found if issue.severity == "reject")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refusals: all that agree with every member that is given; the period is half-open."""

    start: datetime
    end: datetime
    pharmacy: str | None = None
    code: str | None = None


_PAGE: Final = """
WITH page AS (
    SELECT DISTINCT appended_at, partition, source_offset, line FROM quality_v1.finding
    WHERE severity = 'reject' AND {filters}
    ORDER BY appended_at DESC, partition DESC, source_offset DESC, line DESC
    LIMIT %(limit)s
)
SELECT page.appended_at, partition, source_offset, line, pharmacy, body
FROM page JOIN quality_v1.receipt USING (partition, source_offset)
ORDER BY page.appended_at DESC, partition DESC, source_offset DESC, line DESC
"""
_IN_PERIOD: Final = "appended_at >= %(start)s AND appended_at < %(end)s"
_BEFORE: Final = (
    "(appended_at, partition, source_offset, line) < (%(at)s, %(partition)s, %(offset)s, %(line)s)"
)


async def refusals(
    connection: Connection, wanted: Filter, *, limit: int, after: RefusalKey | None = None
) -> Sequence[Refusal]:
    """Refusals behind `after`, newest first."""
    # Only the filters that are given stand in the statement: each has its index.
    filters = [_IN_PERIOD]
    filters += ["pharmacy = %(pharmacy)s"] if wanted.pharmacy is not None else []
    filters += ["code = %(code)s"] if wanted.code is not None else []
    filters += [_BEFORE] if after is not None else []
    cursor = await connection.execute(
        _PAGE.format(filters=" AND ".join(filters)),
        {
            "start": wanted.start,
            "end": wanted.end,
            "pharmacy": wanted.pharmacy,
            "code": wanted.code,
            "limit": limit,
            "at": after.appended_at if after else None,
            "partition": after.partition if after else None,
            "offset": after.source_offset if after else None,
            "line": after.line if after else None,
        },
    )
    return [
        Refusal(RefusalKey(at, partition, offset, line), pharmacy, Receipt.read(body))
        async for at, partition, offset, line, pharmacy, body in cursor
    ]
