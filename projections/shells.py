"""The projections: each reads one topic, gathers what its pure fold needs, and writes its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from infra.kafka import Record
from infra.postgres import Connection
from projections import history_store
from projections.folds import access_log, access_state, history, quality
from projections.folds.access_state import Recorded
from projections.store import apply_rows, ensure_months
from schemas import topics
from schemas.audit import ACCESS_DECIDED, AccessDecided
from schemas.dispensation import RECORD_FACTS, LineContent, RevokedFact
from schemas.envelope import Envelope
from schemas.keyvault import DestroyedPeriod, KeyVault, PeriodSecret, Shredded, SubjectSecret
from schemas.model import Model
from schemas.sealing import SealBroken
from schemas.sealing.facts import record_associated_data, record_keys, unseal
from schemas.subject import SUBJECT_FACTS

M = TypeVar("M", bound=Model)


class Unfoldable(Exception):
    """An event that this projection cannot take over; `category` is one stable word."""

    def __init__(self, category: str) -> None:
        super().__init__(category)
        self.category = category


@dataclass(frozen=True, slots=True)
class Event:
    """A record with its envelope."""

    record: Record
    envelope: Envelope

    @property
    def recorded(self) -> Recorded:
        """Its place, as folds want it."""
        record = self.record
        return Recorded(record.partition, record.offset, self.envelope.time, self.envelope.id)


@dataclass(slots=True)
class Folded:
    """What a batch became: `changes` of the first `events` events, and why it ended there.

    `shredded` counts events whose content nobody can read any more.
    """

    changes: list[Any] = field(default_factory=list)
    events: int = 0
    shredded: int = 0
    failure: str | None = None


class Projection(Protocol):
    """What the runner asks of a projection; `from_stage` says that a stage writes its topic."""

    @property
    def name(self) -> str:
        """Name in positions, metrics and commands."""
        ...

    @property
    def topic(self) -> str:
        """What it reads."""
        ...

    @property
    def from_stage(self) -> bool:
        """Whether events carry `sourceoffset` and `sourceordinal`, rising per partition."""
        ...

    async def prepare(self, connection: Connection) -> None:
        """Readies a connection for `write`, once."""
        ...

    async def fold(self, events: Sequence[Event]) -> Folded:
        """Row changes of events in their order; nothing is written."""
        ...

    async def before(self, connection: Connection, folded: Folded) -> None:
        """What has to exist before the transaction of `write` begins."""
        ...

    async def write(self, connection: Connection, folded: Folded) -> None:
        """Writes the changes inside the caller's transaction."""
        ...


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


class _Plain:
    """A projection whose fold needs nothing but the event."""

    name: str
    from_stage: bool
    schema: str
    primary_keys: Mapping[str, Sequence[str]]

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def changes(self, event: Event) -> tuple[Any, ...]:
        raise NotImplementedError

    async def prepare(self, connection: Connection) -> None:
        """Nothing to ready."""

    async def before(self, connection: Connection, folded: Folded) -> None:
        """Everything exists."""

    async def fold(self, events: Sequence[Event]) -> Folded:
        """Folds one after the other."""
        folded = Folded()
        for event in events:
            try:
                folded.changes.extend(self.changes(event))
            except Unfoldable as error:
                folded.failure = error.category
                break
            folded.events += 1
        return folded

    async def write(self, connection: Connection, folded: Folded) -> None:
        """Writes in order."""
        await apply_rows(connection, self.schema, self.primary_keys, folded.changes)


class AccessState(_Plain):
    """Consent, links, exclusions and mandates."""

    name = "access_state"
    from_stage = True
    schema = access_state.SCHEMA
    primary_keys = dict.fromkeys(access_state.TABLES, access_state.PRIMARY_KEY)

    def __init__(self, topic: str = topics.SUBJECT_REGISTERED.name) -> None:
        super().__init__(topic)

    def changes(self, event: Event) -> tuple[Any, ...]:
        """As the fold says."""
        return access_state.fold(read(event, SUBJECT_FACTS), event.recorded)


