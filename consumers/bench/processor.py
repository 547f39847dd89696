"""Processor time of a server's process: what it costs, however busy the machine is otherwise."""

import os
from pathlib import Path


def processor_seconds(pid: int | None) -> float | None:
    """Processor seconds that a process has used; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
