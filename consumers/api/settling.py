"""What a read waits for before it is decided, and what the decision rests on."""

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from consumers.api import metrics
from consumers.api.ports import Dependencies, PositionTimeout
from consumers.api.problems import unavailable
from infra.waiting import together
from projections.access import AccessFacts
from schemas.audit import PositionUsed
from schemas.policy import AccessPolicy, PolicyVersion
from schemas.topics import SUBJECT_REGISTERED

ACCESS_STATE: Final = "access_state"


class step:  # noqa: N801 - used like a function; as a generator it takes thrice the time
    """Times one step of a read."""

    __slots__ = ("_name", "_started")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Begins it."""
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        """Ends it, however that comes."""
        metrics.step_seconds(self._name).observe(time.monotonic() - self._started)


async def settle(deps: Dependencies, subjects: Collection[str] | None) -> tuple[PositionUsed, ...]:
    """Waits until `access_state` holds every registration acknowledged before this call.

    `subjects` None means all partitions, which reads by holder need.

    Raises:
        Problem: 503, it did not get there in time. What is stale is never shown.
    """
    topic = SUBJECT_REGISTERED.name
    partitions: Collection[int] = (
        deps.log.partitions(topic)
        if subjects is None
        else {deps.log.partition_of(topic, subject.encode()) for subject in subjects}
    )
    with step("position_wait"):
        reached = await caught_up(deps, ACCESS_STATE, topic, partitions)
    return tuple(
        PositionUsed(projection=ACCESS_STATE, topic=topic, partition=one, position=position)
        for one, position in reached.items()
    )


async def caught_up(
    deps: Dependencies, projection: str, topic: str, partitions: Collection[int]
) -> dict[int, int]:
    """Waits until a projection holds everything appended before this call; where it is then.

    Raises:
        Problem: 503, it did not get there in time.
    """
    limit = deps.settings.position_timeout
    try:
        async with asyncio.timeout(limit):
            ends = await deps.log.stable_ends(topic, partitions)
        wanted = sorted(ends)
        applied = await together(
            [deps.positions.wait(projection, topic, one, ends[one], limit) for one in wanted]
        )
    except (PositionTimeout, TimeoutError):
        raise unavailable("position-timeout") from None
    return dict(zip(wanted, applied, strict=True))


async def known(
    deps: Dependencies, subject: str, settled: Sequence[PositionUsed], at: datetime
) -> tuple[Sequence[PositionUsed], AccessFacts]:
    """What a decision about a subject rests on, as of the positions that go into its record.

    Of a person with several numbers every partition concerned is waited for.

    Raises:
        Problem: 503, `access_state` did not get there in time.
    """
    topic = SUBJECT_REGISTERED.name
    while True:
        as_of = {one.partition: one.position for one in settled}
        facts = await deps.store.access_facts(subject=subject, at=at, as_of=as_of)
        needed = {deps.log.partition_of(topic, one.encode()) for one in facts.person}
        if needed <= as_of.keys():
            return settled, facts
        settled = await settle(deps, {subject, *facts.person})


def access_policy(deps: Dependencies, now: datetime) -> tuple[PolicyVersion, AccessPolicy]:
    """The access policy in force at `now`.

    Raises:
        Problem: 503, the tables hold none.
    """
    version = deps.tables.policy("access", now)
    if not isinstance(version.data, AccessPolicy):
        raise unavailable("unavailable")
    return version, version.data
