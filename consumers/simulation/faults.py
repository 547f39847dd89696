"""Faults in what a submission says: planted on ordinary visits, outcomes known.

A fault of the message is a first attempt that the right one follows; a fault of a line stands.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from consumers.simulation import wrong
from consumers.simulation.damage import Plant
from consumers.simulation.drafting import Draft, Planner, first_line, settle
from consumers.simulation.plan import ExpectedLine
from consumers.simulation.wrong import FILTERED_CNK, LINES
from consumers.simulation.year import new_guid
from schemas.dispensation import MAX_LINES, MedicinalProduct, SubmittedLine, SubmittedPatient
from schemas.identifiers import niss
from schemas.receipts import LineResult

UNASSIGNED: Final = niss.with_check_digits("700000999", False)
FILTERED: Final = MedicinalProduct(cnk=FILTERED_CNK)
_MOST_TIMES_TOO_MANY: Final = 5
_OLD_DAYS: Final = (400, 700)
_BELOW: Final = 0.5
"""How far before the right attempt the wrong one is sent."""


def niss_checksum(planner: Planner, host: Draft) -> None:
    """A digit of the patient's number was mistyped; the right one follows."""
    number = host.visit.person.niss
    check = (int(number[9:]) + planner.rng.randint(1, 90)) % 97 + 1
    while f"{check:02d}" == number[9:] or _fits(number[:9], check):
        check = check % 97 + 1
    person = replace(host.visit.person, niss=f"{number[:9]}{check:02d}")
    late = planner.lateness(host.visit.delivered_at)
    visit = replace(host.visit, person=person)
    planner.add(planner.refused("niss_checksum", visit, host.place - _BELOW, "NISS_INVALID", *late))


def visit_guid(planner: Planner, host: Draft) -> None:
    """The visit's identifier is none; the right one follows."""
    late = planner.lateness(host.visit.delivered_at)
    visit = replace(host.visit, sguid=host.visit.sguid.replace("-", ""))
    planner.add(planner.refused("visit_guid", visit, host.place - _BELOW, "GUID_INVALID", *late))


def delivery_in_future(planner: Planner, host: Draft) -> None:
    """The pharmacy's clock is wrong; the right moment follows."""
    ahead = timedelta(days=planner.rng.randint(2, 40))
    _misdated(planner, host, planner.now + ahead, "delivery_in_future", "DELIVERY_IN_FUTURE")


def delivery_too_old(planner: Planner, host: Draft) -> None:
    """A delivery from before the year that the record keeps."""
    back = timedelta(days=planner.rng.randint(*_OLD_DAYS))
    _misdated(planner, host, planner.now - back, "delivery_too_old", "DELIVERY_TOO_OLD")


def product_code(planner: Planner, host: Draft) -> None:
    """The check digit of a product code is wrong."""
    bad = f"{planner.rng.randrange(10**5, 10**6)}"
    product = MedicinalProduct(cnk=bad + str((_luhn(bad) + planner.rng.randint(1, 9)) % 10))
    _spoil(
        planner, host, "product_code", {"product": product}, result="rejected", code="CNK_INVALID"
    )


def ingredient_code(planner: Planner, host: Draft) -> None:
    """The code of a formula is wrong; the preparation is recorded with a warning."""
    bad = f"{planner.rng.randrange(10**6):06d}"
    formula = bad + str((_luhn(bad) + 1) % 10)
    product = {"kind": "magistral", "formula_cnk": formula}
    _spoil(
        planner,
        host,
        "ingredient_code",
        {"product": product},
        result="recorded",
        code="COMPOUND_CNK_INVALID",
    )


def units_zero(planner: Planner, host: Draft) -> None:
    """A line without units."""
    _spoil(planner, host, "units_zero", {"units": 0}, result="rejected", code="UNITS_ZERO")


def units_implausible(planner: Planner, host: Draft) -> None:
    """Far too many units, recorded with a warning."""
    units = planner.policy.units_max * planner.rng.randint(2, _MOST_TIMES_TOO_MANY)
    _spoil(
        planner,
        host,
        "units_implausible",
        {"units": units},
        result="recorded",
        code="UNITS_IMPLAUSIBLE",
    )


def spoilt(
    kind: str, code: str, update: Mapping[str, object], result: LineResult = "recorded"
) -> Plant:
    """A plant: the last line of the host is changed, and has this result for this code."""

    def plant(planner: Planner, host: Draft) -> None:
        _spoil(planner, host, kind, update, result=result, code=code)

    return plant


def preparation(kind: str, code: str, change: Mapping[str, object]) -> Plant:
    """A plant: a doubtful preparation, changed as `wrong.preparation` has it."""
    return spoilt(kind, code, {"product": wrong.preparation(change)})


def patient(kind: str, code: str, **members: str) -> Plant:
    """A plant: what is said of the patient is doubtful, and all lines are recorded."""

    def plant(_planner: Planner, host: Draft) -> None:
        body = host.visit.body
        said = SubmittedPatient.model_validate({**body.patient.model_dump(), **members})
        host.kind = kind
        host.body = body.model_copy(update={"patient": said}).write()
        codes = tuple(sorted({*host.expected.codes, code}))
        host.expected = replace(host.expected, codes=codes)

    return plant


def other_sex(planner: Planner, host: Draft) -> None:
    """The sex is another one than the patient's number says."""
    sex = "male" if host.visit.person.sex == "female" else "female"
    patient("other_sex", "SEX_DOUBTFUL", sex=sex)(planner, host)


