"""Which record of the log is something that a patient should be told; pure.

Consent that changed and a mandate that waits come from the facts about a subject; the first access
by a party, and every access in an emergency, from the record of accesses. What people do with their
own data is no notice. A notice names pseudonyms only, and is the same whenever it is derived.
Source: DESIGN section 3; audit reference 2.1.
"""

from dataclasses import dataclass
from typing import Final

from schemas.audit import EMERGENCY, Decided
from schemas.envelope import Envelope, Headers
from schemas.subject import (
    NOTICE,
    ConsentGiven,
    ConsentWithdrawn,
    MandateGranted,
    Notice,
    SubjectFact,
)

SOURCE: Final = "/notices"
SOURCE_TOPIC: Final = "sourcetopic"
SOURCE_OFFSET: Final = "sourceoffset"
_BY_OTHERS: Final = frozenset({"mandate", "consent_and_link", EMERGENCY})
"""On what others than the subject and the pharmacy that dispensed read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands; `id` is its `ce_id`."""

    topic: str
    partition: int
    offset: int
    id: str


def of_fact(fact: SubjectFact, place: Place) -> Notice | None:
    """The notice that a fact about a subject is, if it is one."""
    match fact:
        case ConsentGiven():
            return Notice(subject=fact.subject, notice="consent_given", about=place.id)
        case ConsentWithdrawn():
            return Notice(subject=fact.subject, notice="consent_withdrawn", about=place.id)
        case MandateGranted():
            return Notice(
                subject=fact.subject, notice="mandate_waiting", about=place.id, party=fact.holder
            )
        case _:
            return None


def new_party(event: Decided) -> str | None:
    """Whose first access this may be: who read, or the pharmacy or institution they read for.

    None where nobody but the subject, or the pharmacy with its own lines, has read.
    """
    if event.decision != "permit" or event.subject is None or event.basis not in _BY_OTHERS:
        return None
    if event.purpose not in ("history", "own_history", EMERGENCY):
        return None
    return event.organisation if event.role == "pharmacist" else event.reader


def of_access(event: Decided, place: Place, *, is_first: bool) -> Notice | None:
    """The notice that an access is, if it is one; `is_first` says that its party is new."""
    party = new_party(event)
    if party is None or event.subject is None:
        return None
    if EMERGENCY in (event.basis, event.detail):
        return Notice(subject=event.subject, notice="emergency_access", about=place.id, party=party)
    if not is_first:
        return None
    return Notice(subject=event.subject, notice="first_access", about=place.id, party=party)


def headers_of(place: Place, at: Envelope) -> Headers:
    """The envelope of a notice: its id is the record's, so a second one is known for what it is."""
    envelope = Envelope(
        id=f"notice/{place.id}",
        source=SOURCE,
        type=NOTICE,
        time=at.time,
        extensions={SOURCE_TOPIC: place.topic, SOURCE_OFFSET: str(place.offset)},
    )
    return tuple(envelope.headers())


def source_of(envelope: Envelope) -> tuple[str, int] | None:
    """From which record of which topic a notice came."""
    topic = envelope.extensions.get(SOURCE_TOPIC, "")
    offset = envelope.extensions.get(SOURCE_OFFSET, "")
    if envelope.source != SOURCE or not (offset.isascii() and offset.isdigit()):
        return None
    return topic, int(offset)
