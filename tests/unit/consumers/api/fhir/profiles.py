"""The profiles as rules in data, written apart from the code that writes the resources.

A rule is a path, its cardinality, and what the value must be; `[x]` steps into every element of a
list, `#code` into those whose type has that code. Sources: domain reference 8.1 to 8.3
(BeMedicationDispense 1.1.0, be-core 2.1.2), FHIR R4 4.0.1 for MedicationDispense, AuditEvent,
Consent, CapabilityStatement, OperationOutcome and Bundle, and IHE BALP 1.1.3 (PatientQuery).
"""

import re
from collections.abc import Iterator
from typing import Any

MANY = 1_000
E = "https://www.ehealth.fgov.be/standards/fhir"
GFD = "https://www.gfd-dpp.be/fhir/reference"
GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
Rule = tuple[str, int, int, str | None]

DISPENSE: tuple[Rule, ...] = (
    ("resourceType", 1, 1, "MedicationDispense"),
    ("meta.profile", 1, 1, re.escape(f"{E}/medication/StructureDefinition/BeMedicationDispense")),
    ("identifier", 1, MANY, None),
    ("identifier[x].system", 1, 1, re.escape(f"{GFD}/dguid")),
    ("identifier[x].value", 1, 1, GUID),
    (
        "status",
        1,
        1,
        "preparation|in-progress|cancelled|on-hold|completed|entered-in-error|stopped|declined|unknown",
    ),
    ("subject", 1, 1, None),
    ("subject.reference", 0, 0, None),
    ("subject.identifier.system", 1, 1, re.escape(f"{E}/core/NamingSystem/ssin")),
    ("subject.identifier.value", 1, 1, r"\d{11}"),
    ("context", 0, 1, None),
    ("context.identifier.system", 0, 1, re.escape(f"{GFD}/sguid")),
    ("context.identifier.value", 0, 1, GUID),
    ("performer", 1, MANY, None),
    ("performer[x].actor", 1, 1, None),
    ("performer[x].function.text", 1, 1, "dispenser"),
    ("performer[x].actor.identifier.system", 0, 1, re.escape(f"{E}/core/NamingSystem/nihdi")),
    ("performer[x].actor.identifier.value", 0, 1, r"\d{8}"),
    (
        "authorizingPrescription[x].identifier.system",
        0,
        1,
        "http://ehealth\\.fgov\\.be/standards/fhir/medication/NamingSystem/be-ns-prescription",
    ),
    ("quantity", 0, 1, None),
    ("quantity.system", 0, 1, re.escape(f"{GFD}/packaging")),
    ("quantity.code", 0, 1, "package"),
    ("quantity.comparator", 0, 0, None),
    ("whenHandedOver|_whenHandedOver", 1, 1, None),
    ("whenHandedOver", 0, 1, INSTANT),
    ("medicationCodeableConcept|medicationReference", 1, 1, None),
    (
        "medicationCodeableConcept.coding[x].system",
        0,
        1,
        re.escape(f"{E}/medication/NamingSystem/cnk-codes"),
    ),
    ("medicationCodeableConcept.coding[x].code", 0, 1, r"\d{7}"),
    ("medicationReference.reference", 0, 1, "#medication"),
    ("note[x].text", 0, 1, None),
    ("dosageInstruction[x].timing.repeat.periodUnit", 0, 1, "s|min|h|d|wk|mo|a"),
    ("dosageInstruction[x].timing.repeat.when", 0, MANY, "MORN|NOON|EVE|HS"),
)
ACCESS: tuple[Rule, ...] = (
    ("resourceType", 1, 1, "AuditEvent"),
    ("type.system", 1, 1, "http://terminology\\.hl7\\.org/CodeSystem/audit-event-type"),
    ("type.code", 1, 1, "rest"),
    ("subtype", 1, MANY, None),
    ("subtype[x].system", 1, 1, "http://hl7\\.org/fhir/restful-interaction"),
    ("subtype[x].code", 1, 1, "search|search-type"),
    ("action", 1, 1, "E"),
    ("recorded", 1, 1, INSTANT),
    ("outcome", 1, 1, "0|4|8|12"),
    ("agent", 2, MANY, None),
    ("agent[x].who", 1, 1, None),
    ("agent[x].requestor", 1, 1, None),
    ("source.observer", 1, 1, None),
    ("entity", 2, MANY, None),
    ("entity[x].type.system", 1, 1, "http://terminology\\.hl7\\.org/CodeSystem/audit-entity-type"),
    ("entity[x].role.system", 1, 1, "http://terminology\\.hl7\\.org/CodeSystem/object-role"),
    # sev-1: a name or a query, not both.
    ("entity[x].name", 0, 0, None),
)
"""Of every entry of the log, refused or not."""
PATIENT_QUERY: tuple[Rule, ...] = (
    *ACCESS,
    (
        "meta.profile",
        1,
        1,
        "https://profiles\\.ihe\\.net/ITI/BALP/StructureDefinition/IHE\\.BasicAudit\\.PatientQuery",
    ),
    ("outcome", 1, 1, "0"),
    ("agent#110153", 1, 1, None),
    ("agent#110153.network", 1, 1, None),
    ("agent#110152", 1, 1, None),
    ("agent#110152.network", 1, 1, None),
    ("agent#IRCP", 0, 1, None),
    ("agent#IRCP.requestor", 1, 1, "True"),
    ("agent#IRCP.network", 0, 0, None),
    ("entity#2", 1, 1, None),
    ("entity#2.query", 1, 1, "[A-Za-z0-9+/=]+"),
    ("entity#2.what", 0, 0, None),
    ("entity#2.detail", 0, 0, None),
    ("entity#1", 1, 1, None),
    ("entity#1.what.identifier.value", 1, 1, r"\d{11}"),
)
"""Of a read that was granted: BALP 1.1.3, whose slices are told by their type."""
CONSENT: tuple[Rule, ...] = (
    ("resourceType", 1, 1, "Consent"),
    ("status", 1, 1, "active|inactive"),
    ("scope.coding[x].code", 1, 1, "patient-privacy"),
    ("category", 1, MANY, None),
    ("patient.identifier.system", 1, 1, re.escape(f"{E}/core/NamingSystem/ssin")),
    # ppc-1: either a policy or a policy rule.
    ("policy|policyRule", 1, 1, None),
    ("provision.type", 1, 1, "deny|permit"),
    ("provision.provision[x].type", 0, 1, "deny"),
    ("provision.provision[x].actor[x].role", 1, 1, None),
    ("provision.provision[x].actor[x].reference", 1, 1, None),
)
_SEVERITY = "fatal|error|warning|information"
_ISSUE = (
    "invalid|structure|required|value|invariant|security|login|unknown|expired|forbidden|suppressed"
    "|processing|not-supported|duplicate|multiple-matches|not-found|deleted|too-long|code-invalid"
    "|extension|too-costly|business-rule|conflict|transient|lock-error|no-store|exception|timeout"
    "|incomplete|throttled|informational"
)
OUTCOME: tuple[Rule, ...] = (
    ("resourceType", 1, 1, "OperationOutcome"),
    ("issue", 1, MANY, None),
    ("issue[x].severity", 1, 1, _SEVERITY),
    ("issue[x].code", 1, 1, _ISSUE),
    ("issue[x].details", 0, 1, None),
    ("issue[x].details.coding[x].system", 1, 1, None),
    ("issue[x].details.coding[x].code", 1, 1, "[a-z-]+"),
    ("issue[x].details.text", 1, 1, r".{1,200}"),
    ("issue[x].diagnostics", 0, 1, None),
    ("issue[x].expression", 0, MANY, r"http\.[A-Za-z_./-]+"),
)
CAPABILITY: tuple[Rule, ...] = (
    ("resourceType", 1, 1, "CapabilityStatement"),
    ("status", 1, 1, "draft|active|retired|unknown"),
    ("date", 1, 1, r"\d{4}(-\d\d(-\d\d)?)?"),
    ("kind", 1, 1, "instance|capability|requirements"),
    # cpb-15: an instance says which implementation, cpb-14: with a description.
    ("implementation.description", 1, 1, None),
    ("software.name", 1, 1, None),
    ("fhirVersion", 1, 1, r"4\.0\.1"),
    ("format", 1, MANY, "application/fhir\\+json|json"),
    ("rest", 1, MANY, None),
    ("rest[x].mode", 1, 1, "client|server"),
    ("rest[x].resource", 1, MANY, None),
    ("rest[x].resource[x].type", 1, 1, "MedicationDispense|AuditEvent|Consent"),
    ("rest[x].resource[x].interaction", 0, MANY, None),
    ("rest[x].resource[x].interaction[x].code", 1, 1, "search-type"),
    ("rest[x].resource[x].searchParam[x].name", 1, 1, "_?[a-z]+(_[a-z]+)?"),
    (
        "rest[x].resource[x].searchParam[x].type",
        1,
        1,
        "number|date|string|token|reference|composite|quantity|uri|special",
    ),
    ("rest[x].resource[x].supportedProfile", 0, MANY, "https://.*"),
)
BUNDLE: tuple[Rule, ...] = (
    ("resourceType", 1, 1, "Bundle"),
    ("type", 1, 1, "searchset"),
    # Left out: it would say how much there is, and change while lines arrive.
    ("total", 0, 0, None),
    ("meta.lastUpdated", 1, 1, INSTANT),
    ("meta.extension", 1, 1, None),
    ("link", 1, 2, None),
    ("link[x].relation", 1, 1, "self|next"),
    ("link[x].url", 1, 1, r"/fhir/[A-Za-z]+(/_search|\?_page=[^&]+)"),
    ("entry[x].fullUrl", 1, 1, r"urn:uuid:[0-9a-f-]{36}"),
    ("entry[x].resource", 1, 1, None),
    ("entry[x].search.mode", 1, 1, "match|outcome"),
)
BASIS: tuple[Rule, ...] = (
    ("url", 1, 1, "https://schemas\\.dpp\\.be/fhir/StructureDefinition/read-basis"),
    ("extension", 3, MANY, None),
    ("extension[x].url", 1, 1, "asOf|policyVersion|behind|position"),
)
"""What every Bundle says it rests on."""


def faults(resource: dict[str, Any], rules: tuple[Rule, ...]) -> list[str]:
    """What a resource breaks, each as path and what was found."""
    return [fault for rule in rules for fault in _faults(resource, rule)]


def _faults(resource: Any, rule: Rule) -> Iterator[str]:
    path, least, most, form = rule
    *above, last = path.split(".")
    for parent in _parents([resource], above):
        found = [value for name in last.split("|") for value in _values(parent, name)]
        if not least <= len(found) <= most:
            yield f"{path}: {len(found)} of {least}..{most}"
        if form is not None:
            yield from (f"{path}: {v!r}" for v in found if not re.fullmatch(form, str(v)))


def _parents(found: list[Any], steps: list[str]) -> list[Any]:
    for step in steps:
        found = [value for one in found for value in _values(one, step)]
    return found


def _values(parent: dict[str, Any], name: str) -> list[Any]:
    name, _, code = name.removesuffix("[x]").partition("#")
    value = parent.get(name)
    if value is None:
        return []
    found = value if isinstance(value, list) else [value]
    return [one for one in found if code in _codes(one)] if code else found


def _codes(one: dict[str, Any]) -> list[str]:
    kind = one["type"]
    return [coding["code"] for coding in kind.get("coding", [kind])]