class AccessLog(_Plain):
    """Who looked at whose data."""

    name = "access_log"
    from_stage = False
    schema = access_log.SCHEMA
    primary_keys = access_log.PRIMARY_KEYS

    def __init__(self, topic: str = topics.ACCESS_AUDITED.name) -> None:
        super().__init__(topic)

    def changes(self, event: Event) -> tuple[Any, ...]:
        """As the fold says."""
        return access_log.fold(read(event, {ACCESS_DECIDED: AccessDecided}), event.recorded)


class Quality(_Plain):
    """Receipts and gap notices per pharmacy."""

    name = "quality"
    from_stage = True
    schema = quality.SCHEMA
    primary_keys = quality.PRIMARY_KEYS

    def __init__(self, topic: str = topics.DISPENSATION_RECEIPTS.name) -> None:
        super().__init__(topic)

    def changes(self, event: Event) -> tuple[Any, ...]:
        """As the fold says."""
        body = read(event, quality.EVENTS)
        record = event.record
        return quality.fold(body, event.recorded, key=record.key, body=record.value or b"")


@dataclass(frozen=True, slots=True)
class _Secrets:
    subjects: Mapping[tuple[str, int], SubjectSecret | Shredded]
    periods: Mapping[str, PeriodSecret | DestroyedPeriod]


class History:
    """Dispensation lines; opens each seal to find the row's time and product."""

    name = "history"
    from_stage = True

    def __init__(self, vault: KeyVault, topic: str = topics.DISPENSATION_RECORDED.name) -> None:
        self.topic = topic
        self._vault = vault

    async def prepare(self, connection: Connection) -> None:
        """Makes the stages of this connection."""
        await history_store.prepare(connection)

    async def before(self, connection: Connection, folded: Folded) -> None:
        """Adds the months that the batch is the first to need."""
        await ensure_months(
            connection,
            {
                change.line.month
                for change in folded.changes
                if isinstance(change, history.PutVersion) and change.delivered_at is not None
            },
        )

    async def write(self, connection: Connection, folded: Folded) -> None:
        """Writes in sets."""
        await history_store.apply(connection, folded.changes)

    async def fold(self, events: Sequence[Event]) -> Folded:
        """Folds with all secrets of the batch asked for at once."""
        folded = Folded()
        facts: list[history.Fact] = []
        try:
            for event in events:
                facts.append(read(event, RECORD_FACTS))  # noqa: PERF401 - keeps those before a bad one
        except Unfoldable as error:
            folded.failure = error.category
        secrets = await self._secrets(facts)
        index_key = await self._vault.root_key("index")
        for event, fact in zip(events, facts, strict=False):
            try:
                content = _content(event, fact, secrets)
            except Unfoldable as error:
                folded.failure = error.category
                break
            folded.changes.extend(history.fold(fact, content, event.recorded, index_key))
            folded.shredded += isinstance(content, Shredded)
            folded.events += 1
        return folded

    async def _secrets(self, facts: Sequence[history.Fact]) -> _Secrets:
        sealed = [fact for fact in facts if not isinstance(fact, RevokedFact)]
        if not sealed:
            return _Secrets({}, {})
        return _Secrets(
            await self._vault.find_subject_secrets(
                {(fact.subject, fact.generation) for fact in sealed}
            ),
            await self._vault.find_periods({fact.period for fact in sealed}),
        )


def _content(event: Event, fact: history.Fact, secrets: _Secrets) -> LineContent | Shredded | None:
    if isinstance(fact, RevokedFact):
        return None
    subject = secrets.subjects.get((fact.subject, fact.generation), Shredded("subject"))
    if isinstance(subject, Shredded):
        return subject
    period = secrets.periods.get(fact.period)
    if period is None:
        # A destroyed day has its tombstone, so an unknown one means another or an older vault.
        raise Unfoldable("period_unknown")
    if isinstance(period, DestroyedPeriod):
        return Shredded("period")
    associated = record_associated_data(
        type_=event.envelope.type,
        pharmacy=fact.pharmacy,
        dguid=fact.dguid,
        version=fact.version,
        subject=fact.subject,
        generation=fact.generation,
        period=fact.period,
    )
    keys = record_keys(subject.secret, period.secret, fact.version)
    try:
        return LineContent.read(unseal(keys, event.envelope.id, associated, fact.sealed))
    except SealBroken:
        raise Unfoldable("seal_broken") from None
    except ValidationError:
        raise Unfoldable("malformed") from None
