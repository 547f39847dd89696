"""The invented people and pharmacies of the demo, and what the pharmacies submit."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from schemas.identifiers import nihdi, niss, pharmacy
from streams.intake import (
    MedicinalProduct,
    Posology,
    RegisterBody,
    SubmittedLine,
    SubmittedPatient,
)

PHARMACIES: Final = tuple(first6 + pharmacy.check_digits(first6) for first6 in ("812345", "823456"))


def _nihdi(profession: str, serial: str) -> str:
    first6 = profession + serial
    return first6 + nihdi.check_digits(first6) + "001"


@dataclass(frozen=True, slots=True)
class Cast:
    """National numbers have unknown birth dates; nobody of this name exists."""

    patient: str = field(default=niss.with_check_digits("530000121", born_from_2000=False))
    holder: str = field(default=niss.with_check_digits("790000343", born_from_2000=False))
    stranger: str = field(default=niss.with_check_digits("610000565", born_from_2000=False))
    physician: str = field(default=_nihdi("1", "12345"))
    unlinked: str = field(default=_nihdi("1", "23456"))
    excluded: str = field(default=_nihdi("1", "34567"))
    pharmacist: str = field(default=_nihdi("2", "45678"))


@dataclass(frozen=True, slots=True)
class Planned:
    """A submission and what its receipt must say: outcome and codes, warnings included."""

    pharmacy: str
    what: str
    body: RegisterBody
    outcome: str
    codes: tuple[str, ...] = ()


def line(cnk: str, units: int = 1, posology: str = "1 x / jour") -> SubmittedLine:
    """A line of one product."""
    return SubmittedLine(
        dguid=str(uuid.uuid4()),
        product=MedicinalProduct(cnk=cnk),
        units=units,
        posology=Posology(text=posology),
    )


def visit(patient: str, delivered_at: datetime, *lines: SubmittedLine) -> RegisterBody:
    """One visit of a patient."""
    return RegisterBody(
        sguid=str(uuid.uuid4()),
        patient=SubmittedPatient(niss=patient),
        delivered_at=delivered_at,
        lines=lines,
    )


def planned(cast: Cast, now: datetime) -> tuple[Planned, ...]:
    """What the two pharmacies submit, with every expectation stated beside it."""
    first, second = PHARMACIES
    patient = cast.patient
    bad = patient[:-2] + f"{(int(patient[-2:]) + 1) % 97:02d}"
    days = timedelta(days=1)
    return (
        Planned(
            first,
            "a visit with two lines",
            visit(patient, now - 2 * days, line("0029025"), line("0039347", posology="3 x / jour")),
            "accepted",
        ),
        Planned(
            first, "a line with a wrong product code",
            visit(patient, now - days, line("0035717"), line("1439562")),
            "partial", ("CNK_INVALID",),
        ),
        Planned(
            first, "a wrong national number", visit(bad, now - days, line("0041020")),
            "rejected", ("NISS_INVALID",),
        ),
        Planned(
            first, "no units", visit(patient, now - days, line("0043265", units=0)),
            "rejected", ("UNITS_ZERO",),
        ),
        Planned(
            second, "a visit in another pharmacy, four months ago",
            visit(patient, now - 120 * days, line("0119065")),
            "accepted", ("LATE_ARRIVAL",),
        ),
        Planned(
            second, "a visit nine months ago", visit(patient, now - 270 * days, line("0048363")),
            "accepted", ("LATE_ARRIVAL",),
        ),
        Planned(
            second, "far too many units", visit(patient, now - days, line("0066746", units=5000)),
            "accepted", ("UNITS_IMPLAUSIBLE",),
        ),
        Planned(
            second, "a delivery in the future", visit(patient, now + 2 * days, line("0029025")),
            "rejected", ("DELIVERY_IN_FUTURE",),
        ),
        Planned(
            second, "a delivery of two years ago",
            visit(patient, now - 730 * days, line("0029025")),
            "rejected", ("DELIVERY_TOO_OLD",),
        ),
    )  # fmt: skip


HISTORY_LINES: Final = {"six_months": 5, "twelve_months": 6}
"""Lines of the patient that the plan puts into the record, by window."""
