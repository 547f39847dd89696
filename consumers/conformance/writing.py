"""How cases are written down: bodies that are in order, and what is usual around one fault."""

from collections.abc import Mapping
from typing import Any, Final

from consumers.conformance.case import Answer, Case, Finding, Line, Step, Template
from schemas.dispensation import CORRECT, REGISTER, REVOKE

PRODUCTS: Final = ("0029025", "0039347", "0041020", "0043265")
"""Medicines of the sample catalogue."""
RECORDED: Final = Line("recorded")
REJECTED: Final = Line("rejected")


def line(number: int = 1, **changes: Any) -> Template:
    """A line in order; a changed member of None is left out."""
    product = {"kind": "cnk", "cnk": PRODUCTS[(number - 1) % len(PRODUCTS)]}
    made = {"dguid": f"{{guid {number}}}", "product": product, "units": 1}
    return _with(made, changes)


def visit(*lines: Template, **changes: Any) -> Template:
    """A registration or correction in order, an hour ago."""
    made = {
        "sguid": "{guid 0}",
        "patient": {"niss": "{patient}"},
        "delivered_at": "{now -1h}",
        "lines": list(lines or (line(),)),
    }
    return _with(made, changes)


def revocation(number: int = 1, replaces: int = 1, **changes: Any) -> Template:
    """The revocation of a line."""
    made = {
        "sguid": "{guid 0}",
        "patient": {"niss": "{patient}"},
        "dguid": f"{{guid {number}}}",
        "replaces": replaces,
    }
    return _with(made, changes)


def _with(made: Template, changes: Template) -> Template:
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


OTHER: Final[Template] = {"patient": {"niss": "{other patient}"}}
"""Changes a body to the case's other test person."""


def accepted(body: Template, type_: str = REGISTER, *, lines: int = 1, **how: Any) -> Step:
    """A submission of which every line is recorded without a finding."""
    return Step(type_, body, Answer("accepted", lines=(RECORDED,) * lines), **how)


def registered() -> Step:
    """The first line of a case enters the record."""
    return accepted(visit())


def corrected(replaces: int = 1) -> Step:
    """The first line is corrected."""
    return accepted(visit(line(units=1 + replaces, replaces=replaces)), CORRECT)


def revoked(replaces: int = 1) -> Step:
    """The first line is revoked."""
    return accepted(revocation(replaces=replaces), REVOKE)


def refused(body: Template, *findings: Finding, type_: str = REGISTER, lines: int = 1) -> Step:
    """A submission that is refused for faults of the message, with all its lines."""
    return Step(type_, body, Answer("rejected", findings, (REJECTED,) * lines))


def unread(body: Template, *findings: Finding, **how: Any) -> Step:
    """A submission whose lines are not looked at."""
    dead_letter = how.pop("dead_letter", False)
    return Step(REGISTER, body, Answer("rejected", findings, dead_letter=dead_letter), **how)


def refused_line(body: Template, *findings: Finding, type_: str = REGISTER, **how: Any) -> Step:
    """A submission of one line, which is refused."""
    return Step(type_, body, Answer("rejected", lines=(Line("rejected", findings),)), **how)


def doubtful_line(body: Template, *findings: Finding, type_: str = REGISTER) -> Step:
    """A submission of one line, which is recorded with warnings."""
    return Step(type_, body, Answer("accepted", lines=(Line("recorded", findings),)))


def doubt(code: str, about: str, path: str, change: Mapping[str, Any]) -> Case:
    """A case of one line, which is recorded with this warning; named after the code."""
    step = doubtful_line(visit(line(**change)), (code, f"/lines/0{path}"))
    return case(code.lower().replace("_", "-"), about, step)


def case(name: str, about: str, *steps: Step, gaps: tuple[str, ...] = ()) -> Case:
    """A case of these submissions."""
    return Case(name, about, steps, gaps)
