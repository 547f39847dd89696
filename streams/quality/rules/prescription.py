"""The prescription: who prescribed (NIHDI, modulo 97 or 89), and the Recip-e identifier."""

from typing import Final

from schemas.dispensation import SubmittedLine
from schemas.identifiers import nihdi, rid
from streams.quality.rules.base import Context, Findings, LineRule


def prescription(_context: Context, line: SubmittedLine, _index: int) -> Findings:
    """A prescribed line names its prescriber; numbers that are given have their form."""
    given = line.prescription
    if given is None:
        return ()
    found: Findings = ()
    if given.prescriber is None:
        found += (("PRESCRIBER_MISSING", "/prescription/prescriber"),)
    elif not nihdi.is_valid(given.prescriber):
        found += (("PRESCRIBER_INVALID", "/prescription/prescriber"),)
    if given.rid is not None and not rid.is_valid(given.rid):
        found += (("RID_INVALID", "/prescription/rid"),)
    return found


RULES: Final = (
    LineRule(("PRESCRIBER_MISSING", "PRESCRIBER_INVALID", "RID_INVALID"), prescription),
)
