"""How fast an auditor builds all projections from the log's files and compares them."""

import time
from collections.abc import Sequence
from pathlib import Path

from consumers.audit.replay import Asked, replay
from infra.kafka import reader
from infra.settings import Settings
from projections.shells import Projection
from streams.notary import leaf
from streams.notary.directory import LogDirectory
from streams.notary.notes import Checkpoint
from streams.notary.writer import LogWriter

ORIGIN = "bench.example/log"


async def written(settings: Settings, folder: Path, topics: Sequence[str]) -> Checkpoint:
    """A log in `folder` of everything that these topics hold.

    Raises:
        BrokerUnavailable, LogUnavailable: it is not whole.
    """
    writer = LogWriter(LogDirectory(folder), None)
    async with reader(settings) as source:
        ends = await source.end_offsets(await source.assign_all(*topics))
        while any(at < ends[one] for one, at in (await source.positions()).items()):
            for records in (await source.poll(max_records=8_192)).values():
                writer.append([leaf.encode(one) for one in records])
                writer.published()
    return Checkpoint(ORIGIN, writer.size, writer.root)


async def measure_replay(
    settings: Settings, folder: Path, checkpoint: Checkpoint, projections: Sequence[Projection]
) -> float:
    """Leaves a second, from opening the database until everything is compared.

    Raises:
        AssertionError: the log does not become what is live.
    """
    started = time.perf_counter()
    found = await replay(
        settings, LogDirectory(folder).read, checkpoint, projections, asked=Asked()
    )
    spent = time.perf_counter() - started
    if not (found.holds and found.complete and len(found.replayed) == len(projections)):
        raise AssertionError("the log does not become what is live")
    return checkpoint.size / spent
