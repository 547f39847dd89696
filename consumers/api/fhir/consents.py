"""A patient's informed consent as FHIR Consent; who is excluded is an exception within it."""

from collections.abc import Sequence
from typing import Final

from consumers.api.fhir import systems
from consumers.api.fhir.accesses import who
from consumers.api.fhir.datatypes import Identifier, Period, Reference, as_id, coded
from consumers.api.fhir.resources import Consent, NestedProvision, Provision, ProvisionActor
from consumers.api.overview import RegistrationView

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"


def consents(registrations: Sequence[RegistrationView], patient: str) -> tuple[Consent, ...]:
    """Each consent that was ever given; the one in force carries the exclusions in force."""
    excluded = [r for r in registrations if r.kind == "exclusion" and r.state == "active"]
    return tuple(_consent(r, excluded, patient) for r in registrations if r.kind == "consent")


def _consent(
    given: RegistrationView, excluded: Sequence[RegistrationView], patient: str
) -> Consent:
    active = given.state == "active"
    exceptions = tuple(_exception(one) for one in excluded) if active else ()
    return Consent(
        id=as_id(given.id),
        status="active" if active else "inactive",
        scope=coded(f"{_TERMINOLOGY}/consentscope", "patient-privacy", "Privacy Consent"),
        category=(coded("http://loinc.org", "59284-0", "Consent Document"),),
        patient=Reference(
            type="Patient", identifier=Identifier(system=systems.SSIN, value=patient)
        ),
        date_time=given.registered_at,
        performer=(who(given.registered_by),) if given.registered_by else None,
        policy_rule=coded(f"{_TERMINOLOGY}/v3-ActCode", "OPTIN", "opt-in"),
        provision=Provision(
            type="permit",
            period=Period(start=given.registered_at, end=given.ended_at),
            provision=exceptions or None,
        ),
    )


def _exception(excluded: RegistrationView) -> NestedProvision:
    role = coded(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP", "information recipient")
    return NestedProvision(
        type="deny",
        period=Period(start=excluded.registered_at),
        actor=(ProvisionActor(role=role, reference=who(excluded.party)),),
    )
