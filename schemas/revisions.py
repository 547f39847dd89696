"""The current schema revision of each event type; 1 where none is named."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REVISIONS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "be.dpp.access.decided.v1": 3,
        "be.dpp.access.pharmacy-revealed.v1": 2,
        "be.dpp.dispensation.correct.v1": 2,
        "be.dpp.dispensation.register.v1": 2,
        "be.dpp.policy.registered.v1": 4,
        "be.dpp.sealed.line-content.v1": 2,
        "be.dpp.sealed.request-parameters.v1": 4,
        "be.dpp.sealed.subject-content.v1": 2,
        "be.dpp.subject.accept-mandate.v1": 2,
        "be.dpp.subject.declare-link.v1": 2,
        "be.dpp.subject.end-mandate.v1": 2,
        "be.dpp.subject.give-consent.v1": 2,
        "be.dpp.subject.grant-mandate.v1": 2,
        "be.dpp.subject.lift-exclusion.v1": 2,
        "be.dpp.subject.put-exclusion.v1": 2,
        "be.dpp.subject.refuse-mandate.v1": 2,
        "be.dpp.subject.revoke-link.v1": 2,
        "be.dpp.subject.withdraw-consent.v1": 2,
    }
)


def revision(type_: str) -> int:
    """The revision whose writer schema events of `type_` obey from now on."""
    return REVISIONS.get(type_, 1)
