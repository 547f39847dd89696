"""Policy versions as of a time: what ships with the code, and what the office registered since."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from schemas.policy import MIN_NOTICE_MINUTES, PolicyName, PolicyVersion, effective, shipped

_NAMES: Final[tuple[PolicyName, ...]] = ("quality", "access")


@dataclass(frozen=True, slots=True)
class Policies:
    """All versions by name; a version's number is used once."""

    versions: Mapping[PolicyName, tuple[PolicyVersion, ...]]

    def at(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force at a time.

        Raises:
            LookupError: none is in force yet.
        """
        return effective(self.versions[name], at)


def initial() -> Policies:
    """What ships with the code."""
    return Policies(MappingProxyType({name: shipped(name) for name in _NAMES}))


def refusal(policies: Policies, version: PolicyVersion, at: datetime) -> str | None:
    """Why a version registered at `at` is passed over; None if it counts."""
    if version.valid_from < at + timedelta(minutes=MIN_NOTICE_MINUTES):
        return "too_little_notice"
    if version.data.policy != version.name or not version.version.startswith(f"{version.name}/"):
        return "name_mismatch"
    known = policies.versions[version.name]
    return "version_used" if any(one.version == version.version for one in known) else None


def evolve(policies: Policies, version: PolicyVersion, at: datetime) -> Policies:
    """The versions after one registered at `at`; a refused one changes nothing."""
    if refusal(policies, version, at) is not None:
        return policies
    known = policies.versions[version.name]
    return Policies(MappingProxyType({**policies.versions, version.name: (*known, version)}))
