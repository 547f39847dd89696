"""The process of one contender in one round: `python -m consumers.bench.quality.contender FILE`.

FILE holds the job; settings come from the environment. On SIGTERM the contender ends, and the
process writes what it used.
"""

import asyncio
import logging
import resource
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from consumers.bench.quality.stage import BenchStage, Runner, Started, Work, open_stage
from infra.settings import load_settings

CONTENDERS: Final = {
    "engine": ("consumers.bench.quality.engine", "run"),
    "stock_faust": ("consumers.bench.quality.stock_faust", "run"),
    "quix_at_least_once": ("consumers.bench.quality.quix", "run_at_least_once"),
    "quix_exactly_once": ("consumers.bench.quality.quix", "run_exactly_once"),
    "raw_aiokafka": ("consumers.bench.quality.raw_aiokafka", "run"),
}
OF_TRANSPORT: Final = ("engine", "stock_faust", "raw_aiokafka")
"""Those that are also measured with nothing to decide."""
_KIB: Final = 1024


class Job(BaseModel):
    """What a contender is to do; `seed` is in hexadecimal.

    With a `gate`, nothing is decided before that file exists.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contender: str
    name: str
    seed: str
    partitions: int
    count: int
    report: Path
    gate: Path | None = None
    work: Work = "quality"


class Report(BaseModel):
    """What a contender used: when it began (seconds since 1970), processor seconds, peak bytes.

    `deciding_seconds` are those of the work that all contenders share, part of `cpu_seconds`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    started_at: float
    cpu_seconds: float
    deciding_seconds: float
    peak_bytes: int


def main() -> None:
    """Runs the job and reports."""
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    job = Job.model_validate_json(Path(sys.argv[1]).read_bytes())
    settings = load_settings()
    seed = bytes.fromhex(job.seed)
    stage = asyncio.run(open_stage(settings, job.name, seed, job.partitions, job.work))
    stage.gate = job.gate
    module, function = CONTENDERS[job.contender]
    run: Runner = getattr(import_module(module), function)
    run(settings, stage, job.count)
    job.report.write_text(_report(stage).model_dump_json(), "utf-8")


def _report(stage: BenchStage) -> Report:
    started = stage.started or Started()
    return Report(
        started_at=started.at,
        cpu_seconds=time.process_time() - started.cpu,
        deciding_seconds=stage.deciding,
        peak_bytes=_peak_bytes(),
    )


def _peak_bytes() -> int:
    """The most memory that this process held; on Linux `getrusage` would count its parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text("utf-8").splitlines()
        return next(int(one.split()[1]) for one in lines if one.startswith("VmHWM:")) * _KIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


if __name__ == "__main__":
    main()
