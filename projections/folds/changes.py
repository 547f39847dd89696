"""Row changes: what a pure fold asks of a projection's tables, applied by the runner in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SUPERSEDED: Final = "superseded_position"
"""Column that is null as long as a row is in force."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """Put this row in place of the one with the same primary key, if there is one."""

    table: str
    row: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fill:
    """Set `values` in every row in force whose columns equal `key`."""

    table: str
    key: Mapping[str, object]
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Close:
    """End every row in force whose columns equal `key`: set its position, and `values` too.

    The row stays, so that a query can be asked as of an earlier position.
    """

    table: str
    key: Mapping[str, object]
    position: int
    values: Mapping[str, object] = field(default_factory=dict)


Change = Upsert | Fill | Close
