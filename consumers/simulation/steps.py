"""Steps of a line's life and faults in content: planted on ordinary visits, outcomes known.

Every function takes the planner and the draft of an ordinary visit that nothing else was planted
on, so that what is planted here meets no other plant.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from consumers.simulation.drafting import Draft, Planner, registered
from consumers.simulation.plan import Effect, ExpectedLine, ExpectedReceipt, Status
from consumers.simulation.population import Person
from consumers.simulation.year import Visit, new_guid
from schemas.dispensation import (
    CORRECT,
    REVOKE,
    CorrectBody,
    CorrectedLine,
    MedicinalProduct,
    RevokeBody,
    SubmittedLine,
    SubmittedPatient,
)
from schemas.receipts import LineResult, Outcome

_TOO_MANY_UNITS: Final = 5
_OLD_DAYS: Final = (400, 700)


def correction(planner: Planner, host: Draft) -> None:
    """The units of a line were wrong."""
    _correct(planner, host, "correction", "recorded")


def correction_twice(planner: Planner, host: Draft) -> None:
    """A line is corrected, and the correction too."""
    first = _correct(planner, host, "correction", "recorded")
    second = _correct(planner, host, "correction", "recorded", replaces=2)
    second.place = second.slot = first.place + 0.1


def correction_other_patient(planner: Planner, host: Draft) -> None:
    """A line was registered on the wrong person."""
    person = planner.other_person(host.visit.person)
    _correct(planner, host, "correction_other_patient", "recorded", person=person)


def correction_repeated(planner: Planner, host: Draft) -> None:
    """The same correction comes again in another message."""
    first = _correct(planner, host, "correction", "recorded")
    second = _correct(planner, host, "correction_repeated", "duplicate")
    second.place = second.slot = first.place + 0.1


def correction_stale(planner: Planner, host: Draft) -> None:
    """A correction names a version that was replaced already."""
    _correct(planner, host, "correction_stale", "rejected", "VERSION_STALE", replaces=7)


def correction_unknown(planner: Planner, host: Draft) -> None:
    """A correction of a line that was never registered."""
    stranger = new_guid(planner.rng)
    _correct(planner, host, "correction_unknown", "rejected", "LINE_UNKNOWN", dguid=stranger)


def correction_of_revoked(planner: Planner, host: Draft) -> None:
    """A correction of a line that was revoked."""
    first = _revoke(planner, host, "revocation", "recorded")
    second = _correct(
        planner, host, "correction_of_revoked", "rejected", "LINE_REVOKED", replaces=2
    )
    second.place = second.slot = first.place + 0.1


def revocation(planner: Planner, host: Draft) -> None:
    """A line was registered by mistake."""
    _revoke(planner, host, "revocation", "recorded")


def revocation_of_revoked(planner: Planner, host: Draft) -> None:
    """A second revocation, of what the first one left."""
    first = _revoke(planner, host, "revocation", "recorded")
    second = _revoke(planner, host, "revocation_of_revoked", "rejected", "LINE_REVOKED", replaces=2)
    second.place = second.slot = first.place + 0.1


def revocation_repeated(planner: Planner, host: Draft) -> None:
    """The same revocation comes again in another message."""
    first = _revoke(planner, host, "revocation", "recorded")
    second = _revoke(planner, host, "revocation_repeated", "duplicate")
    second.place = second.slot = first.place + 0.1


def revocation_unknown(planner: Planner, host: Draft) -> None:
    """A revocation of a line that was never registered."""
    stranger = new_guid(planner.rng)
    _revoke(planner, host, "revocation_unknown", "rejected", "LINE_UNKNOWN", dguid=stranger)


def revocation_stale(planner: Planner, host: Draft) -> None:
    """A revocation names a version that is not the current one."""
    _revoke(planner, host, "revocation_stale", "rejected", "VERSION_STALE", replaces=4)


def revocation_other_patient(planner: Planner, host: Draft) -> None:
    """A revocation names another patient than the line's."""
    person = planner.other_person(host.visit.person)
    code = "PATIENT_MISMATCH"
    _revoke(planner, host, "revocation_other_patient", "rejected", code, person=person)


def returned(planner: Planner, host: Draft) -> None:
    """A patient brings a line back."""
    line = _first(host)
    _bring_back(planner, host, "return", -abs(line.units), line.dguid)


def return_unknown(planner: Planner, host: Draft) -> None:
    """A return names a line that was never registered."""
    _bring_back(planner, host, "return_invalid", -1, new_guid(planner.rng), "RETURN_INVALID")


def return_unnamed(planner: Planner, host: Draft) -> None:
    """Negative units that name no line."""
    _bring_back(planner, host, "return_invalid", -1, None, "RETURN_INVALID")


