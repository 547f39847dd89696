"""Row changes: what a pure fold asks of a projection's tables, applied by the runner in SQL.

Tables that use them hold `recorded_position`, the place of the fact that wrote a row last. It tells
what came first wherever changes are applied in sets or a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SUPERSEDED: Final = "superseded_position"
"""Column that is null as long as a row is in force."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """Put this row in place of an earlier one with the same primary key.

    It takes its place as a whole: columns that `row` does not name are empty again.
    """

    table: str
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fill:
    """Set `values` in every row in force at `position` whose columns equal `key`."""

    table: str
    key: Mapping[str, object]
    position: int
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Close:
    """End every row in force at `position` whose columns equal `key`: set it, and `values` too.

    The row stays, so that a query can be asked as of an earlier position.
    """

    table: str
    key: Mapping[str, object]
    position: int
    values: Mapping[str, object] = field(default_factory=dict)


Change = Upsert | Fill | Close
