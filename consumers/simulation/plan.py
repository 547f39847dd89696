"""What is to be published, in order, and exactly what must come back for each of it.

The expectations are stated by whoever plants a submission, and counted here by a model of their
own: nothing in it calls the quality stage, so agreement of the two means something.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from consumers.simulation.population import Pharmacy, Population
from schemas.deadletter import DeadLetterReason
from schemas.receipts import LineResult, Outcome

Mutation = Literal[
    "none",
    "copy",
    "flipped_bit",
    "cut_short",
    "wrong_key",
    "random_bytes",
    "tombstone",
    "oversize",
    "no_key",
    "unknown_session",
    "expired_session",
    "other_session",
    "no_session_header",
    "no_headers",
    "time_missing",
    "header_doubled",
    "sequence_text",
    "wrong_partition",
]
"""What the shell does to a record before it publishes it; `copy` repeats the earlier record of the
same id byte for byte, `other_session` seals under the session of another pharmacy."""
Status = Literal["registered", "corrected", "revoked"]


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """What the receipt says of one line; `codes` are refusals and warnings, sorted."""

    dguid: str | None
    outcome: LineResult
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectedReceipt:
    """What the receipt of a submission says; `codes` are those about the whole message, sorted."""

    outcome: Outcome
    codes: tuple[str, ...] = ()
    lines: tuple[ExpectedLine, ...] = ()
    dead_letter: DeadLetterReason | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """A version of a line that enters the record."""

    dguid: str
    version: int
    status: Status
    niss: str = field(repr=False)
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class PlannedSubmission:
    """One record of `dpp.dispensation.submitted`.

    `sender` is the pharmacy in whose stream it is sent; `key` is the record's key, another one for
    a stranger, None for a record without. `kind` is why it was planted.
    """

    kind: str
    sender: str
    key: str | None
    sequence: int
    epoch: str
    id: str
    type: str
    body: bytes = field(repr=False)
    expected: ExpectedReceipt
    effects: tuple[Effect, ...] = ()
    mutation: Mutation = "none"
    gaps_noticed: int = 0
    gaps_closed: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """What one pharmacy sends, in order."""

    pharmacy: Pharmacy
    submissions: tuple[PlannedSubmission, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole simulated year; only the order within a stream matters."""

    seed: int
    now: datetime
    population: Population
    streams: tuple[Stream, ...]

    def submissions(self) -> Iterable[PlannedSubmission]:
        """All of them, stream by stream."""
        return (one for stream in self.streams for one in stream.submissions)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """The current version of a line in the record."""

    pharmacy: str
    dguid: str
    version: int
    status: Status
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of everything, expected or observed."""

    submissions: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    rejects: Mapping[str, int] = field(default_factory=dict)
    """Refusals by code."""
    warnings: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    """Lines by result; those that a replayed receipt repeats are not counted again."""
    facts: Mapping[str, int] = field(default_factory=dict)
    """Facts by status."""
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    """Dead letters by reason."""
    gaps_noticed: int = 0
    gaps_closed: int = 0


WARNINGS = frozenset(
    {
        "NISS_NOT_ASSIGNED",
        "BIRTH_DATE_DOUBTFUL",
        "SEX_DOUBTFUL",
        "LATE_ARRIVAL",
        "CNK_UNKNOWN",
        "CNK_NOT_VALID_THEN",
        "CNK_SUSPENDED",
        "CNK_REVOKED",
        "CNK_NOT_PUBLIC",
        "UNREGISTERED_DOUBTFUL",
        "MAGISTRAL_AMBIGUOUS",
        "GALENIC_FORM_MISSING",
        "COMPOUND_ORDER_DOUBTFUL",
        "COMPOUND_UNNAMED",
        "COMPOUND_CNK_INVALID",
        "COMPOUND_CNK_UNKNOWN",
        "COMPOUND_QUANTITY_DOUBTFUL",
        "UNITS_IMPLAUSIBLE",
        "PRESCRIBER_MISSING",
        "PRESCRIBER_INVALID",
        "RID_INVALID",
        "REGIMEN_DOUBTFUL",
        "BATCH_DOUBTFUL",
        "EXPIRY_INVALID",
        "PRODUCT_EXPIRED",
        "GTIN_INVALID",
        "SCAN_INVALID",
        "SCAN_DIFFERS",
        "PRODUCT_REPEATED",
        "RETURN_NOT_COMPARED",
    }
)
"""Codes that warn under the policy that ships with the code; every other one refuses."""


def expected_counts(plan: Plan) -> Counts:
    """What must be there once everything planned was decided."""
    planned = list(plan.submissions())
    receipts = [one.expected for one in planned]
    found = Counter(
        code
        for receipt in receipts
        for codes in (receipt.codes, *(line.codes for line in receipt.lines))
        for code in codes
    )
    return Counts(
        submissions=len(planned),
        outcomes=_sorted(receipt.outcome for receipt in receipts),
        rejects={code: found[code] for code in sorted(found) if code not in WARNINGS},
        warnings={code: found[code] for code in sorted(found) if code in WARNINGS},
        lines=_sorted(line.outcome for receipt in receipts for line in receipt.lines),
        facts=_sorted(effect.status for one in planned for effect in one.effects),
        dead_letters=_sorted(one.dead_letter for one in receipts if one.dead_letter is not None),
        gaps_noticed=sum(one.gaps_noticed for one in planned),
        gaps_closed=sum(one.gaps_closed for one in planned),
    )


def kinds(plan: Plan) -> dict[str, int]:
    """How many submissions were planted of each kind, the ordinary ones included."""
    return _sorted(one.kind for one in plan.submissions())


def expected_history(plan: Plan, niss: str, since: datetime) -> tuple[HistoryLine, ...]:
    """The current lines of a person delivered from `since` on, newest first; revoked ones too.

    A line that was corrected onto another person is that person's.
    """
    current: dict[tuple[str, str], Effect] = {}
    for one in plan.submissions():
        for effect in one.effects:
            current[(one.sender, effect.dguid)] = effect
    found = [
        HistoryLine(pharmacy, dguid, effect.version, effect.status, effect.delivered_at)
        for (pharmacy, dguid), effect in current.items()
        if effect.niss == niss and effect.delivered_at >= since
    ]
    return tuple(sorted(found, key=lambda line: (line.delivered_at, line.dguid), reverse=True))


def _sorted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