def return_positive(planner: Planner, host: Draft) -> None:
    """Positive units that name a line."""
    _bring_back(planner, host, "return_invalid", 1, _first(host).dguid, "RETURN_INVALID")


def return_other_patient(planner: Planner, host: Draft) -> None:
    """A return names the line of another patient."""
    person = planner.other_person(host.visit.person)
    dguid = _first(host).dguid
    _bring_back(planner, host, "return_invalid", -1, dguid, "RETURN_INVALID", person=person)


def line_replay(planner: Planner, host: Draft) -> None:
    """The same lines come again in a new message."""
    again = planner.accepted("line_replay", host.visit, planner.later(host))
    lines = tuple(ExpectedLine(line.dguid, "duplicate") for line in host.visit.lines)
    again.expected = replace(again.expected, outcome="duplicate", lines=lines)
    again.effects = ()
    planner.add(again)


def line_replay_with_new(planner: Planner, host: Draft) -> None:
    """The same lines come again together with one that was forgotten."""
    forgotten = _first(host).model_copy(update={"dguid": new_guid(planner.rng)})
    visit = replace(host.visit, lines=(*host.visit.lines, forgotten))
    again = planner.accepted("line_replay_with_new", visit, planner.later(host))
    known = tuple(ExpectedLine(line.dguid, "duplicate") for line in host.visit.lines)
    again.expected = replace(
        again.expected, lines=(*known, ExpectedLine(forgotten.dguid, "recorded"))
    )
    again.effects = (registered(visit, forgotten),)
    planner.add(again)


def line_conflict(planner: Planner, host: Draft) -> None:
    """A known DGUID comes with other content."""
    line = _first(host)
    other = line.model_copy(update={"units": line.units + 1})
    visit = replace(host.visit, lines=(other,))
    draft = planner.accepted("line_conflict", visit, planner.later(host))
    planner.add(draft)
    _settle(planner, draft, (ExpectedLine(line.dguid, "rejected", ("DGUID_CONFLICT",)),))


def niss_checksum(planner: Planner, host: Draft) -> None:
    """A digit of the patient's number was mistyped; the right one follows."""
    number = host.visit.person.niss
    check = (int(number[9:]) + planner.rng.randint(1, 90)) % 97 + 1
    while f"{check:02d}" == number[9:] or _fits(number[:9], check):
        check = check % 97 + 1
    person = replace(host.visit.person, niss=f"{number[:9]}{check:02d}")
    late = planner.lateness(host.visit.delivered_at)
    visit = replace(host.visit, person=person)
    planner.add(planner.refused("niss_checksum", visit, host.place - 0.5, "NISS_INVALID", *late))


def visit_guid(planner: Planner, host: Draft) -> None:
    """The visit's identifier is none; the right one follows."""
    late = planner.lateness(host.visit.delivered_at)
    visit = replace(host.visit, sguid=host.visit.sguid.replace("-", ""))
    planner.add(planner.refused("visit_guid", visit, host.place - 0.5, "GUID_INVALID", *late))


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
    bad = f"{planner.rng.randrange(10**6):06d}"
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
    units = planner.policy.units_max * planner.rng.randint(2, _TOO_MANY_UNITS)
    _spoil(
        planner,
        host,
        "units_implausible",
        {"units": units},
        result="recorded",
        code="UNITS_IMPLAUSIBLE",
    )


def prescriber(planner: Planner, host: Draft) -> None:
    """The prescriber's number is none, recorded with a warning."""
    update = {"prescription": {"prescriber": "10000107001", "on_substance_name": False}}
    _spoil(planner, host, "prescriber", update, result="recorded", code="PRESCRIBER_INVALID")


def prescription(planner: Planner, host: Draft) -> None:
    """The identifier of the prescription is none, recorded with a warning."""
    update = {"prescription": {"rid": "BEP012ABOI", "on_substance_name": False}}
    _spoil(planner, host, "prescription", update, result="recorded", code="RID_INVALID")


def line_guid(planner: Planner, host: Draft) -> None:
    """A line's identifier is none."""
    bad = _first(host).dguid.replace("-", "")
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
    line = _first(host)
    lines = host.expected.lines
    host.kind = "line_twice"
    host.visit = replace(host.visit, lines=(*host.visit.lines, line))
    host.body = host.visit.body.write()
    _settle(planner, host, (*lines, ExpectedLine(line.dguid, "rejected", ("DGUID_REPEATED",))))


def too_many_lines(planner: Planner, host: Draft) -> None:
    """A submission of 101 lines; the real visit follows."""
    line = _first(host).model_copy(update={"posology": None})
    lines = tuple(line.model_copy(update={"dguid": new_guid(planner.rng)}) for _ in range(101))
    visit = replace(host.visit, lines=lines)
    draft = planner.barred("too_many_lines", visit, host.place - 0.5, "TOO_MANY_LINES")
    planner.add(draft)


