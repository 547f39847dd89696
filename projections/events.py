"""What a projection is handed: a record with its envelope, and its value as its type says."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from infra.kafka import Record
from projections.copies import source_place
from projections.folds.access_state import Recorded
from projections.store import SourcePlace
from schemas.envelope import Envelope, EnvelopeFault, parse
from schemas.model import Model

M = TypeVar("M", bound=Model)


class Unfoldable(Exception):
    """An event that this projection cannot take over; `category` is one stable word."""

    def __init__(self, category: str) -> None:
        super().__init__(category)
        self.category = category


class Event(NamedTuple):
    """A record with its envelope; `source` is its place among a stage's outputs."""

    record: Record
    envelope: Envelope
    source: SourcePlace | None = None

    @property
    def recorded(self) -> Recorded:
        """Its place, as folds want it."""
        record = self.record
        return Recorded(record.partition, record.offset, self.envelope.time, self.envelope.id)


def open_record(record: Record, *, from_stage: bool) -> Event:
    """The event of a record.

    Raises:
        Unfoldable: its headers are no envelope, or do not say where a stage's output comes from.
    """
    envelope = parse(record.headers)
    if isinstance(envelope, EnvelopeFault):
        raise Unfoldable(f"envelope_{envelope.reason}")
    if not from_stage:
        return Event(record, envelope)
    source = source_place(envelope)
    if source is None:
        raise Unfoldable("source_place_missing")
    return Event(record, envelope, source)


def read(event: Event, models: Mapping[str, type[M]]) -> M:
    """The event's value in the form that its type says.

    Raises:
        Unfoldable: an unknown type, no value, or a value of another form.
    """
    model = models.get(event.envelope.type)
    if model is None:
        raise Unfoldable("unknown_type")
    if event.record.value is None:
        raise Unfoldable("tombstone")
    try:
        return model.read(event.record.value)
    except ValidationError:
        raise Unfoldable("malformed") from None
