"""Named points of a stage's work at which its process kills itself, as kill -9 does.

The seams of the engine are wrapped here, in the process under test; the engine knows none of it.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from projections import store
from projections.follower import Follower
from streams.engine import restore
from streams.engine.producer import PartitionWriter
from streams.engine.transport import BatchConsumer

ARM: Final = signal.SIGUSR1
Reached = Callable[[], None]


def die_at(install: Callable[[Reached], None], passage: int, *, armed: bool) -> None:
    """Kills this process when it passes a point for the `passage`th time, counted from 1.

    Unless it is `armed`, counting begins with the signal `ARM`.
    """
    left = passage

    def arm(*_: object) -> None:
        nonlocal armed
        armed = True

    def reached() -> None:
        nonlocal left
        left -= armed
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    signal.signal(ARM, arm)
    install(reached)


def _after_poll(reached: Reached) -> None:
    """A batch was fetched, and nothing of it was looked at."""
    intact = BatchConsumer._to_batch

    def to_batch(consumer: BatchConsumer, *given: Any) -> Any:
        reached()
        return intact(consumer, *given)

    replace_seam(BatchConsumer, "_to_batch", to_batch)


def _after_decide(reached: Reached) -> None:
    """Outputs are decided and folded into the state; none was sent."""
    intact = PartitionWriter.write

    async def write(writer: PartitionWriter, *given: Any) -> Any:
        reached()
        return await intact(writer, *given)

    replace_seam(PartitionWriter, "write", write)


def inside(reached: Reached) -> None:
    """All outputs are in the broker's log; their transaction is open."""
    intact: Callable[..., Awaitable[None]] = AIOKafkaProducer.commit_transaction

    async def commit_transaction(client: Any) -> None:
        await client.flush()
        reached()
        await intact(client)

    replace_seam(AIOKafkaProducer, "commit_transaction", commit_transaction)


def _after_commit(reached: Reached) -> None:
    """The outputs are committed; the group offset is not, nor is anything on the worker's disk."""
    intact = PartitionWriter.write

    async def write(writer: PartitionWriter, *given: Any) -> Any:
        written = await intact(writer, *given)
        reached()
        return written

    replace_seam(PartitionWriter, "write", write)


def _during_restore(reached: Reached) -> None:
    """The partition is fenced, and part of its outputs are read back."""
    intact = restore.Merge.add

    def add(merge: restore.Merge, *given: Any) -> None:
        reached()
        intact(merge, *given)

    replace_seam(restore.Merge, "add", add)


def _before_commit(reached: Reached) -> None:
    """Rows are written and positions moved; their transaction is open."""
    intact = store._set_aside

    async def set_aside(*given: Any) -> None:
        reached()
        await intact(*given)

    replace_seam(store, "_set_aside", set_aside)


def _after_projected(reached: Reached) -> None:
    """Rows and positions are committed; nothing else knows of it."""
    intact = Follower._committed

    def committed(follower: Follower, *given: Any) -> None:
        reached()
        intact(follower, *given)

    replace_seam(Follower, "_committed", committed)


def replace_seam(owner: Any, name: str, wrapped: object) -> None:
    """Puts `wrapped` in the place of a seam; fails where it is gone, instead of never passing."""
    getattr(owner, name)
    setattr(owner, name, wrapped)


POINTS: Final[dict[str, Callable[[Reached], None]]] = {
    "after poll": _after_poll,
    "after decide": _after_decide,
    "inside the transaction": inside,
    "after its commit": _after_commit,
    "during restore": _during_restore,
}
PROJECTION_POINTS: Final[dict[str, Callable[[Reached], None]]] = {
    "before COMMIT": _before_commit,
    "after COMMIT": _after_projected,
}
