"""The fault suite in its long form: `python -m tests.chaos --help`, or `make chaos`."""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from tests.support.chaos import projecting, report, sequencing
from tests.support.chaos.campaign import LONG, SHORT, Scale, run
from tests.support.chaos.faults import FAULTS
from tests.support.chaos.ground import Ground, ground
from tests.support.chaos.load import Subject
from tests.support.chaos.outcome import Outcome
from tests.support.chaos.subjects import Counting, Dispensing

CAMPAIGNS: Final = 4
PAGE: Final = Path("docs/operating/chaos.md")
KEPT: Final = PAGE.with_suffix(".json")


async def _campaign(where: Ground, fault: str, stage: str, seed: int, scale: Scale) -> Outcome:
    if stage == projecting.STAGE:
        return await projecting.run(fault, ground=where, seed=seed, scale=scale)
    if stage == sequencing.STAGE:
        folder = where.settings.data / f"log-{seed}"
        return await sequencing.run([fault] * scale.runs, where.settings, folder, seed=seed)
    subject: Subject = Dispensing(where) if stage == "quality" else await Counting.new(where)
    return await run(fault, FAULTS[fault], subject, ground=where, seed=seed, scale=scale)


def main() -> int:
    """Runs what is asked for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="all of the stage by default")
    stages = ("quality", "small", projecting.STAGE, sequencing.STAGE)
    parser.add_argument("--stage", choices=stages, default="quality")
    parser.add_argument(
        "--campaigns", type=int, default=CAMPAIGNS, help=f"of {LONG.runs} runs each"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the first campaign")
    parser.add_argument("--short", action="store_true", help="3 runs, short outages")
    parser.add_argument("--data", type=Path, help="keeps servers and logs there")
    parser.add_argument("--report", type=Path, default=Path("chaos.json"), help="is added to")
    parser.add_argument("--page", action="store_true", help="only shows the kept runs in the docs")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(report.page(PAGE.read_text(), report.read(KEPT.read_text())))
        return 0
    first = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    folder = given.data or Path(tempfile.mkdtemp(prefix="dpp-chaos-"))
    outcomes: list[Outcome] = []
    own: dict[str, Collection[str]] = {
        projecting.STAGE: projecting.FAULTS,
        sequencing.STAGE: sequencing.FAULTS,
    }
    known = own.get(given.stage, FAULTS)
    unknown = [one for one in given.faults if one not in known]
    if unknown:
        parser.error(f"the faults of {given.stage} are: {', '.join(known)}")
    for fault in given.faults or known:
        # Servers of its own for each fault: its log is short, and nobody else's trouble is in it.
        with ground(folder / fault.replace(" ", "-")) as where:
            for seed in range(first, first + given.campaigns):
                scale = SHORT if given.short else LONG
                outcome = asyncio.run(_campaign(where, fault, given.stage, seed, scale))
                outcomes.append(outcome)
                _say(outcome)
                _keep(given.report, outcome)
    sys.stdout.write("\n" + report.table(report.rows(outcomes)))
    return int(any(one.violations for one in outcomes))


def _keep(path: Path, outcome: Outcome) -> None:
    kept = report.read(path.read_text()) if path.exists() else []
    path.write_text(report.write([*kept, outcome]))


def _say(outcome: Outcome) -> None:
    times = ", ".join(f"{seconds:.1f}" for seconds in outcome.recoveries)
    sys.stdout.write(
        f"{outcome.fault}, {outcome.stage}, seed {outcome.seed}: {outcome.runs} runs, "
        f"{outcome.submissions} submissions, {len(outcome.violations)} violations, "
        f"recovered after {times} s\n"
    )
    for one in outcome.violations[:20]:
        sys.stdout.write(f"  {one}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
