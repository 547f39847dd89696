"""A log in memory for audits: what one partition submitted and wrote, and ways to spoil it."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from infra.kafka import Record
from streams.engine.outputs import source_position
from streams.engine.stage import Output, Submission

Place = tuple[int, int]
"""Source offset and ordinal of an output."""


@dataclass
class MemoryLog:
    """Implements `consumers.audit.log.Log` for one partition."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    begin: dict[str, int] = field(default_factory=dict)

    async def partitions(self, topic: str) -> int:
        del topic
        return 1

    async def beginning(self, topic: str, partition: int) -> int:
        del partition
        return self.begin.get(topic, 0)

    async def read(self, topic: str, partition: int) -> AsyncGenerator[Sequence[Record]]:
        del partition
        kept = [
            one for one in self.records.get(topic, []) if one.offset >= self.begin.get(topic, 0)
        ]
        for start in range(0, len(kept), 3):
            yield kept[start : start + 3]

    def submit(self, one: Submission) -> None:
        stamp = round(one.appended_at.timestamp() * 1000)
        record = Record(
            one.topic, one.partition, one.offset, stamp, one.key, one.headers, one.value
        )
        self.records.setdefault(one.topic, []).append(record)

    def write(self, one: Output) -> None:
        topic = self.records.setdefault(one.topic, [])
        topic.append(Record(one.topic, 0, len(topic), 0, one.key, one.headers, one.value))

    def find(self, place: Place) -> Record:
        """The output at a source position."""
        found = [
            record
            for records in self.records.values()
            for record in records
            if source_position(record.headers) == place
        ]
        assert len(found) == 1
        return found[0]

    def drop(self, place: Place) -> None:
        record = self.find(place)
        self.records[record.topic].remove(record)

    def alter(self, place: Place, **changes: object) -> None:
        record = self.find(place)
        records = self.records[record.topic]
        records[records.index(record)] = record._replace(**changes)  # type: ignore[arg-type] # fields of a record

    def repeat(self, place: Place, **changes: object) -> None:
        """Appends a record once more, behind everything."""
        record = self.find(place)._replace(**changes)  # type: ignore[arg-type] # fields of a record
        self.write(Output(record.topic, record.key, record.headers, record.value))
