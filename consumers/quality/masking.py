"""A refused line as an operator may see it.

Receipts hold no patient data. What is left that a pharmacy chose itself is masked all the same:
hints are left out, ids are not shown, a DGUID shows its last four digits (enough to agree on a line
with the pharmacy, too little to look anything up), and a path shows only names and positions.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from projections.quality_refusals import Refusal
from schemas.identifiers import guid
from schemas.receipts import FaultClass

_SHOWN: Final = 4
_STEP: Final = re.compile(r"[0-9]{1,3}|[a-z_]{1,32}")
MASK: Final = "*"


@dataclass(frozen=True, slots=True)
class MaskedIssue:
    """What refused it: code, class, and the masked RFC 6901 path into the body."""

    code: str
    fault_class: FaultClass
    path: str


@dataclass(frozen=True, slots=True)
class MaskedRefusal:
    """A refused line, or a submission refused as a whole (`path` None)."""

    appended_at: datetime
    partition: int
    offset: int
    pharmacy: str | None
    sequence: int | None
    path: str | None
    dguid: str | None
    lines: int
    """Lines that the refusal concerns."""
    issues: tuple[MaskedIssue, ...]


def mask(refusal: Refusal) -> MaskedRefusal:
    """The refusal without anything that names a line fully or repeats the pharmacy's own words."""
    line = refusal.outcome
    submission = refusal.receipt.submission
    return MaskedRefusal(
        appended_at=refusal.key.appended_at,
        partition=refusal.key.partition,
        offset=refusal.key.source_offset,
        pharmacy=refusal.pharmacy,
        sequence=submission.sequence,
        path=None if line is None else mask_path(line.path),
        dguid=None if line is None else mask_guid(line.dguid),
        lines=len(refusal.receipt.lines) if line is None else 1,
        issues=tuple(
            MaskedIssue(issue.code, issue.fault_class, mask_path(issue.path))
            for issue in refusal.issues
        ),
    )


def mask_guid(dguid: str | None) -> str | None:
    """The last four digits of a GUID; nothing of a text that is none."""
    if dguid is None or not guid.is_valid(dguid):
        return None
    return MASK + guid.compact(dguid)[-_SHOWN:]


def mask_path(path: str) -> str:
    """The pointer with every step masked that is no plain member name or position."""
    return "/".join(step if not step or _STEP.fullmatch(step) else MASK for step in path.split("/"))
