"""What a case is: submissions in order, and exactly what their receipts must say.

Bodies are templates, so that a run collides with no other one: `{guid 1}` is the run's first
identifier of the case (`{GUID 1}` in capitals), `{patient}` and `{other patient}` its test persons,
`{now -3h}` a moment before or after the run, in hours or days (d).
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from consumers.simulation.plan import Mutation
from consumers.vendors.testers import PHARMACY, STRANGER, person
from schemas.receipts import LineResult, Outcome

Finding = tuple[str, str]
"""A code, and the pointer to its fault."""
Template = dict[str, Any]

_GUID: Final = re.compile(r"\{(guid|GUID) ([0-9]+)\}")
_TIME: Final = re.compile(r"\{now ([+-][0-9]+)([hd])\}")
_PERSON: Final = re.compile(r"\{(other )?patient\}")
_UNITS: Final = {"h": "hours", "d": "days"}
_RAW: Final[frozenset[Mutation]] = frozenset(
    {
        "no_key",
        "no_headers",
        "time_missing",
        "header_doubled",
        "oversize",
        "wrong_partition",
    }
)
"""Damage that the API does not let through."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the receipt says of one line, in the order of the lines."""

    outcome: LineResult
    findings: tuple[Finding, ...] = ()
    version: int | None = None
    """Compared where it is given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receipt of a submission says; findings in exactly this order."""

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    lines: tuple[Line, ...] = ()
    dead_letter: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One submission of a case."""

    type: str
    body: Template
    answer: Answer
    sender: str = PHARMACY
    key: str | None = ""
    """Empty for the sender's number."""
    sequence: int | None = None
    """The next one of the sender if not given."""
    same_id_as: int | None = None
    """Index of the step whose `ce_id` is used again."""
    mutation: Mutation = "none"
    alter: Callable[[bytes], bytes] | None = None
    """What is done to the body's bytes before they are sealed."""
    id: str | None = None
    """A `ce_id` to use as it stands."""

    @property
    def needs_kafka(self) -> bool:
        """Whether the API would refuse the record before it reaches quality control."""
        return self.mutation in _RAW or self.key == STRANGER


@dataclass(frozen=True, slots=True)
class Case:
    """Submissions that belong together; `gaps` is what is said about missing numbers."""

    name: str
    about: str
    steps: tuple[Step, ...]
    gaps: tuple[str, ...] = ()
    """Notices in order: `noticed 2-3`, `closed 2`."""

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code that the case gives, in the order of the receipts."""
        return tuple(dict.fromkeys(code for step in self.steps for code in codes(step.answer)))

    @property
    def needs_kafka(self) -> bool:
        """Whether a step cannot go through the API."""
        return any(step.needs_kafka for step in self.steps)


def codes(answer: Answer) -> tuple[str, ...]:
    """The codes of a receipt, those about the message first."""
    found = (*answer.findings, *(one for line in answer.lines for one in line.findings))
    return tuple(code for code, _ in found)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the templates of one case are filled with; `number` is the case's place in the kit."""

    run: uuid.UUID
    now: datetime
    case: str
    number: int

    def guid(self, label: str) -> str:
        """The run's identifier of the case under a label."""
        return str(uuid.uuid5(self.run, f"{self.case}/{label}"))


@dataclass(frozen=True, slots=True)
class Filled:
    """`consumers.simulation.records.Sendable`: a step with its values of one run."""

    type: str
    sender: str
    key: str | None
    id: str
    sequence: int
    epoch: str
    mutation: Mutation
    body: bytes = field(repr=False)


def fill(case: Case, inputs: Inputs) -> list[Filled]:
    """The submissions of a case for one run."""
    numbers: dict[str, int] = {}
    filled: list[Filled] = []
    for place, step in enumerate(case.steps):
        number = numbers.get(step.sender, 0) + 1 if step.sequence is None else step.sequence
        numbers[step.sender] = max(number, numbers.get(step.sender, 0))
        filled.append(
            Filled(
                type=step.type,
                sender=step.sender,
                key=step.sender if step.key == "" else step.key,
                id=_id(step, place, filled, inputs),
                sequence=number,
                epoch=f"conform-{inputs.guid('epoch')}",
                mutation=step.mutation,
                body=_body(step, inputs),
            )
        )
    return filled


def _id(step: Step, place: int, earlier: list[Filled], inputs: Inputs) -> str:
    if step.id is not None:
        return step.id
    if step.same_id_as is not None:
        return earlier[step.same_id_as].id
    return inputs.guid(f"message {place}")


def _body(step: Step, inputs: Inputs) -> bytes:
    text = json.dumps(filled_in(step.body, inputs), separators=(",", ":"), ensure_ascii=False)
    return step.alter(text.encode()) if step.alter else text.encode()


def filled_in(value: Any, inputs: Inputs) -> Any:
    """A template with the values of one run."""
    match value:
        case str():
            return _filled_text(value, inputs)
        case Mapping():
            return {name: filled_in(one, inputs) for name, one in value.items()}
        case list() | tuple():
            return [filled_in(one, inputs) for one in value]
        case _:
            return value


def persons_in(value: Any, number: int) -> Any:
    """A template in which only the test persons are filled in."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(_PERSON.sub(lambda found: _person(found, number), text))


def _filled_text(text: str, inputs: Inputs) -> str:
    text = _GUID.sub(lambda found: _guid(found, inputs), text)
    text = _PERSON.sub(lambda found: _person(found, inputs.number), text)
    return _TIME.sub(lambda found: _time(found, inputs.now), text)


def _guid(found: re.Match[str], inputs: Inputs) -> str:
    made = inputs.guid(found[2])
    return made.upper() if found[1] == "GUID" else made


def _person(found: re.Match[str], number: int) -> str:
    return person(2 * number + (2 if found[1] else 1))


def _time(found: re.Match[str], now: datetime) -> str:
    moment = now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
