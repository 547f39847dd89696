"""What campaigns came to: kept as JSON, shown as a table; pure."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from tests.support.chaos.checker import Violation
from tests.support.chaos.outcome import Outcome

BEGIN: Final = "<!-- chaos.json, as python -m tests.chaos --page shows it -->"
END: Final = "<!-- end of chaos.json -->"
_HEAD: Final = (
    "| fault | stage | runs | submissions | violations | recovery p50 | worst |",
    "|---|---|---:|---:|---:|---:|---:|",
)


@dataclass(frozen=True, slots=True)
class Row:
    """All campaigns of one fault on one stage; recovery in seconds."""

    fault: str
    stage: str
    runs: int
    submissions: int
    violations: int
    recovery_p50: float
    recovery_worst: float


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """One row for each fault and stage, in the order of their first campaign."""
    grouped: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        grouped[(one.fault, one.stage)].append(one)
    return [_row(found) for found in grouped.values()]


def _row(outcomes: Sequence[Outcome]) -> Row:
    recoveries = [seconds for one in outcomes for seconds in one.recoveries] or [0.0]
    return Row(
        fault=outcomes[0].fault,
        stage=outcomes[0].stage,
        runs=sum(one.runs for one in outcomes),
        submissions=sum(one.submissions for one in outcomes),
        violations=sum(len(one.violations) for one in outcomes),
        recovery_p50=statistics.median(recoveries),
        recovery_worst=max(recoveries),
    )


def write(outcomes: Sequence[Outcome]) -> str:
    """The campaigns as JSON."""
    return json.dumps({"campaigns": [asdict(one) for one in outcomes]}, indent=1) + "\n"


def read(text: str) -> list[Outcome]:
    """What `write` wrote."""
    return [
        Outcome(
            **{
                **one,
                "violations": tuple(Violation(**found) for found in one["violations"]),
                "recoveries": tuple(one["recoveries"]),
            }
        )
        for one in json.loads(text)["campaigns"]
    ]


def table(found: Sequence[Row]) -> str:
    """The table in Markdown, with a last line for all of it."""
    lines = [
        f"| {one.fault} | {one.stage} | {one.runs} | {one.submissions:,} | {one.violations} "
        f"| {one.recovery_p50:.1f} s | {one.recovery_worst:.1f} s |"
        for one in found
    ]
    runs, sent = sum(one.runs for one in found), sum(one.submissions for one in found)
    broken = sum(one.violations for one in found)
    return "\n".join([*_HEAD, *lines, f"| all | | {runs} | {sent:,} | {broken} | | |"]) + "\n"


def page(text: str, outcomes: Sequence[Outcome]) -> str:
    """A page whose part between the marks is the table of these campaigns."""
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    return f"{head}{BEGIN}\n\n{table(rows(outcomes))}\n{END}{tail}"
