"""Identifiers of visit and lines: 32 hexadecimal digits of any case, no UUID version asked for."""

from collections.abc import Iterable
from typing import Final

from schemas.dispensation import SubmittedLine
from schemas.identifiers import guid
from streams.quality.rules.base import Context, Findings, LineRule, MessageRule


def repeated_lines(lines: Iterable[SubmittedLine]) -> frozenset[int]:
    """Indexes of the lines whose DGUID an earlier line of the same submission has, in any case."""
    seen: set[str] = set()
    repeated: set[int] = set()
    for index, line in enumerate(lines):
        dguid = guid.compact(line.dguid)
        if dguid in seen:
            repeated.add(index)
        seen.add(dguid)
    return frozenset(repeated)


def visit(context: Context) -> Findings:
    """The SGUID has the form of one."""
    return () if guid.is_valid(context.body.sguid) else (("GUID_INVALID", "/sguid"),)


def line_guids(_context: Context, line: SubmittedLine, _index: int) -> Findings:
    """DGUID and, if given, the one that is returned have the form of one."""
    found: Findings = () if guid.is_valid(line.dguid) else (("GUID_INVALID", "/dguid"),)
    if line.returns is not None and not guid.is_valid(line.returns):
        found += (("GUID_INVALID", "/returns"),)
    return found


def repeated(context: Context, _line: SubmittedLine, index: int) -> Findings:
    """No earlier line of the submission has the DGUID."""
    return (("DGUID_REPEATED", "/dguid"),) if index in context.repeated else ()


MESSAGE_RULES: Final = (MessageRule(("GUID_INVALID",), visit),)
RULES: Final = (
    LineRule(("GUID_INVALID",), line_guids),
    LineRule(("DGUID_REPEATED",), repeated),
)