def nobodys_number(planner: Planner, host: Draft) -> None:
    """A number that is given to nobody, and nothing delivered: a training account left on."""
    person = replace(host.visit.person, niss=UNASSIGNED)
    line = first_line(host).model_copy(update={"dguid": new_guid(planner.rng), "units": 0})
    visit = replace(host.visit, person=person, lines=(line,), sguid=new_guid(planner.rng))
    late = planner.lateness(visit.delivered_at)
    draft = planner.refused(
        "nobodys_number", visit, planner.later(host), "NISS_NOT_ASSIGNED", *late
    )
    lines = (ExpectedLine(line.dguid, "rejected", ("UNITS_ZERO",)),)
    draft.expected = replace(draft.expected, lines=lines)
    planner.add(draft)


def prescriber(planner: Planner, host: Draft) -> None:
    """The prescriber's number is none, recorded with a warning."""
    update = LINES["PRESCRIBER_INVALID"]
    _spoil(planner, host, "prescriber", update, result="recorded", code="PRESCRIBER_INVALID")


def prescription(planner: Planner, host: Draft) -> None:
    """The identifier of the prescription is none, recorded with a warning."""
    update = LINES["RID_INVALID"]
    _spoil(planner, host, "prescription", update, result="recorded", code="RID_INVALID")


def product_unknown(planner: Planner, host: Draft) -> None:
    """A code that passes its check and that no catalogue knows, recorded with a warning."""
    first6 = f"{planner.rng.randrange(900_000, 10**6)}"
    product = MedicinalProduct(cnk=first6 + str(_luhn(first6)))
    update = {"product": product}
    _spoil(planner, host, "product_unknown", update, result="recorded", code="CNK_UNKNOWN")


def filtered(planner: Planner, host: Draft) -> None:
    """A product that does not belong in the record, beside lines that do."""
    line = SubmittedLine(dguid=new_guid(planner.rng), product=FILTERED, units=1)
    lines = host.expected.lines
    host.kind = "filtered"
    host.visit = replace(host.visit, lines=(*host.visit.lines, line))
    host.body = host.visit.body.write()
    settle(planner, host, (*lines, ExpectedLine(line.dguid, "rejected", ("PRODUCT_FILTERED",))))


def all_filtered(planner: Planner, host: Draft) -> None:
    """Nothing but products that do not belong in the record; the real visit follows."""
    line = SubmittedLine(dguid=new_guid(planner.rng), product=FILTERED, units=2)
    visit = replace(host.visit, lines=(line,))
    late = planner.lateness(visit.delivered_at)
    draft = planner.refused("all_filtered", visit, host.place - _BELOW, "ALL_LINES_FILTERED", *late)
    lines = (ExpectedLine(line.dguid, "rejected", ("PRODUCT_FILTERED",)),)
    draft.expected = replace(draft.expected, lines=lines)
    planner.add(draft)


def line_guid(planner: Planner, host: Draft) -> None:
    """A line's identifier is none."""
    bad = first_line(host).dguid.replace("-", "")
    _spoil(
        planner,
        host,
        "line_guid",
        {"dguid": bad},
        result="rejected",
        code="GUID_INVALID",
        no_guid=True,
    )


def line_twice(planner: Planner, host: Draft) -> None:
    """A line stands twice in one submission."""
    line = first_line(host)
    lines = host.expected.lines
    host.kind = "line_twice"
    host.visit = replace(host.visit, lines=(*host.visit.lines, line))
    host.body = host.visit.body.write()
    settle(planner, host, (*lines, ExpectedLine(line.dguid, "rejected", ("DGUID_REPEATED",))))


def too_many_lines(planner: Planner, host: Draft) -> None:
    """More lines than a submission may have; the real visit follows."""
    product = MedicinalProduct(cnk="1484229")
    lines = tuple(
        SubmittedLine(dguid=new_guid(planner.rng), product=product, units=1)
        for _ in range(MAX_LINES + 1)
    )
    visit = replace(host.visit, lines=lines)
    draft = planner.barred("too_many_lines", visit, host.place - _BELOW, "TOO_MANY_LINES")
    planner.add(draft)


def _spoil(
    planner: Planner,
    host: Draft,
    kind: str,
    update: Mapping[str, object],
    *,
    result: LineResult,
    code: str,
    no_guid: bool = False,
) -> None:
    """Change the host's last line, which then has this result for this code."""
    *others, last = host.visit.lines
    spoilt = SubmittedLine.model_validate({**last.model_dump(), **update}, strict=False)
    host.kind = kind
    host.visit = replace(host.visit, lines=(*others, spoilt))
    host.body = host.visit.body.write()
    after = ExpectedLine(None if no_guid else last.dguid, result, (code,))
    settle(planner, host, (*host.expected.lines[:-1], after))


def _misdated(planner: Planner, host: Draft, moment: datetime, kind: str, code: str) -> None:
    visit = replace(host.visit, delivered_at=moment)
    planner.add(planner.refused(kind, visit, host.place - _BELOW, code))


def _luhn(first6: str) -> int:
    total = 0
    for at, digit in enumerate(reversed(first6)):
        doubled = int(digit) * 2 if at % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004 - the sum of two digits
    return -total % 10


def _fits(first9: str, check: int) -> bool:
    """Whether these check digits are right for a birth in either century."""
    return check in (97 - int(first9) % 97, 97 - int("2" + first9) % 97)
