"""The projections: each reads one topic, gathers what its pure fold needs, and writes its rows.

A new one is a fold in `projections.folds`, a migration that makes its schema, and a line in
`registered`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from infra.postgres import Connection
from projections.events import Event, Unfoldable, read
from projections.folds import (
    access_log,
    access_state,
    consumption,
    erasures,
    history,
    product_recall,
    quality,
    recall,
    surveillance,
)
from projections.folds.changes import Change
from projections.history_store import TABLE, HistoryWriter
from projections.layouts import KNOWN, Layouts
from projections.memory import HISTORY_KEY
from projections.opening import open_facts
from projections.rows import RowWriter
from projections.surveillance_store import SurveillanceWriter
from schemas import topics
from schemas.keyvault import KeyVault, Shredded
from schemas.recall import RECALL_EVENTS
from schemas.subject import SUBJECT_FACTS


@dataclass(slots=True)
class Folded:
    """What a batch became: `changes` of the first `events` events, and why it ended there.

    `shredded` counts events whose content nobody can read any more.
    """

    changes: list[Any] = field(default_factory=list)
    events: int = 0
    shredded: int = 0
    failure: str | None = None


class Writer(Protocol):
    """Writes row changes on one connection, whose search path names the version."""

    async def prepare(self) -> None:
        """Readies the connection, once."""
        ...

    async def before(self, changes: Sequence[Any]) -> None:
        """What has to exist before the transaction of `write` begins."""
        ...

    async def write(self, changes: Sequence[Any]) -> None:
        """Applies the changes inside the caller's transaction."""
        ...


class Projection(Protocol):
    """What the runner asks of a projection."""

    @property
    def name(self) -> str:
        """Name in positions, metrics and commands."""
        ...

    @property
    def topic(self) -> str:
        """What it reads."""
        ...

    @property
    def schema(self) -> str:
        """The schema that its migration makes, where the live version's tables are."""
        ...

    @property
    def from_stage(self) -> bool:
        """Whether events carry `sourceoffset` and `sourceordinal`, rising per partition."""
        ...

    @property
    def sets_aside(self) -> bool:
        """Whether the live version may leave out an event whose content it cannot take over."""
        ...

    @property
    def forgets(self) -> bool:
        """Whether an erasure takes the subject's rows away."""
        ...

    @property
    def key_derived(self) -> frozenset[str]:
        """Columns that only the holder of the keys can know; the public hash leaves them out."""
        ...

    @property
    def layouts(self) -> Layouts:
        """The sets of columns that it can read and write; its rows name those of all."""
        ...

    @property
    def primary_keys(self) -> Mapping[str, Sequence[str]]:
        """Tables and their primary keys."""
        ...

    async def fold(self, events: Sequence[Event]) -> Folded:
        """Row changes of events in their order; nothing is written."""
        ...

    def writer(self, connection: Connection, *, fresh: bool = False) -> Writer:
        """Writes on this connection; `fresh` tables are new, and most rows enter by COPY alone."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A projection whose fold needs nothing but the event."""

    name: str
    topic: str
    schema: str
    primary_keys: Mapping[str, Sequence[str]]
    changes: Callable[[Event], Sequence[object]]
    from_stage: bool = True
    sets_aside: bool = True
    forgets: bool = False
    key_derived: frozenset[str] = frozenset()

    @property
    def layouts(self) -> Layouts:
        """Those of this release."""
        return KNOWN[self.name]

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

    def writer(self, connection: Connection, *, fresh: bool = False) -> Writer:
        """Writes in sets."""
        return RowWriter(connection, self.primary_keys, forgets=self.forgets, fresh=fresh)


class Surveillance(Plain):
    """A projection whose rows are counts."""

    def writer(self, connection: Connection, *, fresh: bool = False) -> SurveillanceWriter:
        """Counts in sets, into new tables as into others."""
        del fresh
        return SurveillanceWriter(connection)


def access_state_projection(topic: str = topics.SUBJECT_REGISTERED.name) -> Plain:
    """Consent, links, exclusions and mandates; never leaves an event out: rights rest on it."""
    return Plain(
        name="access_state",
        topic=topic,
        schema=access_state.SCHEMA,
        primary_keys=dict.fromkeys(access_state.TABLES, access_state.PRIMARY_KEY),
        changes=lambda event: access_state.fold(read(event, SUBJECT_FACTS), event.recorded),
        sets_aside=False,
        forgets=True,
    )


def access_log_projection(topic: str = topics.ACCESS_AUDITED.name) -> Plain:
    """Who looked at whose data; outlives an erasure, which makes its sealed parts unreadable."""
    return Plain(
        name="access_log",
        topic=topic,
        schema=access_log.SCHEMA,
        primary_keys=access_log.PRIMARY_KEYS,
        changes=lambda event: access_log.fold(read(event, access_log.EVENTS), event.recorded),
        from_stage=False,
    )


