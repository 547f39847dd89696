"""What an audit found: places, kinds and names of members, never what they hold."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["missing", "extra", "other_bytes", "other_decision"]
Reason = Literal["subject_erased", "period_destroyed", "intake_key_destroyed", "key_unknown"]
"""Why the bytes of an output cannot be derived any more; `key_unknown`: the vault never had it."""

AnswerCheck = Literal["derived", "later_page", "own_lines", "no_keys", "left_the_record"]
"""Whether the digest of an answer was derived again, or why it cannot be: a page behind a cursor,
lines that a pharmacy registered itself, keys that are gone, or lines that are a year old by now."""


@dataclass(frozen=True, slots=True)
class Window:
    """Append times of the submissions that are looked at, [start, end)."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Difference:
    """One output that is not what the submission becomes, or one access decided otherwise.

    `offset` is the submission's, -1 where the record names none, or that of an access's record;
    `ordinal` its place among the outputs; `members` which parts of it differ; `at` the record's own
    offset in its topic.
    """

    partition: int
    offset: int
    ordinal: int
    kind: Kind
    topic: str
    members: tuple[str, ...] = ()
    at: int | None = None


@dataclass(slots=True)
class Report:
    """Counts of submissions in the window, and the differences between log and derivation."""

    stage: str
    decider_version: str
    window: Window
    submissions: int = 0
    """In the log and in the window; each is counted once more, by what became of it."""
    rederived: int = 0
    """Answered with the very bytes."""
    waiting: int = 0
    """Not answered yet."""
    other_decider: Counter[str] = field(default_factory=Counter)
    """Decided by another version of the code, by version: not compared."""
    not_derivable: Counter[Reason] = field(default_factory=Counter)
    differing: int = 0
    gone: int = 0
    """Answered in the window, but removed by retention since."""
    copies: int = 0
    """Outputs that stand there twice, byte for byte, as a writer that was fenced leaves them."""
    torn: int = 0
    """Outputs at the very end without their receipt."""
    answers: Counter[AnswerCheck] = field(default_factory=Counter)
    """Of accesses only: what became of the digests of answers."""
    differences: list[Difference] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing in the log contradicts the code."""
        return not self.differences
