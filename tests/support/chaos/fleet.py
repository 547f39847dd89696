"""The processes of a stage under test, started again when they end, as in production."""

import asyncio
import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.settings import Settings
from streams.engine.failure import EXIT_CODE
from tests.support.chaos.worker import NO_SERVER
from tests.support.engine_world import ROOT
from tests.support.signals import send

WAIT_SECONDS: Final = 90.0
"""Of one wait, far above what it takes: a busy machine must not fail a run."""
RESTART_SECONDS: Final = 0.2
_READY: Final = b" restored "
_EXPECTED: Final = (0, EXIT_CODE, NO_SERVER, -signal.SIGKILL)
_STOPPED: Final = (*_EXPECTED, -signal.SIGTERM)
"""In order, on the way to a restart anyhow, or before it could listen to signals."""


class WorkerBroke(AssertionError):
    """A worker ended in a way that nothing done to it explains; the text ends with its log."""


@dataclass
class Worker:
    """One process; `restored` is set once it holds a partition."""

    process: asyncio.subprocess.Process
    log: Path
    restored: asyncio.Event = field(default_factory=asyncio.Event)
    following: asyncio.Task[None] | None = None
    ended_at: float = 0.0

    async def follow(self) -> None:
        """Keeps what it says, until it ends."""
        assert self.process.stdout is not None
        with self.log.open("ab") as log:
            async for line in self.process.stdout:
                log.write(line)
                log.flush()
                if _READY in line:
                    self.restored.set()
        await self.process.wait()
        self.ended_at = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it lives."""
        send(self.process, number)

    @property
    def killed(self) -> bool:
        """It ended by SIGKILL, its own or the suite's."""
        return self.process.returncode == -signal.SIGKILL

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text("utf-8", "replace")[-3_000:]


class Fleet:
    """Workers of one stage in numbered slots; each slot keeps its data folder."""

    def __init__(self, settings: Settings, stage: str) -> None:
        self._settings = settings
        self._stage = stage
        self._folder = settings.data / "workers" / f"{stage}-{uuid.uuid4().hex[:6]}"
        self._slots: dict[int, asyncio.Task[None]] = {}
        self._stopping: set[int] = set()
        self.workers: dict[int, Worker] = {}
        self.arguments: dict[int, list[str]] = {}
        """What the starts of a slot get besides the stage's name; `--armed` the next one only."""
        self.restarts = 0

    async def start(self, slot: int, *arguments: str) -> None:
        """Starts a slot, and keeps it running until it is stopped."""
        self.arguments[slot] = list(arguments)
        self._stopping.discard(slot)
        await self._spawn(slot)
        self._slots[slot] = asyncio.create_task(self._supervise(slot))

    async def holding(self, *slots: int) -> None:
        """Returns when each of these has restored a partition.

        Raises:
            TimeoutError: one has not, after `WAIT_SECONDS`.
            WorkerBroke: one ended that nobody hurt.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            for slot in slots:
                while not self.workers[slot].restored.is_set():
                    self.check()
                    await asyncio.sleep(0.02)

    async def ended(self, at: Worker) -> float:
        """Waits until a worker has ended, and tells when that was (monotonic).

        Raises:
            TimeoutError: it goes on, after `WAIT_SECONDS`.
            WorkerBroke: nothing that was done to it explains the end.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while at.ended_at == 0.0:
                self.check()
                await asyncio.sleep(0.01)
        return at.ended_at

    async def replaced(self, slot: int, hit: Worker) -> None:
        """Returns when another process has taken the place of a worker.

        Raises:
            TimeoutError: none has, after `WAIT_SECONDS`.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while self.workers[slot] is hit:
                self.check()
                await asyncio.sleep(0.01)

    async def stop(self, *slots: int) -> None:
        """SIGTERM, and each has to leave in order.

        Raises:
            WorkerBroke: one did not, or goes on after `WAIT_SECONDS`.
        """
        self._stopping |= set(slots)
        for slot in slots:
            self.workers[slot].send(signal.SIGTERM)
        await asyncio.wait([self._slots[slot] for slot in slots], timeout=WAIT_SECONDS)
        for slot in slots:
            worker = self.workers[slot]
            if not self._slots[slot].done():
                raise WorkerBroke(f"{self._stage}/{slot} does not stop: {worker.last_words}")
            self._slots.pop(slot).result()
            del self.workers[slot]
            if (code := worker.process.returncode) not in _STOPPED:
                raise WorkerBroke(
                    f"{self._stage}/{slot} did not stop but ended with {code}: {worker.last_words}"
                )

    async def close(self) -> None:
        """Ends everything at once, whatever state it is in."""
        for task in self._slots.values():
            task.cancel()
        await asyncio.gather(*self._slots.values(), return_exceptions=True)
        for worker in self.workers.values():
            worker.send(signal.SIGKILL)
            worker.send(signal.SIGCONT)
            if worker.following is not None:
                await worker.following
        self._slots.clear()
        self.workers.clear()

    def check(self) -> None:
        """Raises `WorkerBroke` if a slot was given up."""
        for task in self._slots.values():
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    def forget(self, slot: int) -> None:
        """The disk of a slot is lost: its next start finds an empty folder."""
        self._data(slot).rename(self._folder / f"lost-{uuid.uuid4().hex[:6]}")

    def _data(self, slot: int) -> Path:
        folder = self._folder / f"worker-{slot}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _spawn(self, slot: int) -> None:
        data = self._data(slot)
        arguments = self.arguments[slot]
        # A worker that ends by itself on the way, fenced perhaps, comes back with its point.
        self.arguments[slot] = [one for one in arguments if one != "--armed"]
        settings = self._settings.model_copy(update={"data": data, "metrics_port": 0})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.chaos.worker", self._stage, *arguments),
            env={**os.environ, **settings.environment()},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        worker = Worker(process, self._folder / f"worker-{slot}.log")
        worker.following = asyncio.create_task(worker.follow())
        self.workers[slot] = worker

    async def _supervise(self, slot: int) -> None:
        while True:
            worker = self.workers[slot]
            assert worker.following is not None
            await asyncio.shield(worker.following)
            if slot in self._stopping:
                return
            if worker.process.returncode not in _EXPECTED:
                raise WorkerBroke(
                    f"{self._stage}/{slot} ended with {worker.process.returncode}: "
                    f"{worker.last_words}"
                )
            await asyncio.sleep(RESTART_SECONDS)
            if slot in self._stopping:
                return
            self.restarts += 1
            await self._spawn(slot)
            if slot in self._stopping:
                # Whoever told the slot to stop meanwhile told the one that had ended.
                self.workers[slot].send(signal.SIGTERM)
