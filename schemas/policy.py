"""Versioned policy data: what the rules of quality control and of access refer to.

A version is chosen by the append time of what is decided, never by a worker's clock, and every
outcome names it. The first version of each policy ships with the code (`schemas/policies/`); later
ones are facts of `dpp.policy.registered` signed by the office. Source: DESIGN sections 2, 3, 6, 8.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Instant, Model, ShortText
from schemas.receipts import Severity
from schemas.subject import LinkType, PartyKind

POLICY_REGISTERED: Final = "be.dpp.policy.registered.v1"
MIN_NOTICE_MINUTES: Final = 10
"""A policy registered with less notice than this before it takes effect is refused."""

PolicyName = Literal["quality", "access"]
ReaderRole = Literal["patient", "mandate_holder", "caregiver", "pharmacist", "pharmacy"]
HistoryField = Literal[
    "sguid",
    "delivered_at",
    "pharmacy",
    "product",
    "units",
    "posology",
    "prescription",
    "returns",
    "batch",
    "expiry",
    "motivation",
]
Months = Annotated[int, Field(ge=1, le=120)]


class QualityPolicy(Model):
    """Limits and severities of quality control; `severities` overrides a rule's own by code."""

    policy: Literal["quality"] = "quality"
    retention_months: Months
    """A delivery older than this many calendar months is refused."""
    future_tolerance_seconds: Annotated[int, Field(ge=0, le=86_400)]
    units_max: Annotated[int, Field(ge=1)]
    """More units than this, in absolute value, are implausible."""
    late_after_days: Annotated[int, Field(ge=1)]
    severities: dict[str, Severity] = Field(default_factory=dict)
    penalties: dict[str, Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=dict)
    """What a warning takes off the line's quality score of 100."""
    default_penalty: Annotated[int, Field(ge=0, le=100)] = 10


class ReaderRule(Model):
    """What one kind of reader sees: calendar months back, and the fields of a line."""

    window_months: Months
    fields: tuple[HistoryField, ...]


class AccessPolicy(Model):
    """Who may read what."""

    policy: Literal["access"] = "access"
    readers: dict[ReaderRole, ReaderRule]
    professions: tuple[ShortText, ...]
    """Professions that may read as caregiver."""
    link_months: dict[LinkType, Months]
    link_parties: dict[LinkType, tuple[PartyKind, ...]]
    patient_reads_without_consent: bool
    mandate_types: tuple[ShortText, ...]
    """Mandate types that unlock histories."""
    access_log_months: Months


class PolicyVersion(Model):
    """One version of a policy; `version` is unique per name, such as `quality/1`."""

    name: PolicyName
    version: Annotated[str, Field(pattern=r"^(quality|access)/[1-9][0-9]{0,5}$")]
    valid_from: Instant
    data: Annotated[QualityPolicy | AccessPolicy, Field(discriminator="policy")]


@cache
def baseline(name: PolicyName) -> PolicyVersion:
    """The version that ships with the code and holds until another takes effect."""
    path = resources.files("schemas") / "policies" / f"{name}-1.json"
    return PolicyVersion.read(path.read_bytes())


def effective(versions: Iterable[PolicyVersion], at: datetime) -> PolicyVersion:
    """The version in force at `at`: the latest `valid_from` not after it.

    Raises:
        LookupError: none is in force yet.
    """
    in_force = [version for version in versions if version.valid_from <= at]
    if not in_force:
        raise LookupError("no policy version is in force at that time: register an earlier one")
    return max(in_force, key=lambda version: version.valid_from)
