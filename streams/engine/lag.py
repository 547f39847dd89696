"""How far a stage is behind, asked of the broker: what was fetched says nothing of a stall."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from infra.errors import InfrastructureError
from infra.kafka import Partition, PartitionReader, reader
from infra.settings import Settings
from streams.engine import metrics

log = logging.getLogger(__name__)

LAG_SECONDS: Final = 5.0

Held = Callable[[], Mapping[int, int | None]]
"""The next offset of every partition held; None while it is not restored."""


class Lag:
    """The gauge of one stage; a partition that fails keeps the last position it had."""

    def __init__(self, stage: str, topic: str, held: Held) -> None:
        self._stage = stage
        self._topic = topic
        self._held = held
        self._known: dict[int, int] = {}

    async def follow(self, settings: Settings) -> None:
        """Measures every `LAG_SECONDS` until cancelled; a broker that is away is asked again."""
        while True:
            try:
                async with reader(settings) as reading:
                    while True:
                        await self.measure(reading)
                        await asyncio.sleep(LAG_SECONDS)
            except InfrastructureError as error:
                log.info("the lag of %s is not known: %s", self._stage, error)
                await asyncio.sleep(LAG_SECONDS)

    async def measure(self, reading: PartitionReader) -> None:
        """Sets the gauge of every partition held, and takes back those of all others.

        Raises:
            InfrastructureError: the broker does not answer.
        """
        held = self._held()
        for number in self._known.keys() - held.keys():
            del self._known[number]
            metrics.LAG.remove(self._stage, str(number))
        self._known |= {number: at for number, at in held.items() if at is not None}
        if not self._known:
            return
        ends = await reading.end_offsets(Partition(self._topic, number) for number in self._known)
        for one, end in ends.items():
            lag = max(0, end - self._known[one.partition])
            metrics.LAG.labels(self._stage, str(one.partition)).set(lag)
