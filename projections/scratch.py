"""Fills a version that is compared and never read, from records that somebody else hands over."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from infra.kafka import Partition, Record
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.batch import MaySetAside, failure_of, fold_batch
from projections.copies import Copies
from projections.shells import Projection, Writer
from projections.store import Failure, SourcePlace, Target, use_schema
from projections.versions import drop, scratch


@dataclass(slots=True)
class Scratch:
    """Tables of a projection's own, behind a connection of their own.

    `failure` is the event that could not be folded: nothing behind it is applied.
    """

    projection: Projection
    target: Target
    connection: Connection
    failure: Failure | None = None
    _writer: Writer = field(init=False)
    _copies: dict[int, Copies] = field(default_factory=dict)

    async def open(self) -> None:
        """Readies the connection, once."""
        await use_schema(self.connection, self.target.schema)
        self._writer = self.projection.writer(self.connection, fresh=True)
        await self._writer.prepare()

    async def apply(
        self, records: Mapping[Partition, Sequence[Record]], may_set_aside: MaySetAside
    ) -> None:
        """Folds records, of each partition in their order, into the tables.

        Raises:
            VaultUnavailable, psycopg.Error: they are not applied.
        """
        if self.failure is not None:
            return
        for one in records:
            self._copies.setdefault(one.partition, Copies())
        batch = await fold_batch(self.projection, self._copies, records, may_set_aside)
        await self._writer.before(batch.changes)
        async with self.connection.transaction():
            await self._writer.write(batch.changes)
        if batch.ended is not None:
            self.failure = failure_of(*batch.ended)

    def last(self, partition: int) -> SourcePlace | None:
        """The last stage output of a partition that was applied."""
        copies = self._copies.get(partition)
        return None if copies is None else copies.last


@asynccontextmanager
async def opened(
    settings: Settings, projection: Projection, *, keep: bool
) -> AsyncIterator[Scratch]:
    """Empty tables like the live ones; they are dropped at the end unless they are to be kept.

    Raises:
        DatabaseUnavailable, psycopg.Error: they cannot be made.
    """
    async with connect(settings.dsn, autocommit=True, statement_ms=0) as connection:
        made = Scratch(projection, await scratch(connection, projection), connection)
        try:
            await made.open()
            yield made
        finally:
            if not keep:
                await drop(connection, projection, made.target.version)
