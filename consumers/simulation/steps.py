"""Steps of a line's life, right and wrong ones: planted on ordinary visits, outcomes known.

Every function takes the planner and the draft of an ordinary visit that nothing else was planted
on, so that what is planted here meets no other plant.
"""

from dataclasses import replace
from typing import Final

from consumers.simulation.drafting import Draft, Planner, first_line, outcome_of, registered, settle
from consumers.simulation.plan import Effect, ExpectedLine, ExpectedReceipt, Status
from consumers.simulation.population import Person
from consumers.simulation.year import Visit, new_guid
from schemas.dispensation import (
    CORRECT,
    REVOKE,
    CorrectBody,
    CorrectedLine,
    MedicinalProduct,
    Product,
    RevokeBody,
    SubmittedLine,
    SubmittedPatient,
    UnregisteredProduct,
)
from schemas.receipts import LineResult

ANOTHER: Final = "1484229"


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
    line = first_line(host)
    _bring_back(planner, host, "return", -abs(line.units), line.dguid)


def return_unknown(planner: Planner, host: Draft) -> None:
    """A return names a line that was never registered."""
    _bring_back(planner, host, "return_invalid", -1, new_guid(planner.rng), "RETURN_INVALID")


def return_unnamed(planner: Planner, host: Draft) -> None:
    """Negative units that name no line."""
    _bring_back(planner, host, "return_invalid", -1, None, "RETURN_INVALID")


def return_positive(planner: Planner, host: Draft) -> None:
    """Positive units that name a line."""
    _bring_back(planner, host, "return_invalid", 1, first_line(host).dguid, "RETURN_INVALID")


def return_other_patient(planner: Planner, host: Draft) -> None:
    """A return names the line of another patient."""
    person = planner.other_person(host.visit.person)
    dguid = first_line(host).dguid
    _bring_back(planner, host, "return_invalid", -1, dguid, "RETURN_INVALID", person=person)


def return_of_another_product(planner: Planner, host: Draft) -> None:
    """A return of a product that the line did not deliver."""
    line = first_line(host)
    other = UnregisteredProduct(description="Tisane")
    product = MedicinalProduct(cnk=ANOTHER) if line.product.kind != "cnk" else other
    code = "RETURN_PRODUCT_DIFFERS"
    _bring_back(planner, host, "return_invalid", -1, line.dguid, code, product=product)


def return_too_many(planner: Planner, host: Draft) -> None:
    """A line comes back whole, and then once more."""
    line = first_line(host)
    first = _bring_back(planner, host, "return", -line.units, line.dguid)
    second = _bring_back(planner, host, "return_invalid", -1, line.dguid, "RETURN_TOO_MANY")
    second.place = second.slot = first.place + 0.1


def revocation_other_visit(planner: Planner, host: Draft) -> None:
    """A revocation names another visit than the line's."""
    draft = _revoke(planner, host, "revocation_other_visit", "rejected", "VISIT_MISMATCH")
    body = RevokeBody.read(draft.body)
    draft.body = body.model_copy(update={"sguid": new_guid(planner.rng)}).write()


def line_replay(planner: Planner, host: Draft) -> None:
    """The same lines come again in a new message."""
    again = planner.accepted("line_replay", host.visit, planner.later(host))
    lines = tuple(ExpectedLine(line.dguid, "duplicate") for line in host.visit.lines)
    again.expected = replace(again.expected, outcome="duplicate", lines=lines)
    again.effects = ()
    planner.add(again)


def line_replay_with_new(planner: Planner, host: Draft) -> None:
    """The same lines come again with one that was forgotten; it is like another, so doubtful."""
    forgotten = first_line(host).model_copy(update={"dguid": new_guid(planner.rng)})
    visit = replace(host.visit, lines=(*host.visit.lines, forgotten))
    again = planner.accepted("line_replay_with_new", visit, planner.later(host))
    known = tuple(ExpectedLine(line.dguid, "duplicate") for line in host.visit.lines)
    again.expected = replace(
        again.expected,
        lines=(*known, ExpectedLine(forgotten.dguid, "recorded", ("PRODUCT_REPEATED",))),
    )
    again.effects = (registered(visit, forgotten),)
    planner.add(again)


def line_conflict(planner: Planner, host: Draft) -> None:
    """A known DGUID comes with other content."""
    line = first_line(host)
    other = line.model_copy(update={"units": line.units + 1})
    visit = replace(host.visit, lines=(other,))
    draft = planner.accepted("line_conflict", visit, planner.later(host))
    planner.add(draft)
    settle(planner, draft, (ExpectedLine(line.dguid, "rejected", ("DGUID_CONFLICT",)),))


def _bring_back(
    planner: Planner,
    host: Draft,
    kind: str,
    units: int,
    returns: str | None,
    *codes: str,
    person: Person | None = None,
    product: Product | None = None,
) -> Draft:
    line = SubmittedLine(
        dguid=new_guid(planner.rng),
        product=product or first_line(host).product,
        units=units,
        returns=returns,
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
    settle(planner, draft, (ExpectedLine(line.dguid, result, codes),))
    return draft


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
    line = first_line(host)
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
    named = dguid or first_line(host).dguid
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
    draft.expected = ExpectedReceipt(outcome_of((line,)), (), (line,))
    draft.effects = (
        (Effect(line.dguid or "", replaces + 1, status, niss, moment),) if entered else ()
    )
