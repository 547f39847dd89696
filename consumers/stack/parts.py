"""Each part as a child process: started, watched, started again, stopped."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from infra.embedded.processes import POLL_SECONDS, spawn, stopping, tail

PARTS: Final = ("quality", "subject", "projections", "notary", "notices", "keeper", "api")
_STOP: Final = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


@dataclass
class Part:
    """One part and its process."""

    name: str
    port: int
    environment: dict[str, str] = field(repr=False)
    folder: Path
    command: tuple[str, ...] = ()
    """Arguments of `dpp`, if they are others than `run NAME`."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / "logs" / f"{self.name}.log"

    @property
    def ready_url(self) -> str:
        """Its readiness endpoint."""
        return f"http://127.0.0.1:{self.port}/readyz"

    @property
    def last_words(self) -> str:
        """The last line of its log: why it ended, if it could tell."""
        return tail(self.log, 1).removeprefix("dpp: ")

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts the process; call it from the main thread, with which it ends."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = self._spawn(output)
        self.starts += 1

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return spawn(
            [sys.executable, "-m", "consumers.cli.main", *(self.command or ("run", self.name))],
            folder=self.folder,
            output=output,
            at_parents_death=signal.SIGTERM,
            environment={**os.environ, **self.environment},
        )

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process, if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def request_stop(self) -> None:
        """Asks the process to end."""
        self.send(signal.SIGTERM)

    async def stopped(self) -> None:
        """Waits until the process has ended, and ends it after a while."""
        if self.process is not None:
            for _ in stopping(self.process, _STOP):
                await asyncio.sleep(POLL_SECONDS)
