"""Reads a second and their latency, with the question for the log's end shared or asked each time.

One API process answers 50 doctors who read all the time, or so many times a second, while facts are
published and followed by the projections as in production. Readers, API and projections are
processes of their own; everything shares the machine's processors.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from consumers.api.ports import ApiSettings
from consumers.api.tokens_dev import DevIssuer, TokenRequest
from consumers.bench.api import steps, world
from consumers.bench.api.load import Load, Reader, read_elsewhere
from consumers.bench.api.server import EACH, SHARED
from consumers.bench.api.world import Size, World
from consumers.bench.benches import Run
from consumers.bench.processor import processor_seconds
from consumers.bench.result import Findings
from infra.embedded.processes import POLL_SECONDS, free_ports, spawn, stopping, tail
from infra.errors import InfrastructureError

SECONDS: Final = 8.0
WARM_UP: Final = 2.0
PUBLISHED_PER_SECOND: Final = 500
READS_GOAL: Final = 300
PACES: Final = (100, READS_GOAL)
"""Reads that are due in a second, where readers do not simply ask on."""
P99_GOAL: Final = 60.0
READY_SECONDS: Final = 120.0
_BEAT: Final = 0.02
_STOP: Final = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


def measure(run: Run) -> Findings:
    """All rounds at full size, or at the size asked for.

    Raises:
        InfrastructureError: a server or process did not start, or a read was refused.
    """
    size = Size() if run.rows is None else Size.of(run.rows)
    return asyncio.run(measure_api(run, size, run.seconds or SECONDS))


async def measure_api(run: Run, size: Size, seconds: float) -> Findings:
    """Rounds of so many seconds for each way of asking."""
    findings = Findings()
    async with world.opened(run.folder / "servers", size, run.progress) as made:
        async with projections_running(made):
            for number in range(run.rounds):
                run.progress("rounds", number, run.rounds)
                # In turn, the other one first each time, so that neither has the warmer servers.
                for how in (SHARED, EACH) if number % 2 == 0 else (EACH, SHARED):
                    await _round(made, how, seconds, findings)
        run.progress("rounds", run.rounds, run.rounds)
    findings.ratio("shared_vs_each", "reads", "reads_each")
    findings.at_least("reads_per_second", READS_GOAL, findings.median("reads"))
    findings.at_most("p99_ms", P99_GOAL, findings.median("p99"))
    paced = f"p99_at_{READS_GOAL}"
    findings.at_most(f"{paced}_ms", P99_GOAL, findings.median(paced))
    return findings


async def _round(made: World, how: str, seconds: float, findings: Findings) -> None:
    async with api_running(made, how) as pid, _publishing(made):
        api = _Api(made, pid, findings)
        await read_elsewhere(api.load(WARM_UP))
        await api.measured("" if how == SHARED else f"_{how}", api.load(seconds))
        for pace in PACES if how == SHARED else ():
            await api.measured(f"_at_{pace}", api.load(seconds, pace))


@dataclass(frozen=True, slots=True)
class _Api:
    """An API process that is measured."""

    made: World
    pid: int
    findings: Findings

    def load(self, seconds: float, pace: float | None = None) -> Load:
        settings = self.made.settings
        return Load(
            host=settings.api_host,
            port=settings.api_port,
            readers=tuple(readers(self.made)),
            seconds=seconds,
            per_second=pace,
        )

    async def measured(self, suffix: str, load: Load) -> None:
        before, used = await _steps(self.made), processor_seconds(self.pid)
        answers = await read_elsewhere(load)
        after, used_then = await _steps(self.made), processor_seconds(self.pid)
        self.findings.sample(f"reads{suffix}", "reads/s", answers.rate)
        for name, share in _QUANTILES.items():
            self.findings.sample(f"{name}{suffix}", "ms", answers.quantile(share))
        if used is not None and used_then is not None:
            cpu = 1000 * (used_then - used) / len(answers.seconds)
            self.findings.sample(f"cpu{suffix}", "ms/read", cpu)
        for step, histogram in sorted(after.items()):
            taken = histogram.since(before.get(step))
            for name, share in _QUANTILES.items():
                self.findings.sample(f"{step}_{name}{suffix}", "ms", taken.quantile(share))


def readers(made: World) -> Sequence[Reader]:
    """The doctors, each with a token and their patients."""
    issuer = DevIssuer.open(made.settings.data / "keys", ApiSettings().audience)
    now = datetime.now(UTC)
    return [
        Reader(
            token=issuer.issue(
                TokenRequest(role="caregiver", nihdi=one.nihdi, profession="physician"), now
            ),
            patients=one.patients,
        )
        for one in made.doctors
    ]


async def _steps(made: World) -> Mapping[str, steps.Histogram]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(
            f"http://{made.settings.api_host}:{made.settings.api_port}/metrics"
        )
    return steps.parse(answer.raise_for_status().text)


@asynccontextmanager
async def _publishing(made: World) -> AsyncIterator[None]:
    """Facts at their rate, from now until the end."""

    async def publish() -> None:
        began, sent = time.perf_counter(), 0
        while True:
            due = int((time.perf_counter() - began) * PUBLISHED_PER_SECOND)
            await made.facts.publish(made.sender, due - sent)
            sent = due
            await asyncio.sleep(_BEAT)

    publishing = asyncio.create_task(publish())
    try:
        yield
    finally:
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing


@asynccontextmanager
async def projections_running(made: World) -> AsyncIterator[None]:
    """The projections, in a process as production runs them."""
    (port,) = free_ports(1)
    environment = {**made.settings.environment(), "DPP_METRICS_PORT": str(port)}
    arguments = ["consumers.cli.main", "run", "projections"]
    async with _process(made.settings.data, "projections", arguments, environment, port):
        yield


@asynccontextmanager
async def api_running(made: World, how: str) -> AsyncIterator[int]:
    """The API in a process of its own, whose id this gives; `how` it asks for the log's end."""
    arguments = ["consumers.bench.api.server", how]
    environment, port = made.settings.environment(), made.settings.api_port
    async with _process(made.settings.data, "api", arguments, environment, port) as process:
        yield process.pid


@asynccontextmanager
async def _process(
    folder: Path, name: str, arguments: Sequence[str], environment: Mapping[str, str], port: int
) -> "AsyncIterator[subprocess.Popen[bytes]]":
    """A process that is ready to work, ended when the block is.

    Raises:
        InfrastructureError: it ended, or is not ready in time; the text quotes its log.
    """
    log = folder / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        process = spawn(
            [sys.executable, "-m", *arguments],
            folder=folder,
            output=output,
            at_parents_death=signal.SIGKILL,
            environment={**os.environ, **environment},
        )
    try:
        await _ready(process, log, f"http://127.0.0.1:{port}/readyz")
        yield process
    finally:
        for _ in stopping(process, _STOP):
            await asyncio.sleep(POLL_SECONDS)


async def _ready(process: "subprocess.Popen[bytes]", log: Path, url: str) -> None:
    until = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(timeout=2.0) as client:
        while True:
            with suppress(httpx.HTTPError):
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            if process.poll() is not None or time.monotonic() > until:
                raise InfrastructureError(f"{log.stem} is not ready: {tail(log)}")
            await asyncio.sleep(POLL_SECONDS)
