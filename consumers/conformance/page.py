"""The cases as data and as a page, for software that publishes them by other means."""

import json
from collections.abc import Iterable
from typing import Final

from consumers.conformance.case import Case, Step, persons_in
from consumers.conformance.cases import BEYOND, number
from consumers.conformance.compare import as_object

_HEAD: Final = """\
# Cases of the conformance kit

<!-- Written by `dpp conform --list --markdown`; a test compares. -->

What each case sends and must be answered; [cases.json](cases.json) has every body. See
[the guide](../conformance.md) for how to run them.
"""


def row(case: Case) -> dict[str, object]:
    """A case for programs; bodies are templates in which only the test persons are filled in."""
    return {
        "case": case.name,
        "about": case.about,
        "codes": list(case.codes),
        "needs_kafka": case.needs_kafka,
        "submissions": [_submission(step, number(case)) for step in case.steps],
        "gaps": list(case.gaps),
    }


def data(cases: Iterable[Case]) -> str:
    """`docs/vendors/conformance/cases.json`: a list, one case on each line."""
    rows = ",\n".join(json.dumps(row(case), ensure_ascii=False) for case in cases)
    return f"[\n{rows}\n]\n"


def page(cases: Iterable[Case]) -> str:
    """`docs/vendors/conformance/cases.md`: a table of the cases, and which code has none."""
    table = "\n".join(_cells(_row(case)) for case in cases)
    beyond = "\n".join(f"- `{code}`: {reason}" for code, reason in BEYOND.items())
    head = "| case | what it is | submissions | codes | over the API |\n|---|---|---|---|---|"
    return f"{_HEAD}\n{head}\n{table}\n\nNo submission alone can yield these codes:\n\n{beyond}\n"


def _row(case: Case) -> tuple[str, ...]:
    return (
        f"`{case.name}`",
        case.about,
        ", ".join(f"{_short(step)} → {step.answer.outcome}" for step in case.steps),
        ", ".join(f"`{code}`" for code in case.codes),
        "no" if case.needs_kafka else "yes",
    )


def _short(step: Step) -> str:
    return step.type.split(".")[-2]


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _submission(step: Step, place: int) -> dict[str, object]:
    told: dict[str, object] = {"type": step.type, "pharmacy": step.sender}
    optional = {
        "key": None if step.key == "" else step.key,
        "sequence": step.sequence,
        "same_id_as": step.same_id_as,
        "ce_id": step.id,
        "damage": None if step.mutation == "none" else step.mutation,
        "altered": (step.alter.__doc__ or "").strip() if step.alter else None,
    }
    told |= {name: value for name, value in optional.items() if value is not None}
    return {**told, "body": persons_in(step.body, place), "expected": as_object(step.answer)}
