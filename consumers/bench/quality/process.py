"""Starts the process of a contender, and ends it, whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumers.bench.quality.contender import Job, Report
from consumers.bench.quality.counting import NotAnswered
from consumers.bench.quality.stage import Work
from consumers.bench.quality.world import World
from infra.embedded.processes import POLL_SECONDS, spawn, stopping, tail

_STOP: Final = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True)
class Contending:
    """A contender at work in `folder`."""

    contender: str
    folder: Path
    process: subprocess.Popen[bytes]

    def require_running(self) -> None:
        """Checks that it lives.

        Raises:
            NotAnswered: it ended; the text quotes its log.
        """
        if self.process.poll() is not None:
            raise NotAnswered(f"{self.contender} ended: {tail(self.folder / 'log')}")

    def report(self) -> Report:
        """What it used; there once it has ended.

        Raises:
            NotAnswered: it did not end in order.
        """
        file = self.folder / "report.json"
        if not file.exists():
            raise NotAnswered(f"{self.contender} did not end in order: {tail(self.folder / 'log')}")
        return Report.model_validate_json(file.read_bytes())


@asynccontextmanager
async def running(
    world: World,
    contender: str,
    name: str,
    instance: int = 0,
    gate: Path | None = None,
    *,
    work: Work = "quality",
) -> AsyncIterator[Contending]:
    """A contender under a name, told to end when the block does.

    Instances of one name share its topics and its consumer group, and may wait at a `gate`.
    """
    folder = world.folder / "contenders" / f"{name}.{instance}"
    folder.mkdir(parents=True)
    job = Job(
        contender=contender,
        name=name,
        seed=world.seed.hex(),
        partitions=world.partitions,
        count=world.count,
        report=folder / "report.json",
        gate=gate,
        work=work,
    )
    file = folder / "job.json"
    file.write_text(job.model_dump_json(), "utf-8")
    own = world.settings.model_copy(update={"data": folder})
    with (folder / "log").open("wb") as log:
        process = spawn(
            [sys.executable, "-m", "consumers.bench.quality.contender", str(file)],
            folder=folder,
            output=log,
            at_parents_death=signal.SIGKILL,
            environment={**os.environ, **own.environment()},
        )
    try:
        yield Contending(contender, folder, process)
        for _ in stopping(process, _STOP):
            await asyncio.sleep(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
