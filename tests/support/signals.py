"""Signals to processes that may end at any moment."""

import asyncio
import contextlib
import os
import signal


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Sends a signal, if the process lives.

    `Process.send_signal` asks first whether it has ended, and takes the exit code away from the
    event loop if it has: whoever waits then reads 255 (CPython 3.11, `ThreadedChildWatcher`).
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
