"""Records as a broker would keep them, as leaves of a log and as rows of live projections."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.kafka import Partition, Record
from infra.postgres import connect
from infra.settings import Settings
from projections.batch import fold_batch
from projections.copies import Copies
from projections.shells import Projection
from projections.store import Move, Place, commit, live_target, load_places, use_schema
from streams.notary import leaf
from streams.notary.notes import Checkpoint
from tests.integration.projections_world import PARTITIONS, Output
from tests.support.audit_log import grow

STARTED_MS = 1_795_000_000_000


@dataclass(slots=True)
class Broker:
    """Topics of two partitions; a stage's output is a transaction, so a marker follows it."""

    records: list[Record] = field(default_factory=list)
    _next: dict[Partition, int] = field(default_factory=dict)

    def append(self, topic: str, *outputs: Output) -> list[Record]:
        """Appends outputs in their order; answers the records."""
        made: list[Record] = []
        for one in outputs:
            place = Partition(topic, one.partition)
            offset = self._next.get(place, 0)
            self._next[place] = offset + (1 if one.source is None else 2)
            when = STARTED_MS + 1000 * (len(self.records) + len(made))
            made.append(
                Record(topic, one.partition, offset, when, one.key, tuple(one.headers()), one.body)
            )
        self.records += made
        return made

    def log(self, folder: Path, records: Sequence[Record] | None = None) -> Checkpoint:
        """A log in `folder` of these records, or of all."""
        chosen = self.records if records is None else records
        return grow(folder, [leaf.encode(one) for one in chosen])

    async def project(self, settings: Settings, projection: Projection) -> None:
        """Brings the live version of a projection to the end, as a runner does."""
        async with connect(settings.dsn, autocommit=True) as connection:
            beginnings = dict.fromkeys(range(PARTITIONS), 0)
            target = await live_target(
                connection, projection.name, projection.topic, projection.schema, beginnings
            )
            places = await load_places(connection, target)
            await use_schema(connection, target.schema)
            writer = projection.writer(connection)
            await writer.prepare()
            new: dict[Partition, list[Record]] = {}
            for one in self.records:
                if one.topic == target.topic and one.offset >= places[one.partition].position:
                    new.setdefault(Partition(one.topic, one.partition), []).append(one)
            copies = {number: Copies(place.source) for number, place in places.items()}
            batch = await fold_batch(projection, copies, new)
            assert batch.ended is None
            await writer.before(batch.changes)
            moves = [
                Move(
                    place.partition,
                    places[place.partition].position,
                    Place(self._next[place], batch.sources.get(place.partition)),
                )
                for place in sorted(new)
            ]
            await commit(connection, target, moves, lambda _: writer.write(batch.changes))
