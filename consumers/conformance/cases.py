"""All cases by name, and the codes for which there can be none."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consumers.conformance.case import Case
from consumers.conformance.content_cases import CONTENT_CASES
from consumers.conformance.envelope_cases import ENVELOPE_CASES
from consumers.conformance.life_cases import LIFE_CASES
from consumers.conformance.product_cases import PRODUCT_CASES

_ALL: Final = (*CONTENT_CASES, *PRODUCT_CASES, *LIFE_CASES, *ENVELOPE_CASES)
CASES: Final[Mapping[str, Case]] = MappingProxyType({case.name: case for case in _ALL})
"""Every case by its name, in the order in which they are run."""

BEYOND: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LINE_ERASED": "only after an erasure, which a patient asks for",
        "PERIOD_CLOSED": "only when the secret of a delivery day is gone, a year after it",
        "RETURN_NOT_COMPARED": "only when the secret of the returned line's day is gone",
        "UNDECIDABLE": "only when the backbone itself fails on a submission",
    }
)
"""Codes that no submission alone can yield, and why."""


def number(case: Case) -> int:
    """The place of a case in the kit, which chooses its test persons."""
    return list(CASES).index(case.name)
