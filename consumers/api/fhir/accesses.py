"""Entries of the access log as AuditEvent, in IHE's Basic Audit Log Patterns (BALP 1.1, query).

The pattern is one of successes, so a refusal has its shape without claiming it. Addresses of
machines are not recorded, so `network` says that they are not known. What the pattern keeps out of
the query (window and number of rows) is an entity of its own, the answer.
"""

import base64
from collections.abc import Iterator
from typing import Final

from consumers.api.accesslog import AccessView
from consumers.api.fhir import systems
from consumers.api.fhir.datatypes import (
    CodeableConcept,
    Coding,
    Identifier,
    Meta,
    Reference,
    absent,
    as_id,
    coded,
    instant,
)
from consumers.api.fhir.resources import Agent, AuditEvent, Detail, Entity, Network, Source
from consumers.api.people import PersonView

PATIENT_QUERY: Final = (
    "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientQuery"
)
DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_RESTFUL: Final = "http://hl7.org/fhir/restful-interaction"
_SERVER: Final = "Shared Pharmaceutical Record read API"
_PURPOSES: Final = {
    "own_history": "PATRQT",
    "access_log": "PATRQT",
    "registrations": "PATRQT",
    "emergency": "BTG",
}
"""ActReason by purpose; anything else serves treatment, or the family when one acts for it."""
_NUMBERS: Final = {"citizen": systems.SSIN, "professional": systems.NIHDI}
"""System of a person's number by kind; organisations have NIHDI or CBE numbers."""
_CBE_DIGITS: Final = 10
_NOT_KNOWN: Final = "not known"
"""What stands where there is neither number nor name, for those who show references."""
_UNKNOWN: Final = Network(extension=absent())


def access(entry: AccessView, patient: str) -> AuditEvent:
    """One decision about the data of the patient with this national number."""
    granted = entry.decision == "permit"
    return AuditEvent(
        id=as_id(entry.id),
        meta=Meta(profile=(PATIENT_QUERY,)) if granted else None,
        type=Coding(
            system=f"{_TERMINOLOGY}/audit-event-type", code="rest", display="Restful Operation"
        ),
        subtype=(
            Coding(system=_RESTFUL, code="search", display="search"),
            Coding(system=_RESTFUL, code="search-type", display="search-type"),
        ),
        recorded=entry.at,
        outcome="0" if granted else "4",
        outcome_desc=entry.words.get("en"),
        purpose_of_event=(_purpose(entry),),
        agent=tuple(_agents(entry)),
        source=Source(observer=Reference(type="Device", display=_SERVER)),
        entity=(_query(entry), _patient(patient), _answer(entry)),
    )


def _purpose(entry: AccessView, text: str | None = None) -> CodeableConcept:
    code = "FAMRQT" if entry.on_your_behalf else _PURPOSES.get(entry.purpose, "TREAT")
    return CodeableConcept(
        coding=(Coding(system=systems.ACT_REASON, code=code),),
        text=text or entry.purpose,
    )


def _agents(entry: AccessView) -> Iterator[Agent]:
    """Client, server, the person who asked, and where they work."""
    yield Agent(
        type=coded(DICOM, "110153", "Source Role ID"),
        who=Reference(type="Device", display="not recorded"),
        requestor=False,
        network=_UNKNOWN,
    )
    yield Agent(
        type=coded(DICOM, "110152", "Destination Role ID"),
        who=Reference(type="Device", display=_SERVER),
        requestor=False,
        network=_UNKNOWN,
    )
    role = CodeableConcept(text=entry.profession or entry.role)
    yield Agent(
        type=coded(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP", "information recipient"),
        role=(role,),
        who=who(entry.reader),
        requestor=True,
        purpose_of_use=(_purpose(entry, entry.motivation),) if entry.motivation else None,
    )
    if entry.organisation is not None:
        yield Agent(
            type=coded(f"{_TERMINOLOGY}/v3-RoleClass", "PROV", "healthcare provider"),
            who=Reference(type="Organization", identifier=organisation(entry.organisation)),
            requestor=False,
        )


def who(reader: PersonView | None) -> Reference:
    """A person or organisation by number and name, as far as they may be known."""
    if reader is None:
        return Reference(display=_NOT_KNOWN, extension=absent())
    number = reader.number
    if reader.kind == "organisation" and number is not None:
        identifier: Identifier | None = organisation(number)
    else:
        identifier = Identifier(system=_NUMBERS[reader.kind], value=number) if number else None
    return Reference(
        extension=None if identifier or reader.name else absent(),
        identifier=identifier,
        display=reader.name or (None if identifier else _NOT_KNOWN),
    )


def organisation(number: str) -> Identifier:
    """An organisation's number: ten digits are an enterprise's, others are NIHDI numbers."""
    system = systems.CBE if len(number) == _CBE_DIGITS and number[0] in "01" else systems.NIHDI
    return Identifier(system=system, value=number)


def _query(entry: AccessView) -> Entity:
    asked = f"POST {entry.endpoint}" if entry.endpoint else entry.purpose
    return Entity(
        type=Coding(system=f"{_TERMINOLOGY}/audit-entity-type", code="2", display="System Object"),
        role=Coding(system=f"{_TERMINOLOGY}/object-role", code="24", display="Query"),
        query=base64.b64encode(asked.encode()).decode(),
    )


def _answer(entry: AccessView) -> Entity:
    details = [Detail(type="rows", value_string=str(entry.rows))]
    if entry.window is not None:
        details.append(Detail(type="window-start", value_string=instant(entry.window.start)))
        details.append(Detail(type="window-end", value_string=instant(entry.window.end)))
    return Entity(
        type=Coding(system=f"{_TERMINOLOGY}/audit-entity-type", code="4", display="Other"),
        role=Coding(system=f"{_TERMINOLOGY}/object-role", code="3", display="Report"),
        detail=tuple(details),
    )


def _patient(number: str) -> Entity:
    return Entity(
        what=Reference(type="Patient", identifier=Identifier(system=systems.SSIN, value=number)),
        type=Coding(system=f"{_TERMINOLOGY}/audit-entity-type", code="1", display="Person"),
        role=Coding(system=f"{_TERMINOLOGY}/object-role", code="1", display="Patient"),
    )
