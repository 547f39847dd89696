"""What a rule is, and what it may look at.

A rule finds (code, path) pairs: a message rule with JSON pointers into the body, a line rule with
pointers below its line. Rules return tuples, not generators: nearly all of them find nothing, and
an empty tuple costs nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple, assert_never

from schemas.catalogue import CatalogueEntry
from schemas.dispensation import (
    CorrectBody,
    RegisterBody,
    RevokeBody,
    SubmissionBody,
    SubmittedLine,
)
from schemas.policy import QualityPolicy

Finding = tuple[str, str]
"""A code and where its fault lies."""
Findings = tuple[Finding, ...]
Known = Mapping[str, tuple[CatalogueEntry, ...]]
"""What the catalogue holds of the codes of a batch; a code that it does not know is left out."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class Context(NamedTuple):
    """What every rule may look at; `appended_at` is the broker's append time.

    `repeated` are indexes of lines whose DGUID came before. `known` is None where the policy names
    no catalogue. `day` is the delivery day in Belgium, None where it could not be told.
    """

    body: SubmissionBody
    policy: QualityPolicy
    appended_at: datetime
    repeated: frozenset[int] = frozenset()
    known: Known | None = None
    day: date | None = None


FindInMessage = Callable[[Context], Findings]
FindInLine = Callable[[Context, SubmittedLine, int], Findings]


@dataclass(frozen=True, slots=True)
class MessageRule:
    """A rule about the whole submission, and the codes that it may find."""

    codes: tuple[str, ...]
    find: FindInMessage


@dataclass(frozen=True, slots=True)
class LineRule:
    """A rule about one line of a registration or correction, by its index."""

    codes: tuple[str, ...]
    find: FindInLine


def lines_of(body: SubmissionBody) -> tuple[SubmittedLine, ...]:
    """The lines of a body; a revocation has none."""
    match body:
        case RegisterBody() | CorrectBody():
            return body.lines
        case RevokeBody():
            return ()
        case _:
            assert_never(body)


def delivered_at(body: SubmissionBody) -> datetime | None:
    """When the visit took place; a revocation does not say."""
    return None if isinstance(body, RevokeBody) else body.delivered_at


def day(text: str) -> date | None:
    """The day written YYYY-MM-DD; None if it is none."""
    if _DAY.match(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
