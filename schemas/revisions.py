"""The current schema revision of each event type; 1 where none is named."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REVISIONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "be.dpp.dispensation.correct.v1": 2,
        "be.dpp.dispensation.register.v1": 2,
        "be.dpp.policy.registered.v1": 2,
        "be.dpp.sealed.line-content.v1": 2,
        "be.dpp.sealed.request-parameters.v1": 2,
    }
)


def revision(type_: str) -> int:
    """The revision whose writer schema events of `type_` obey from now on."""
    return REVISIONS.get(type_, 1)
