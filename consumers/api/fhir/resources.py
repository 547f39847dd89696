"""FHIR R4 resources, as far as they are spoken here."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from consumers.api.fhir.datatypes import (
    Absent,
    Annotation,
    Code,
    CodeableConcept,
    Coding,
    DateTimeText,
    Element,
    Extension,
    Id,
    Identifier,
    Meta,
    Number,
    Period,
    Quantity,
    Reference,
)


class Ingredient(Element):
    """One ingredient of a preparation."""

    item_codeable_concept: CodeableConcept


class Batch(Element):
    """The batch of a pack and its last day of use."""

    lot_number: str | None = None
    expiration_date: DateTimeText | None = None


class Medication(Element):
    """What was dispensed, where a code alone does not say it."""

    resource_type: Literal["Medication"] = "Medication"
    id: Id
    code: CodeableConcept | None = None
    form: CodeableConcept | None = None
    ingredient: tuple[Ingredient, ...] | None = None
    batch: Batch | None = None


class Performer(Element):
    """Who dispensed."""

    function: CodeableConcept
    actor: Reference


class Repeat(Element):
    """How often a dose is taken, and during which days."""

    bounds_period: Period | None = None
    frequency: int | None = None
    period: Number | None = None
    period_unit: Code | None = None
    when: tuple[Code, ...] | None = None


class Timing(Element):
    """When a dose is taken."""

    repeat: Repeat


class DoseAndRate(Element):
    """How much at a time."""

    dose_quantity: Quantity


class Dosage(Element):
    """How the patient is to take the medicine."""

    text: str | None = None
    patient_instruction: str | None = None
    timing: Timing | None = None
    as_needed_boolean: bool | None = None
    route: CodeableConcept | None = None
    dose_and_rate: tuple[DoseAndRate, ...] | None = None


class MedicationDispense(Element):
    """One line of the record, in the profile BeMedicationDispense."""

    resource_type: Literal["MedicationDispense"] = "MedicationDispense"
    id: Id
    meta: Meta
    contained: tuple[Medication, ...] | None = None
    extension: tuple[Extension, ...] | None = None
    identifier: tuple[Identifier, ...]
    status: Literal["completed", "entered-in-error"]
    medication_codeable_concept: CodeableConcept | None = None
    medication_reference: Reference | None = None
    subject: Reference
    context: Reference | None = None
    performer: tuple[Performer, ...]
    authorizing_prescription: tuple[Reference, ...] | None = None
    quantity: Quantity | None = None
    when_handed_over: AwareDatetime | None = None
    when_handed_over_element: Annotated[Absent | None, Field(alias="_whenHandedOver")] = None
    note: tuple[Annotation, ...] | None = None
    dosage_instruction: tuple[Dosage, ...] | None = None


class Network(Element):
    """Where a machine is."""

    extension: tuple[Extension, ...]


class Agent(Element):
    """Somebody or something that took part in an access."""

    type: CodeableConcept
    role: tuple[CodeableConcept, ...] | None = None
    who: Reference
    requestor: bool
    network: Network | None = None
    purpose_of_use: tuple[CodeableConcept, ...] | None = None


class Source(Element):
    """What reports the access."""

    observer: Reference


class Detail(Element):
    """A figure about an entity."""

    type: str
    value_string: str


class Entity(Element):
    """What was accessed, or asked."""

    what: Reference | None = None
    type: Coding
    role: Coding
    query: str | None = None
    detail: tuple[Detail, ...] | None = None


class AuditEvent(Element):
    """One decision about a patient's data, in IHE's Basic Audit Log Patterns."""

    resource_type: Literal["AuditEvent"] = "AuditEvent"
    id: Id
    meta: Meta | None = None
    type: Coding
    subtype: tuple[Coding, ...]
    action: Literal["E"] = "E"
    recorded: AwareDatetime
    outcome: Literal["0", "4"]
    outcome_desc: str | None = None
    purpose_of_event: tuple[CodeableConcept, ...]
    agent: tuple[Agent, ...]
    source: Source
    entity: tuple[Entity, ...]


class ProvisionActor(Element):
    """Whom a provision is about."""

    role: CodeableConcept
    reference: Reference


class NestedProvision(Element):
    """An exception to what is provided."""

    type: Literal["deny"]
    period: Period | None = None
    actor: tuple[ProvisionActor, ...] | None = None


class Provision(Element):
    """What is agreed to, since when, and the exceptions."""

    type: Literal["permit", "deny"]
    period: Period | None = None
    provision: tuple[NestedProvision, ...] | None = None


class Consent(Element):
    """A patient's informed consent to sharing."""

    resource_type: Literal["Consent"] = "Consent"
    id: Id
    status: Literal["active", "inactive"]
    scope: CodeableConcept
    category: tuple[CodeableConcept, ...]
    patient: Reference
    date_time: AwareDatetime
    performer: tuple[Reference, ...] | None = None
    policy_rule: CodeableConcept
    provision: Provision


class OutcomeIssue(Element):
    """One finding about a request."""

    severity: Literal["fatal", "error", "warning", "information"]
    code: Code
    details: CodeableConcept
    diagnostics: str | None = None
    expression: tuple[str, ...] | None = None


class OperationOutcome(Element):
    """A refusal, or a remark about an answer."""

    resource_type: Literal["OperationOutcome"] = "OperationOutcome"
    issue: Annotated[tuple[OutcomeIssue, ...], Field(min_length=1)]


Entry = Annotated[
    MedicationDispense | AuditEvent | Consent | OperationOutcome,
    Field(discriminator="resource_type"),
]


class SearchMode(Element):
    """Whether an entry was found, or says something about the search."""

    mode: Literal["match", "outcome"]


class BundleEntry(Element):
    """One resource found."""

    full_url: str
    resource: Entry
    search: SearchMode


class BundleLink(Element):
    """Where this page is, or the next one."""

    relation: Literal["self", "next"]
    url: str


class Bundle(Element):
    """One page of what a search found."""

    resource_type: Literal["Bundle"] = "Bundle"
    id: Id
    meta: Meta
    type: Literal["searchset"] = "searchset"
    link: tuple[BundleLink, ...]
    entry: tuple[BundleEntry, ...] | None = None


class Software(Element):
    """What serves."""

    name: str
    version: str


class SearchParam(Element):
    """A parameter of searches."""

    name: str
    type: Literal["token", "date", "reference", "number", "string", "special"]
    documentation: str


class Interaction(Element):
    """What can be done with a resource."""

    code: Literal["search-type"] = "search-type"


class ServedResource(Element):
    """A resource that is served."""

    type: Literal["MedicationDispense", "AuditEvent", "Consent"]
    profile: str | None = None
    supported_profile: tuple[str, ...] | None = None
    documentation: str
    interaction: tuple[Interaction, ...]
    search_param: tuple[SearchParam, ...] | None = None


class Security(Element):
    """How callers prove who they are."""

    cors: bool
    service: tuple[CodeableConcept, ...]
    description: str


class Rest(Element):
    """What is served over HTTP."""

    mode: Literal["server"] = "server"
    documentation: str
    security: Security
    resource: tuple[ServedResource, ...]


class CapabilityStatement(Element):
    """What this server can do."""

    resource_type: Literal["CapabilityStatement"] = "CapabilityStatement"
    status: Literal["active"] = "active"
    date: DateTimeText
    kind: Literal["instance"] = "instance"
    software: Software
    implementation: dict[str, str]
    fhir_version: Literal["4.0.1"] = "4.0.1"
    format: tuple[str, ...]
    implementation_guide: tuple[str, ...]
    rest: tuple[Rest, ...]