def _first(host: Draft) -> SubmittedLine:
    return host.visit.lines[0]


def _outcome(lines: tuple[ExpectedLine, ...]) -> Outcome:
    results = {line.outcome for line in lines}
    if "rejected" not in results:
        return "duplicate" if results == {"duplicate"} else "accepted"
    return "rejected" if results == {"rejected"} else "partial"


def _settle(planner: Planner, draft: Draft, lines: tuple[ExpectedLine, ...]) -> None:
    """Expect these lines: what is recorded enters the record, in the order of the lines."""
    draft.expected = ExpectedReceipt(
        _outcome(lines), planner.lateness(draft.visit.delivered_at), lines
    )
    recorded = zip(draft.visit.lines, lines, strict=True)
    draft.effects = tuple(
        registered(draft.visit, line) for line, after in recorded if after.outcome == "recorded"
    )


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
    _settle(planner, host, (*host.expected.lines[:-1], after))


def _misdated(planner: Planner, host: Draft, moment: datetime, kind: str, code: str) -> None:
    visit = replace(host.visit, delivered_at=moment)
    planner.add(planner.refused(kind, visit, host.place - 0.5, code))


def _bring_back(
    planner: Planner,
    host: Draft,
    kind: str,
    units: int,
    returns: str | None,
    *codes: str,
    person: Person | None = None,
) -> None:
    line = SubmittedLine(
        dguid=new_guid(planner.rng), product=_first(host).product, units=units, returns=returns
    )
    visit = Visit(
        pharmacy=host.visit.pharmacy,
        person=person or host.visit.person,
        delivered_at=planner.visit_after(host).delivered_at,
        sguid=new_guid(planner.rng),
        lines=(line,),
    )
    draft = planner.add(planner.accepted(kind, visit, planner.later(host)))
    result: LineResult = "rejected" if codes else "recorded"
    _settle(planner, draft, (ExpectedLine(line.dguid, result, codes),))


def _correct(
    planner: Planner,
    host: Draft,
    kind: str,
    result: LineResult,
    *codes: str,
    replaces: int = 1,
    dguid: str | None = None,
    person: Person | None = None,
) -> Draft:
    line = _first(host)
    fields = line.model_dump()
    fields |= {"dguid": dguid or line.dguid, "units": line.units + replaces, "replaces": replaces}
    corrected = CorrectedLine.model_validate(fields)
    visit = replace(host.visit, lines=(corrected,), person=person or host.visit.person)
    draft = planner.accepted(kind, visit, planner.later(host))
    shared = host.visit.body.model_dump(exclude={"lines", "patient"})
    patient = SubmittedPatient(niss=visit.person.niss)
    draft.type = CORRECT
    draft.body = CorrectBody(**shared, patient=patient, lines=(corrected,)).write()
    _claim(draft, ExpectedLine(corrected.dguid, result, codes), replaces, "corrected")
    draft.expected = replace(draft.expected, codes=planner.lateness(visit.delivered_at))
    return planner.add(draft)


def _revoke(
    planner: Planner,
    host: Draft,
    kind: str,
    result: LineResult,
    *codes: str,
    replaces: int = 1,
    dguid: str | None = None,
    person: Person | None = None,
) -> Draft:
    visit = replace(host.visit, person=person or host.visit.person)
    draft = planner.accepted(kind, visit, planner.later(host))
    named = dguid or _first(host).dguid
    draft.type = REVOKE
    draft.body = RevokeBody(
        sguid=visit.sguid,
        patient=SubmittedPatient(niss=visit.person.niss),
        dguid=named,
        replaces=replaces,
        reason="Registered by mistake",
    ).write()
    _claim(draft, ExpectedLine(named, result, codes), replaces, "revoked")
    return planner.add(draft)


def _claim(draft: Draft, line: ExpectedLine, replaces: int, status: Status) -> None:
    """Expect one line of a correction or revocation, without a finding about the message."""
    niss, moment = draft.visit.person.niss, draft.visit.delivered_at
    entered = line.outcome == "recorded"
    draft.expected = ExpectedReceipt(_outcome((line,)), (), (line,))
    draft.effects = (
        (Effect(line.dguid or "", replaces + 1, status, niss, moment),) if entered else ()
    )


def _luhn(first6: str) -> int:
    total = 0
    for at, digit in enumerate(reversed(first6)):
        doubled = int(digit) * 2 if at % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004 - the sum of two digits
    return -total % 10


def _fits(first9: str, check: int) -> bool:
    """Whether these check digits are right for a birth in either century."""
    return check in (97 - int(first9) % 97, 97 - int("2" + first9) % 97)
