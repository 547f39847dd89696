"""The outputs of one partition, put together by submission, whatever order they stand in.

A record that comes after others of its topic that follow it in order is late: a copy that a fenced
writer left, or something that was planted. Late ones are kept for the end.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from consumers.audit.log import Log
from infra.kafka import Record
from streams.engine.outputs import SourcePosition, source_position
from streams.engine.restore import Merge
from streams.engine.stage import Recorded


@dataclass(frozen=True, slots=True)
class Group:
    """The outputs of the submission at `offset`, in order."""

    offset: int
    outputs: tuple[Recorded, ...]


class Outputs:
    """Reads the output topics of a partition side by side."""

    def __init__(self, log: Log, topics: Sequence[str], receipts: str, partition: int) -> None:
        self._log = log
        self._topics = topics
        self._partition = partition
        self._merge = Merge(topics, receipts)
        self._passed: dict[str, SourcePosition] = {}
        self.late: list[Recorded] = []
        """Records behind their order, and those that name no submission."""

    @property
    def torn(self) -> int:
        """Outputs at the end that lack their receipt; known once all is read."""
        return self._merge.torn

    async def groups(self) -> AsyncGenerator[Group]:
        """All groups by offset; afterwards `late` is complete."""
        waiting: list[Recorded] = []
        async with AsyncExitStack() as stack:
            sources = {
                topic: await stack.enter_async_context(
                    aclosing(self._log.read(topic, self._partition))
                )
                for topic in self._topics
            }
            while True:
                for record in self._merge.ready():
                    if waiting and _offset(waiting[0]) != _offset(record):
                        yield Group(_offset(waiting[0]), tuple(waiting))
                        waiting = []
                    waiting.append(record)
                missing = self._merge.missing()
                if not missing:
                    break
                for topic in missing:
                    await self._feed(topic, sources[topic])
        if waiting:
            yield Group(_offset(waiting[0]), tuple(waiting))

    async def _feed(self, topic: str, source: AsyncGenerator[Sequence[Record]]) -> None:
        batch = await anext(source, None)
        if batch is None:
            self._merge.finish(topic)
        for record in batch or ():
            self._add(record)

    def _add(self, record: Record) -> None:
        headers = tuple((name, value or b"") for name, value in record.headers)
        recorded = Recorded(
            record.topic, record.partition, record.offset, record.key, headers, record.value
        )
        place = source_position(headers)
        if place is None or place <= self._passed.get(record.topic, (-1, -1)):
            self.late.append(recorded)
            return
        self._passed[record.topic] = place
        self._merge.add(recorded)


def _offset(record: Recorded) -> int:
    found = source_position(record.headers)
    return -1 if found is None else found.offset
