"""How soon a fact can be read: from the moment it is sent until its position is told of."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from consumers.bench.projecting.log import PARTITIONS, Sent, send
from infra.kafka import Ack, producer
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.health import ProjectionHealth
from projections.runner import run_projections
from projections.shells import History
from projections.store import CHANNEL

RATE: Final = 1_000
"""Facts a second."""
TICK_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 60.0
_PERCENTS: Final = 100


async def measure_visible(
    settings: Settings, history: History, facts: Sequence[Sent]
) -> tuple[float, float]:
    """Milliseconds until a fact is committed and told, for half and for 99 of 100 of them.

    Facts are sent at `RATE` to an empty topic that the projection follows already.
    """
    stop, health = asyncio.Event(), ProjectionHealth()
    running = asyncio.create_task(
        run_projections(settings, stop=stop, projections=[history], health=health)
    )
    await health.until(history.name, "running")
    waiting: list[deque[tuple[int, float]]] = [deque() for _ in range(PARTITIONS)]
    seconds: list[float] = []
    async with connect(settings.dsn, autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        hearing = asyncio.create_task(_hear(connection, waiting, seconds, len(facts)))
        async with producer(settings, linger_ms=0) as sender:
            begun = time.perf_counter()
            acks = []
            for number, one in enumerate(facts):
                if number % round(RATE * TICK_SECONDS) == 0:
                    await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
                sent = time.perf_counter()
                acks.append(asyncio.create_task(_place(await send(sender, one), sent, waiting)))
            await asyncio.gather(*acks)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await hearing
    stop.set()
    await running
    cuts = statistics.quantiles(seconds, n=_PERCENTS)
    return 1000 * cuts[_PERCENTS // 2 - 1], 1000 * cuts[-1]


async def _place(
    acknowledged: "asyncio.Future[Ack]", sent: float, waiting: Sequence[deque[tuple[int, float]]]
) -> None:
    ack = await acknowledged
    waiting[ack.partition].append((ack.offset, sent))


async def _hear(
    connection: Connection,
    waiting: Sequence[deque[tuple[int, float]]],
    seconds: list[float],
    wanted: int,
) -> None:
    """Notes when each fact was told of; a fact may be, before its publisher hears of it."""
    reached = [0] * PARTITIONS
    told_at: list[deque[tuple[int, float]]] = [deque() for _ in range(PARTITIONS)]
    while len(seconds) < wanted:
        async for notice in connection.notifies(timeout=TICK_SECONDS, stop_after=1):
            now = time.perf_counter()
            for step in notice.payload.split()[2:]:
                partition, position = map(int, step.split(":"))
                reached[partition] = position
                told_at[partition].append((position, now))
        for partition, facts in enumerate(waiting):
            while facts and facts[0][0] < reached[partition]:
                offset, sent = facts.popleft()
                while told_at[partition][0][0] <= offset:
                    told_at[partition].popleft()
                seconds.append(told_at[partition][0][1] - sent)
