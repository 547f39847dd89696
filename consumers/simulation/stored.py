"""What the simulated year left in the projections' tables and among the registered facts."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from consumers.simulation.plan import Effect, Plan
from infra.errors import InfrastructureError
from infra.kafka import Partition, reader
from infra.postgres import pool
from infra.settings import Settings
from projections.positions import PositionTimeout, PositionWaiter
from schemas.topics import DISPENSATION_RECORDED, SUBJECT_REGISTERED

FOLLOWED: Final = (
    ("history", DISPENSATION_RECORDED.name),
    ("access_state", SUBJECT_REGISTERED.name),
)
"""Projections and what they fold."""
_ROWS: Final = """
SELECT status, superseded_position IS NULL AND status <> 'revoked' AS stands, count(*)
FROM history_v1.dispensation GROUP BY 1, 2
"""
STANDING: Final = "standing"


async def await_projected(settings: Settings, limit_seconds: float = 60.0) -> None:
    """Returns once the projections have applied everything that is committed now.

    Raises:
        InfrastructureError: one has not after `limit_seconds`, or a server does not answer.
    """
    async with (
        reader(settings) as log,
        pool(settings.dsn, maximum=2) as connections,
        PositionWaiter(settings.dsn, connections) as waiter,
    ):
        try:
            for projection, topic in FOLLOWED:
                ends = await log.end_offsets(await log.partitions(topic))
                for one, end in ends.items():
                    await waiter.wait(projection, topic, one.partition, end, limit_seconds)
        except PositionTimeout as error:
            raise InfrastructureError(str(error)) from None


async def stored_rows(settings: Settings) -> Counter[str]:
    """Versions in `history` by status, and under `STANDING` the lines that a reader may see."""
    counts: Counter[str] = Counter()
    async with pool(settings.dsn, maximum=1) as connections, connections.connection() as connection:
        for status, stands, count in await (await connection.execute(_ROWS)).fetchall():
            counts[status] += count
            counts[STANDING] += count if stands else 0
    return counts


def expected_rows(plan: Plan) -> dict[str, int]:
    """What a plan adds to `stored_rows`."""
    counts: Counter[str] = Counter()
    last: dict[tuple[str, str], Effect] = {}
    for one in plan.submissions():
        for effect in one.effects:
            counts[effect.status] += 1
            last[(one.sender, effect.dguid)] = effect
    counts[STANDING] = sum(effect.status != "revoked" for effect in last.values())
    return dict(counts)


async def registered_facts(settings: Settings, start: Mapping[Partition, int]) -> Counter[str]:
    """Facts of `dpp.subject.registered` since `start`, by the id that each must have alone."""
    found: Counter[str] = Counter()
    async with reader(settings) as log:
        await log.assign_all(SUBJECT_REGISTERED.name, start=start)
        ends = await log.end_offsets(log.assigned)
        while any(place < ends[one] for one, place in (await log.positions()).items()):
            for records in (await log.poll()).values():
                found.update(dict(record.headers)["ce_id"].decode() for record in records)
    return found
