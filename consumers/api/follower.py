"""Follows what registrations became: their receipts and facts, from a `read_committed` reader.

It begins a little before the end. Trouble with the broker is retried and shown in `/readyz`.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from consumers.api import metrics
from consumers.api.outcomes import OutcomeBook
from infra.errors import InfrastructureError
from infra.kafka import Partition, PartitionReader, Record, reader
from infra.settings import Settings
from schemas.topics import SUBJECT_RECEIPTS, SUBJECT_REGISTERED

BACKLOG: Final = 10_000
"""How many records per partition are read again at start, so that recent receipts are known."""
_RETRY_SECONDS: Final = (0.1, 5.0)
_ID: Final = "ce_id"
_log = structlog.get_logger("api")


class Follower:
    """One task of the API process; feeds the book of outcomes."""

    def __init__(self, settings: Settings, outcomes: OutcomeBook) -> None:
        self._settings = settings
        self._outcomes = outcomes
        self._positions: dict[Partition, int] = {}
        self.healthy = False
        """Whether it reads, and has read what was there when it began."""

    async def run(self) -> None:
        """Follows until it is cancelled."""
        delay = _RETRY_SECONDS[0]
        while True:
            try:
                async with reader(self._settings) as broker:
                    await self._follow(broker)
            except InfrastructureError as error:
                self.healthy = False
                _log.warning("follower_interrupted", error=type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RETRY_SECONDS[1])

    async def _follow(self, broker: PartitionReader) -> None:
        start = self._positions or await _start(broker)
        await broker.assign(start)
        ends = await broker.end_offsets(start)
        while True:
            for records in (await broker.poll()).values():
                self._take(records)
            self._positions = await broker.positions()
            for one, position in self._positions.items():
                metrics.FOLLOWER_POSITION.labels(one.topic, str(one.partition)).set(position)
            if all(self._positions[one] >= end for one, end in ends.items()):
                self.healthy = True

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.topic == SUBJECT_RECEIPTS.name:
                self._outcomes.put_receipt(record.value)
            else:
                fact = dict(record.headers).get(_ID, b"").decode(errors="replace")
                self._outcomes.put_fact(fact, record.partition, record.offset)


async def _start(broker: PartitionReader) -> dict[Partition, int]:
    positions: dict[Partition, int] = {}
    for topic in (SUBJECT_RECEIPTS.name, SUBJECT_REGISTERED.name):
        partitions = await broker.partitions(topic)
        first = await broker.beginning_offsets(partitions)
        last = await broker.end_offsets(partitions)
        positions |= {one: max(first[one], last[one] - BACKLOG) for one in partitions}
    return positions
