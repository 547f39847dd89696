"""What campaigns came to: kept as JSON, shown as a table; pure."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.chaos.campaign import Outcome


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
    seeds: tuple[int, ...]


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
        recovery_p50=round(statistics.median(recoveries), 1),
        recovery_worst=round(max(recoveries), 1),
        seeds=tuple(one.seed for one in outcomes),
    )


def written(table: Sequence[Row], **about: object) -> str:
    """The report as JSON; `about` says where and when it was measured."""
    found = [{name: getattr(row, name) for name in Row.__slots__} for row in table]
    return json.dumps({**about, "faults": found}, indent=2) + "\n"


def read(text: str) -> tuple[dict[str, Any], list[Row]]:
    """What `written` wrote: everything about it, and the table."""
    about = json.loads(text)
    faults = about.pop("faults")
    return about, [Row(**{**one, "seeds": tuple(one["seeds"])}) for one in faults]


def table(found: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = [
        "| fault | stage | runs | submissions | violations | recovery p50 | worst |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.fault} | {one.stage} | {one.runs} | {one.submissions:,} | {one.violations} "
        f"| {one.recovery_p50:.1f} s | {one.recovery_worst:.1f} s |"
        for one in found
    ]
    total, sent = sum(one.runs for one in found), sum(one.submissions for one in found)
    broken = sum(one.violations for one in found)
    return "\n".join([*lines, f"| all | | {total} | {sent:,} | {broken} | | |"]) + "\n"
