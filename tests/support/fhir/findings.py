"""What a validator found, and which of it is meant so."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

CONTROL: Final = "broken-"
"""Names of resources that are broken on purpose begin so: a validator that passes them is none."""
MEANT_SO: Final = {
    "http://hl7.org/fhir/StructureDefinition/DomainResource#dom-6": (
        "best practice, a narrative in XHTML: answers are for programs, and would double in size"
    ),
    "Terminology_PassThrough_TX_Message": (
        "CNK, GTIN and this backbone's own codes: their systems are not in FHIR"
    ),
    "Terminology_TX_NoValid_2_CC": (
        "Consent.policyRule: FHIR's extensible list names policies of other countries; OPTIN is "
        "HL7's word for a consent that is given"
    ),
}
"""Warnings that stay, by the validator's name for them, and why."""


_TABS: Final = 4


class Finding(NamedTuple):
    """One remark of the validator about one resource."""

    resource: str
    severity: str
    name: str
    place: str
    text: str


def parse(lines: Iterable[str]) -> list[Finding]:
    """The findings of Validate.java's output."""
    return [Finding(*line.split("\t", 4)) for line in lines if line.count("\t") >= _TABS]


def wrong(findings: Sequence[Finding], names: Iterable[str]) -> list[str]:
    """What has to be mended, in words: errors, warnings not meant so, controls that passed."""
    told = [
        f"{one.resource}: {one.severity} {one.name} at {one.place}: {one.text}"
        for one in findings
        if not one.resource.startswith(CONTROL)
        and (one.severity in ("ERROR", "FATAL") or _is_unmeant(one))
    ]
    caught = {one.resource for one in findings if one.severity in ("ERROR", "FATAL")}
    passed = [name for name in names if name.startswith(CONTROL) and name not in caught]
    return told + [f"{name}: broken on purpose, and nothing was found" for name in passed]


def _is_unmeant(finding: Finding) -> bool:
    return finding.severity == "WARNING" and finding.name not in MEANT_SO
