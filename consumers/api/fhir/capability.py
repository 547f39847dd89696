"""What the FHIR face can do, as it tells everybody who asks."""

from consumers.api.fhir import systems
from consumers.api.fhir.accesses import PATIENT_QUERY
from consumers.api.fhir.datatypes import CodeableConcept, coded
from consumers.api.fhir.outcomes import FHIR_JSON
from consumers.api.fhir.resources import (
    CapabilityStatement,
    Interaction,
    Rest,
    SearchParam,
    Security,
    ServedResource,
    Software,
)

_SEARCHES = "POST to _search with a form; a next link is read by GET and names nobody."


def statement(version: str) -> CapabilityStatement:
    """The statement of this version of the software."""
    return CapabilityStatement(
        date="2026-11-26",
        software=Software(name="Shared Pharmaceutical Record read API", version=version),
        implementation={"description": "Belgian Shared Pharmaceutical Record, FHIR R4 face"},
        format=(FHIR_JSON, "json"),
        implementation_guide=(
            f"{systems.MEDICATION_GUIDE}|1.1.0",
            "https://profiles.ihe.net/ITI/BALP/ImplementationGuide/ihe.iti.balp",
        ),
        rest=(
            Rest(
                documentation=_SEARCHES,
                security=_security(),
                resource=(_dispenses(), _accesses(), _consents()),
            ),
        ),
    )


def _security() -> Security:
    service = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    return Security(
        cors=False,
        service=(
            CodeableConcept(
                coding=coded(service, "OAuth").coding,
                text="OAuth 2 bearer tokens of pinned issuers",
            ),
        ),
        description="Every read is decided and recorded before it is answered.",
    )


def _count() -> SearchParam:
    return SearchParam(name="_count", type="number", documentation="Entries on a page, at most.")


def _dispenses() -> ServedResource:
    return ServedResource(
        type="MedicationDispense",
        supported_profile=(systems.BE_MEDICATION_DISPENSE,),
        documentation="Lines of a patient's history, as far as the reader may see them.",
        interaction=(Interaction(),),
        search_param=(
            SearchParam(
                name="patient",
                type="reference",
                documentation="The patient's SSIN, as system|value or alone; oneself if left out.",
            ),
            SearchParam(
                name="whenhandedover",
                type="date",
                documentation="Prefixes eq, gt, ge, lt, le, sa, eb; may be given several times.",
            ),
            SearchParam(
                name="status",
                type="token",
                documentation="completed (as if nothing is said) or entered-in-error: revoked.",
            ),
            SearchParam(name="identifier", type="token", documentation="The DGUID of one line."),
            _count(),
            SearchParam(
                name="_sort",
                type="string",
                documentation="-whenhandedover (as if nothing is said) or whenhandedover.",
            ),
            SearchParam(
                name="purpose",
                type="token",
                documentation="BTG or ETREAT: an emergency without a link, if policy allows it.",
            ),
            SearchParam(
                name="motivation_type",
                type="token",
                documentation="With purpose, demanded: one of the access policy's types.",
            ),
            SearchParam(
                name="motivation",
                type="string",
                documentation="With purpose, demanded: why, in words, which the patient reads.",
            ),
        ),
    )


def _accesses() -> ServedResource:
    return ServedResource(
        type="AuditEvent",
        supported_profile=(PATIENT_QUERY,),
        documentation="Who looked at one's own data or was refused, newest first.",
        interaction=(Interaction(),),
        search_param=(_count(),),
    )


def _consents() -> ServedResource:
    return ServedResource(
        type="Consent",
        documentation="One's own informed consent and the exclusions from it.",
        interaction=(Interaction(),),
    )
