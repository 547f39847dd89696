"""Names of code and identifier systems, and the others under which Belgian software sends them.

What is written carries the canonical name only; what is read may carry any alias. Source: domain
reference, sections 8.1, 8.3 and 8.4.
"""

from types import MappingProxyType
from typing import Final

_EHEALTH: Final = "https://www.ehealth.fgov.be/standards/fhir"
_GFD: Final = "https://www.gfd-dpp.be/fhir/reference"

DGUID: Final = f"{_GFD}/dguid"
SGUID: Final = f"{_GFD}/sguid"
PACKAGING: Final = f"{_GFD}/packaging"
SSIN: Final = f"{_EHEALTH}/core/NamingSystem/ssin"
NIHDI: Final = f"{_EHEALTH}/core/NamingSystem/nihdi"
CBE: Final = f"{_EHEALTH}/core/NamingSystem/cbe"
CNK: Final = f"{_EHEALTH}/medication/NamingSystem/cnk-codes"
PRESCRIPTION: Final = (
    "http://ehealth.fgov.be/standards/fhir/medication/NamingSystem/be-ns-prescription"
)
GTIN: Final = "https://www.gs1.org/gtin"
ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CD_HCPARTY: Final = f"{_EHEALTH}/core/CodeSystem/cd-hcparty"

BE_MEDICATION_DISPENSE: Final = f"{_EHEALTH}/medication/StructureDefinition/BeMedicationDispense"
MEDICATION_GUIDE: Final = f"{_EHEALTH}/medication/ImplementationGuide/hl7.fhir.be.medication"
DATA_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"
PSEUDONYMISED: Final = "urn:be:fgov:ehealth:pseudo:"
"""What the values of pseudonymised identifiers begin with."""

OWN: Final = "https://schemas.dpp.be/fhir/StructureDefinition"
"""Where this backbone's own extensions are named."""

ALIASES: Final = MappingProxyType(
    {
        f"{_EHEALTH}/NamingSystem/ssin": SSIN,
        f"{_EHEALTH}/NamingSystem/nihdi": NIHDI,
        f"{_EHEALTH}/NamingSystem/nihdi-practitioner": NIHDI,
        f"{_EHEALTH}/NamingSystem/nihdi-organization": NIHDI,
        f"{_EHEALTH}/core/NamingSystem/nihdi-organization": NIHDI,
        f"{_EHEALTH}/core/NamingSystem/nihdi-professional": NIHDI,
        f"{_EHEALTH}/NamingSystem/cbe": CBE,
        f"{_EHEALTH}/medication/NamingSystem/be-ns-cnk-codes": CNK,
        f"{_EHEALTH}/NamingSystem/cnk-codes": CNK,
        "https://cnk.apb.be/codings/cnk_product_codes": CNK,
        f"{_EHEALTH}/NamingSystem/prescription-id": PRESCRIPTION,
        f"{_EHEALTH}/medication/NamingSystem/be-ns-prescription": PRESCRIPTION,
    }
)


def canonical(system: str) -> str:
    """The one name of a system: aliases, `http` for `https` and a trailing slash are forgiven."""
    plain = system.strip().rstrip("/")
    if plain in ALIASES:
        return ALIASES[plain]
    secure = "https://" + plain.removeprefix("http://") if plain.startswith("http://") else plain
    return ALIASES.get(secure, secure if secure in _CANONICAL else plain)


_CANONICAL: Final = frozenset({DGUID, SGUID, PACKAGING, SSIN, NIHDI, CBE, CNK, GTIN, CD_HCPARTY})
