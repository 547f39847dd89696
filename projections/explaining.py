"""What a refused reader may be told: only what would be so whoever the patient were.

Consent, links, exclusions and whether somebody is known stay untold; that the reader's own
profession has no access says nothing about a patient. Pure.
"""

from typing import assert_never

from projections.access import PHARMACIST, Reader
from schemas.policy import AccessPolicy, EmergencyRule


def is_barred(reader: Reader, policy: AccessPolicy) -> bool:
    """Whether the reader's own profession is refused, for every patient alike."""
    match reader.role:
        case "caregiver":
            return "caregiver" not in policy.readers or reader.profession not in policy.professions
        case "pharmacist":
            return "pharmacist" not in policy.readers or reader.profession != PHARMACIST
        case "patient" | "pharmacy":
            return False
        case _:
            assert_never(reader.role)


def is_barred_in_emergency(reader: Reader, rule: EmergencyRule) -> bool:
    """Whether the reader's own profession may declare no emergency, whoever the patient were."""
    return reader.role != "caregiver" or reader.profession not in rule.professions
