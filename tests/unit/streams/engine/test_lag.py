"""The lag of a stage: from the position to the broker's end, partition by partition."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import REGISTRY

from infra.kafka import Partition
from streams.engine.lag import Lag


class _Ends:
    """A broker on which every partition ends at 10."""

    async def end_offsets(self, wanted: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(wanted, 10)


async def _measured(lag: Lag, *numbers: int) -> list[float | None]:
    reading: Any = _Ends()
    await lag.measure(reading)
    return [
        REGISTRY.get_sample_value("dpp_stage_lag", {"stage": "lagging", "partition": str(number)})
        for number in numbers
    ]


async def test_lag_is_what_is_not_answered_and_stays_known_while_a_partition_fails() -> None:
    held: dict[int, int | None] = {}
    lag = Lag("lagging", "lagging.submitted", lambda: held)
    assert await _measured(lag, 0, 1) == [None, None]
    held |= {0: 4, 1: None}
    assert await _measured(lag, 0, 1) == [6, None]
    held |= {0: None, 1: 10}
    assert await _measured(lag, 0, 1) == [6, 0]
    held.clear()
    held |= {1: 11}
    assert await _measured(lag, 0, 1) == [None, 0]
    held.clear()
    assert await _measured(lag, 0, 1) == [None, None]
