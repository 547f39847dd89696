"""The lag of a stage: from the position to the broker's end, partition by partition."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from infra.kafka import Partition
from streams.engine import metrics
from streams.engine.lag import Lag, Watchdog


@pytest.fixture(autouse=True)
def unmeasured() -> None:
    metrics.LAG.clear()


class _Ends:
    """A broker on which every partition ends at 10."""

    async def end_offsets(self, wanted: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(wanted, 10)


def _lag(
    held: dict[int, int | None],
    *,
    seconds: float = 60,
    excused: Callable[[int], bool] = lambda _number: False,
    stalled: Callable[[int], None] = lambda _number: None,
) -> Lag:
    return Lag(
        "lagging",
        "lagging.submitted",
        lambda: held,
        watchdog=Watchdog(seconds),
        excused=excused,
        stalled=stalled,
    )


async def _measured(lag: Lag, *numbers: int) -> list[float | None]:
    reading: Any = _Ends()
    await lag.measure(reading)
    return [
        REGISTRY.get_sample_value("dpp_stage_lag", {"stage": "lagging", "partition": str(number)})
        for number in numbers
    ]


async def test_lag_is_what_is_not_answered_and_stays_known_while_a_partition_fails() -> None:
    held: dict[int, int | None] = {}
    lag = _lag(held)
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


@pytest.mark.parametrize(
    ("looks", "found"),
    [
        ([(4, 10, 0), (4, 10, 59), (4, 10, 61)], [False, False, True]),
        ([(4, 10, 0), (5, 10, 59), (5, 10, 61)], [False, False, False]),
        ([(10, 10, 0), (10, 10, 99), (10, 11, 100), (10, 11, 161)], [False, False, False, True]),
        ([(4, 10, 0), (3, 10, 59), (3, 10, 61)], [False, False, False]),
    ],
    ids=["stands still", "moves", "has nothing to do, then stands still", "starts over"],
)
def test_only_a_partition_that_has_more_and_does_not_move_is_stalled(
    looks: list[tuple[int, int, float]], found: list[bool]
) -> None:
    watchdog = Watchdog(60)
    assert [watchdog.stalled(0, *look) for look in looks] == found


async def test_a_stalled_partition_is_told_and_one_that_reports_trouble_itself_is_not() -> None:
    told: list[int] = []
    lag = _lag({0: 4, 1: 4, 2: 10}, seconds=0, excused=lambda n: n == 1, stalled=told.append)
    await _measured(lag)
    await _measured(lag)
    assert told == [0]


async def test_a_partition_that_went_away_and_came_back_is_given_its_time_again() -> None:
    told: list[int] = []
    held: dict[int, int | None] = {0: 4}
    lag = _lag(held, seconds=0, stalled=told.append)
    await _measured(lag)
    held.clear()
    await _measured(lag)
    held[0] = 4
    await _measured(lag)
    assert told == []
