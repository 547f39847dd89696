"""The patient: a NISS or BIS number, and what it suggests of sex and birth date (best effort)."""

from typing import Final

from stdnum.exceptions import ValidationError

from schemas import brussels
from schemas.dispensation import SubmittedPatient
from schemas.identifiers import niss
from streams.quality.rules.base import Context, Findings, MessageRule, day

_SEX: Final = {"M": "male", "F": "female"}


def patient(context: Context) -> Findings:
    """The number must pass its check; what only may be wrong warns."""
    given = context.body.patient
    today = brussels.day_of(context.appended_at)
    try:
        number = niss.validate(given.niss, on=today)
    except ValidationError:
        return (("NISS_INVALID", "/patient/niss"),)
    found: Findings = ()
    if not niss.has_assigned_counter(number):
        found += (("NISS_NOT_ASSIGNED", "/patient/niss"),)
    if given.birth_date is not None:
        found += _birth_date(context, given, number)
    if given.sex is not None:
        suggested = niss.sex(number)
        if suggested is not None and _SEX[suggested] != given.sex:
            found += (("SEX_DOUBTFUL", "/patient/sex"),)
    return found


def _birth_date(context: Context, given: SubmittedPatient, number: str) -> Findings:
    stated = day(given.birth_date or "")
    suggested = niss.birth_date(number)
    possible = stated is not None and stated <= brussels.day_of(context.appended_at)
    if possible and suggested in {None, stated}:
        return ()
    return (("BIRTH_DATE_DOUBTFUL", "/patient/birth_date"),)


RULES: Final = (
    MessageRule(
        ("NISS_INVALID", "NISS_NOT_ASSIGNED", "BIRTH_DATE_DOUBTFUL", "SEX_DOUBTFUL"), patient
    ),
)