def surveillance_projection(topic: str = topics.ACCESS_AUDITED.name) -> Surveillance:
    """Who reads whom and how much; outlives an erasure, and leaves after some months."""
    return Surveillance(
        name="surveillance",
        topic=topic,
        schema=surveillance.SCHEMA,
        primary_keys=surveillance.PRIMARY_KEYS,
        changes=lambda event: surveillance.fold(read(event, access_log.EVENTS), event.recorded),
        from_stage=False,
    )


def erasures_projection(topic: str = topics.SUBJECT_REGISTERED.name) -> Plain:
    """Erasures and legal holds; never leaves an event out, and outlives what it tells of."""
    return Plain(
        name="erasures",
        topic=topic,
        schema=erasures.SCHEMA,
        primary_keys=erasures.PRIMARY_KEYS,
        changes=lambda event: erasures.fold(read(event, SUBJECT_FACTS), event.recorded),
        sets_aside=False,
    )


def quality_projection(topic: str = topics.DISPENSATION_RECEIPTS.name) -> Plain:
    """Receipts and gap notices per pharmacy."""

    def changes(event: Event) -> tuple[Change, ...]:
        record, body = event.record, read(event, quality.EVENTS)
        return quality.fold(body, event.recorded, key=record.key, body=record.value or b"")

    return Plain(
        name="quality",
        topic=topic,
        schema=quality.SCHEMA,
        primary_keys=quality.PRIMARY_KEYS,
        changes=changes,
    )


def recall_projection(topic: str = topics.RECALL_NOTICES.name) -> Plain:
    """What authorities recall, and which pharmacies acknowledged it."""
    return Plain(
        name="recall",
        topic=topic,
        schema=recall.SCHEMA,
        primary_keys=recall.PRIMARY_KEYS,
        changes=lambda event: recall.fold(read(event, RECALL_EVENTS), event.recorded),
        from_stage=False,
    )


class _Sealed:
    """A projection that folds record facts with what they seal."""

    name: str
    from_stage = True
    sets_aside = True
    forgets = True

    @property
    def layouts(self) -> Layouts:
        """Those of this release."""
        return KNOWN[self.name]

    def __init__(
        self,
        vault: KeyVault,
        topic: str = topics.DISPENSATION_RECORDED.name,
    ) -> None:
        self.topic = topic
        self._vault = vault

    def _changes(self, *arguments: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    async def fold(self, events: Sequence[Event]) -> Folded:
        """Folds what could be opened."""
        batch = await open_facts(self._vault, events)
        folded = Folded(events=len(batch.facts), failure=batch.failure)
        for one in batch.facts:
            folded.changes.extend(
                self._changes(one.fact, one.content, one.event.recorded, batch.index_key)
            )
            folded.shredded += isinstance(one.content, Shredded)
        return folded


class History(_Sealed):
    """Dispensation lines, found by time and product."""

    name: Final = "history"
    schema: Final = history.SCHEMA
    primary_keys: Final = {TABLE: HISTORY_KEY}
    key_derived: Final = frozenset(
        {"delivered_month", "delivered_at", "product_index", "returns_index"}
    )
    _changes = staticmethod(history.fold)

    def writer(self, connection: Connection, *, fresh: bool = False) -> HistoryWriter:
        """Writes in sets, into a partition per month."""
        return HistoryWriter(connection, fresh=fresh)


class ProductRecall(_Sealed):
    """Which lines carried a product or batch."""

    name: Final = "product_recall"
    schema: Final = product_recall.SCHEMA
    primary_keys: Final = product_recall.PRIMARY_KEYS
    key_derived: Final = frozenset({"product_index", "batch_index", "delivered_at"})
    _changes = staticmethod(product_recall.fold)

    def writer(self, connection: Connection, *, fresh: bool = False) -> RowWriter:
        """Writes in sets."""
        return RowWriter(connection, self.primary_keys, forgets=True, fresh=fresh)


class Consumption(_Sealed):
    """How much of each product was dispensed; it names no subject."""

    name: Final = "consumption"
    schema: Final = consumption.SCHEMA
    primary_keys: Final = consumption.PRIMARY_KEYS
    key_derived: Final = frozenset({"product_index", "units", "delivered_at"})
    forgets = False
    _changes = staticmethod(consumption.fold)

    def writer(self, connection: Connection, *, fresh: bool = False) -> RowWriter:
        """Writes in sets."""
        return RowWriter(connection, self.primary_keys, fresh=fresh)


def registered(vault: KeyVault) -> tuple[Projection, ...]:
    """Every projection there is."""
    return (
        History(vault),
        access_state_projection(),
        access_log_projection(),
        quality_projection(),
        ProductRecall(vault),
        erasures_projection(),
        Consumption(vault),
        recall_projection(),
        surveillance_projection(),
    )
