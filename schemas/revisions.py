"""The current schema revision of each event type; 1 where none is named."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REVISIONS: Final[Mapping[str, int]] = MappingProxyType({})


def revision(type_: str) -> int:
    """The revision whose writer schema events of `type_` obey from now on."""
    return REVISIONS.get(type_, 1)
