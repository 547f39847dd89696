"""How far a stage is behind, asked of the broker: what was fetched says nothing of a stall.

A partition that has more to answer and answers nothing is told to whoever can end the process.
"""

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


class Watchdog:
    """Notices a partition that stands still while its topic has more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moved: dict[int, tuple[int, float]] = {}

    def stalled(self, partition: int, position: int, end: int, now: float) -> bool:
        """Whether the partition has not moved for too long; `now` in seconds of any clock."""
        known = self._moved.get(partition)
        if known is None or known[0] != position or position >= end:
            self._moved[partition] = (position, now)
            return False
        return now - known[1] > self._seconds

    def forget(self, partition: int) -> None:
        """The partition is not ours, or is known to wait: its time starts anew."""
        self._moved.pop(partition, None)


class Lag:
    """The gauge of one stage; a partition that fails keeps the last position it had.

    `stalled` is told each partition that `watchdog` found, unless `excused` says that it waits for
    something outside, which it reports itself.
    """

    def __init__(
        self,
        stage: str,
        topic: str,
        held: Held,
        *,
        watchdog: Watchdog,
        excused: Callable[[int], bool],
        stalled: Callable[[int], None],
    ) -> None:
        self._watchdog = watchdog
        self._excused = excused
        self._stalled = stalled
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
            self._watchdog.forget(number)
            metrics.LAG.remove(self._stage, str(number))
        self._known |= {number: at for number, at in held.items() if at is not None}
        if not self._known:
            return
        ends = await reading.end_offsets(Partition(self._topic, number) for number in self._known)
        for one, end in ends.items():
            lag = max(0, end - self._known[one.partition])
            metrics.LAG.labels(self._stage, str(one.partition)).set(lag)
            self._watch(one.partition, end)

    def _watch(self, partition: int, end: int) -> None:
        if self._excused(partition):
            self._watchdog.forget(partition)
            return
        now = asyncio.get_running_loop().time()
        if self._watchdog.stalled(partition, self._known[partition], end, now):
            self._stalled(partition)
