"""What the guides demand beyond FHIR R4, as StructureDefinitions for a validator from outside.

Only constraints, written from the published guides: hl7.fhir.be.medication (BeMedicationDispense)
and IHE BALP 1.1.3 (PatientQuery with the Query that it derives from). What a logical reference
points to (be-patient, be-organization) is not looked at by a validator, and is left out, like value
sets of an example binding and what is optional.
"""

from typing import Any, Final

from consumers.api.fhir import systems
from consumers.api.fhir.accesses import DICOM, PATIENT_QUERY

_FHIR: Final = "http://hl7.org/fhir/StructureDefinition"
_CODES: Final = "http://terminology.hl7.org/CodeSystem"
_SEARCHES: Final = ("search", "search-type", "search-system")
Element = dict[str, Any]


def definitions() -> dict[str, dict[str, Any]]:
    """Each by the name of its file."""
    return {
        "dispense": _profile(systems.BE_MEDICATION_DISPENSE, "MedicationDispense", _dispense()),
        "patient-query": _profile(PATIENT_QUERY, "AuditEvent", _patient_query()),
    }


def _profile(url: str, resource: str, elements: list[Element]) -> dict[str, Any]:
    name = url.rpartition("/")[2]
    return {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": url,
        "name": "".join(part for part in name if part.isalnum()),
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": resource,
        "baseDefinition": f"{_FHIR}/{resource}",
        "derivation": "constraint",
        "differential": {"element": [{"id": resource, "path": resource}, *elements]},
    }


def _on(resource: str, name: str, **members: Any) -> Element:
    """An element: `name` steps through members, and `:` names a slice."""
    steps = (step.partition(":")[0] for step in name.split("."))
    made = {"id": f"{resource}.{name}", "path": ".".join((resource, *steps)), **members}
    last = name.rpartition(".")[2]
    return made | ({"sliceName": last.partition(":")[2]} if ":" in last else {})


def _sliced(kind: str, by: str, **members: Any) -> dict[str, Any]:
    return {"slicing": {"discriminator": [{"type": kind, "path": by}], "rules": "open"}, **members}


def _dispense() -> list[Element]:
    on, guid = "MedicationDispense", "identifier:DGUID"
    packs = {"system": systems.PACKAGING, "code": "package"}
    return [
        _on(on, "identifier", **_sliced("value", "system")),
        _on(on, guid, min=1, max="1"),
        _on(on, f"{guid}.type.coding.code", patternCode="dguid"),
        _on(on, f"{guid}.system", min=1, fixedUri=systems.DGUID),
        _on(on, "subject", min=1),
        _on(on, "context.identifier.type.coding.system", patternUri=f"{_GFD}/identifier_types"),
        _on(on, "context.identifier.type.coding.code", patternCode="sguid"),
        _on(on, "context.identifier.system", patternUri=systems.SGUID),
        _on(on, "performer", min=1),
        _on(on, "performer.function.text", patternString="dispenser"),
        _on(on, "quantity", patternQuantity=packs),
        _on(on, "whenHandedOver", min=1),
    ]


_GFD: Final = systems.DGUID.rpartition("/")[0]


def _patient_query() -> list[Element]:
    on = "AuditEvent"
    rest = {"system": f"{_CODES}/audit-event-type", "code": "rest"}
    return [
        _on(on, "type", patternCoding=rest),
        _on(on, "subtype", **_sliced("value", "$this", min=1)),
        *(_on(on, f"subtype:{code}", max="1", patternCoding=_search(code)) for code in _SEARCHES),
        _on(on, "action", patternCode="E"),
        _on(on, "outcome", min=1, patternCode="0"),
        _on(on, "agent", **_sliced("pattern", "type", min=2)),
        *_agent("client", DICOM, "110153", min=1),
        _on(on, "agent:client.network", min=1),
        *_agent("server", DICOM, "110152", min=1),
        _on(on, "agent:server.network", min=1),
        *_agent("user", f"{_CODES}/v3-ParticipationType", "IRCP"),
        _on(on, "agent:user.requestor", patternBoolean=True),
        _on(on, "agent:user.network", max="0"),
        _on(on, "entity", **_sliced("pattern", "type", min=2)),
        *_entity("query", "2", "24"),
        _on(on, "entity:query.query", min=1),
        _on(on, "entity:query.detail", max="0"),
        *_entity("patient", "1", "1"),
    ]


def _search(code: str) -> dict[str, str]:
    return {"system": "http://hl7.org/fhir/restful-interaction", "code": code}


def _agent(name: str, system: str, code: str, **members: Any) -> list[Element]:
    kind = {"coding": [{"system": system, "code": code}]}
    return [
        _on("AuditEvent", f"agent:{name}", max="1", **members),
        _on("AuditEvent", f"agent:{name}.type", min=1, patternCodeableConcept=kind),
        _on("AuditEvent", f"agent:{name}.who", min=1),
        _on("AuditEvent", f"agent:{name}.media", max="0"),
    ]


def _entity(name: str, kind: str, role: str) -> list[Element]:
    on = "AuditEvent"
    what = {"max": "0"} if name == "query" else {"min": 1}
    kinds = {"system": f"{_CODES}/audit-entity-type", "code": kind}
    roles = {"system": f"{_CODES}/object-role", "code": role}
    return [
        _on(on, f"entity:{name}", min=1, max="1"),
        _on(on, f"entity:{name}.what", **what),
        _on(on, f"entity:{name}.type", min=1, patternCoding=kinds),
        _on(on, f"entity:{name}.role", min=1, patternCoding=roles),
    ]
