"""The list of benchmarks, and running one of them.

To add one: a module with a function `measure(run: Run) -> Findings`, and a line in `BENCHES`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from consumers.bench.result import Findings, Machine, Result
from consumers.progress import Progress

ROOT: Final = Path(__file__).parents[2]
"""The repository, unless the package is installed elsewhere."""
UNKNOWN_COMMIT: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """What a benchmark is given: how many rounds, whom to tell, and a folder that is removed."""

    rounds: int
    progress: Progress
    folder: Path
    rows: int | None = None
    """How large to make what is measured, where the benchmark lets one choose."""
    seconds: float | None = None
    """How long to measure at a time, where the benchmark lets one choose."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark: `module` holds its `measure`, and is imported only to run it."""

    name: str
    summary: str
    rounds: int
    module: str
    rows: int | None = None
    """Rows by default, where they can be chosen."""
    seconds: float | None = None
    """Seconds of one measurement by default, where they can be chosen."""


BENCHES: Final = (
    Bench(
        "decide",
        "quality control's rules, decisions and sealing alone, on one core",
        rounds=15,
        module="consumers.bench.decide.measure",
    ),
    Bench(
        "quality",
        "the quality stage against Faust, Quix Streams and aiokafka, and its latency",
        rounds=5,
        module="consumers.bench.quality.measure",
    ),
    Bench(
        "scaling",
        "two processes of the quality stage against one, and what a rebalance costs",
        rounds=5,
        module="consumers.bench.scaling.measure",
    ),
    Bench(
        "restore",
        "partitions of the quality stage from the log alone, and from store and tail",
        rounds=5,
        module="consumers.bench.restore",
    ),
    Bench(
        "projections",
        "the projections: following, rebuilding, hashing, latency, against simpler writes",
        rounds=3,
        module="consumers.bench.projecting.measure",
    ),
    Bench(
        "history",
        "100 lines of a history out of a million and more, against simpler tables and paging",
        rounds=5,
        module="consumers.bench.history.measure",
        rows=1_000_000,
    ),
    Bench(
        "api",
        "50 doctors at one API process over a million lines, while 500 facts a second come in",
        rounds=3,
        module="consumers.bench.api.measure",
        rows=1_000_000,
        seconds=8.0,
    ),
    Bench(
        "refusals",
        "whether the time of a refusal tells why: a rank test over interleaved samples",
        rounds=3,
        module="consumers.bench.refusals",
    ),
    Bench(
        "log",
        "the transparency log: sequencing from Kafka, verifying, proving",
        rounds=5,
        module="consumers.bench.log",
    ),
)


def run_bench(
    bench: Bench,
    rounds: int,
    progress: Progress,
    rows: int | None = None,
    seconds: float | None = None,
) -> Result:
    """Runs a benchmark for so many rounds, over so many rows and so long where one can choose.

    Raises:
        InfrastructureError: a server, or a rival that it is measured against, is missing.
    """
    measure: Callable[[Run], Findings] = import_module(bench.module).measure
    commit = current_commit()
    with tempfile.TemporaryDirectory(prefix=f"dpp-bench-{bench.name}-") as folder:
        findings = measure(Run(rounds, progress, Path(folder), rows, seconds))
    return findings.result(bench.name, commit, machine(), rounds)


def machine() -> Machine:
    """This machine: cores that this process may use, and its memory."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return Machine(cores=cores, memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def current_commit() -> str:
    """The commit of the code that runs, with `-changed` when anything but docs differs from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if head is None:
        return UNKNOWN_COMMIT
    changed = _git("status", "--porcelain", "--", ".", ":!docs")
    return f"{head}-changed" if changed else head


def _git(*arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    found = subprocess.run(  # noqa: S603 - fixed arguments
        [git, "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() if found.returncode == 0 else None
