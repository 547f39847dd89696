"""The fault suite in its long form: `python -m tests.chaos --help`, or `make chaos`."""

import argparse
import asyncio
import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.support.chaos import report
from tests.support.chaos.campaign import LONG, SHORT, Outcome, Scale, run
from tests.support.chaos.faults import FAULTS
from tests.support.chaos.ground import Ground, ground
from tests.support.chaos.load import Subject
from tests.support.chaos.subjects import Counting, Dispensing

CAMPAIGNS: Final = 4


async def _campaign(where: Ground, fault: str, stage: str, seed: int, scale: Scale) -> Outcome:
    subject: Subject = Dispensing(where) if stage == "quality" else await Counting.new(where)
    return await run(fault, FAULTS[fault], subject, ground=where, seed=seed, scale=scale)


def main() -> int:
    """Runs what is asked for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--stage", choices=("quality", "small"), default="quality")
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS, help="of 5 runs each")
    parser.add_argument("--seed", type=int, default=None, help="of the first campaign")
    parser.add_argument("--short", action="store_true", help="3 runs, short outages")
    parser.add_argument("--data", type=Path, help="keeps servers and logs there")
    parser.add_argument("--report", type=Path, default=Path("chaos.json"))
    given = parser.parse_args()
    first = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    outcomes: list[Outcome] = []
    folder = given.data or Path(tempfile.mkdtemp(prefix="dpp-chaos-"))
    with ground(folder) as where:
        for fault in given.faults or FAULTS:
            for seed in range(first, first + given.campaigns):
                scale = SHORT if given.short else LONG
                outcome = asyncio.run(_campaign(where, fault, given.stage, seed, scale))
                outcomes.append(outcome)
                _say(outcome)
    rows = report.rows(outcomes)
    given.report.write_text(report.written(rows, at=datetime.now(UTC).date().isoformat()))
    sys.stdout.write("\n" + report.table(rows))
    return int(any(row.violations for row in rows))


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
