"""What a partition remembers: a fold of the facts and receipts that the stage wrote.

Gap notices need no folding: they follow from the numbers in the receipts.
"""

from dataclasses import dataclass, field

from schemas.dispensation import RECORD_FACTS
from schemas.envelope import Headers
from schemas.receipts import RECEIPT
from streams.quality import lifecycle, numbering
from streams.quality.lifecycle import LineFact, LineState
from streams.quality.numbering import Answered, Numbers

LineKey = tuple[str, str]
"""Pharmacy number and DGUID."""
PHARMACY_SOURCE = "/pharmacies/"


@dataclass(slots=True)
class QualityState:
    """Lines by (pharmacy, DGUID), and the numbers of each publisher."""

    lines: dict[LineKey, LineState] = field(default_factory=dict)
    numbers: dict[str, Numbers] = field(default_factory=dict)


def evolve(state: QualityState, headers: Headers, value: bytes | None) -> None:
    """Fold one output into the state; the same live and at restore.

    Raises:
        pydantic.ValidationError: the output is none of this stage's.
    """
    type_ = next((content.decode() for name, content in headers if name == "ce_type"), "")
    if value is None:
        return
    if type_ in RECORD_FACTS:
        fact = LineFact.read(value)
        key = (fact.pharmacy, fact.dguid)
        state.lines[key] = lifecycle.evolve(state.lines.get(key), fact)
    elif type_ == RECEIPT:
        ref = Answered.read(value).submission
        source = ref.source
        if source is not None and source.startswith(PHARMACY_SOURCE):
            numbers = state.numbers.setdefault(source.removeprefix(PHARMACY_SOURCE), Numbers())
            numbering.evolve(numbers, ref, value)
