"""Which generations of subjects are erased, as the log tells."""

from typing import Final

from infra.kafka import Record
from projections.events import Unfoldable, open_record, read
from schemas.subject import ERASURE_EXECUTED, SUBJECT_FACTS, ErasureExecuted
from schemas.topics import SUBJECT_REGISTERED

_TYPE: Final = ("ce_type", ERASURE_EXECUTED.encode())


def note(erased: dict[str, int], record: Record) -> None:
    """Raises the last erased generation of a subject if this record executes an erasure."""
    if record.topic != SUBJECT_REGISTERED.name or _TYPE not in record.headers:
        return
    try:
        fact = read(open_record(record, from_stage=True), SUBJECT_FACTS)
    except Unfoldable:
        return
    if isinstance(fact, ErasureExecuted):
        erased[fact.subject] = max(erased.get(fact.subject, 0), fact.generation)
