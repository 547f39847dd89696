"""What a receipt means for the outbox entry that it answers.

A receipt names id and number of its submission once the seal has shown who wrote it: that settles
the entry, whatever the outcome, and the first such receipt counts. A receipt without them says that
the record was refused before it could be trusted; its number is still free, so the same submission
is sealed again under a new session, or held when only a person can help.
"""

from dataclasses import dataclass
from typing import Final, Literal

from schemas.receipts import Receipt, SubmissionRef
from streams.intake.outbox import Outbox, Tracked

Effect = Literal["answered", "repeated", "sent_again", "held", "notice", "unknown"]
"""What a letter did.

- `answered`: it is the outcome of an entry
- `repeated`: a copy that arrived twice; the entry keeps its first outcome
- `sent_again`: the entry goes out again with the next flush, nothing is to be done
- `held`: the entry waits for `release`, see the codes of the receipt
- `notice`: it is about missing numbers
- `unknown`: it is about nothing that this outbox sent, or about what was put back already
"""

MAX_AGAIN: Final = 5
"""How often a refused record is sealed anew before a person must look."""
PASSING_CODES: Final = frozenset(
    {"SESSION_UNKNOWN", "SESSION_EXPIRED", "SEAL_BROKEN", "UNDECIDABLE"}
)
"""Refusals that a new session may cure."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a receipt did; `useless_session` is one under which nothing more should be sealed."""

    effect: Effect
    entry: str | None = None
    useless_session: str | None = None


def settle(outbox: Outbox, receipt: Receipt) -> Settled:
    """Carries a receipt out on the outbox; doing so twice changes nothing more."""
    ref = receipt.submission
    if ref.id is not None and ref.sequence is not None:
        return _settle_trusted(outbox, receipt, ref.id)
    known = outbox.at(_place(ref))
    if known is None or known.state != "sent":
        return Settled("unknown")
    return _settle_refused(outbox, receipt, known)


def _settle_trusted(outbox: Outbox, receipt: Receipt, id_: str) -> Settled:
    known, place = outbox.find(id_), _place(receipt.submission)
    if known is None:
        return Settled("unknown")
    if known.state == "answered":
        return Settled("answered" if known.place == place else "repeated", id_)
    original = receipt.original
    outcome = original.outcome if original is not None else receipt.outcome
    outbox.answered(id_, outcome, place=place)
    return Settled("answered", id_)


def _settle_refused(outbox: Outbox, receipt: Receipt, known: Tracked) -> Settled:
    passing = {issue.code for issue in receipt.issues} <= PASSING_CODES
    if passing and known.attempts < MAX_AGAIN:
        outbox.again(known.id)
        return Settled("sent_again", known.id, known.session)
    outbox.hold(known.id)
    return Settled("held", known.id, known.session)


def _place(ref: SubmissionRef) -> tuple[int, int]:
    return ref.partition, ref.offset
