"""Versioned policy data: what the rules of quality control and of access refer to.

A version is chosen by the append time of what is decided, never by a worker's clock, and every
outcome names it. The first versions of each policy ship with the code (`schemas/policies/`); later
ones are facts of `dpp.policy.registered` signed by the office. Source: DESIGN sections 2, 3, 6, 8.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Instant, Model, ShortText
from schemas.receipts import Severity
from schemas.registrations import LinkType, PartyKind, ProofType

_ATC_LEVELS: Final = (7, 5, 4, 3, 1)
"""Lengths of an ATC code and of the groups above it, the narrowest first."""
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
ProductCode = Annotated[str, Field(pattern=r"^[0-9]{7}$")]
Units = Annotated[int, Field(ge=1)]
Months = Annotated[int, Field(ge=1, le=120)]
Age = Annotated[int, Field(ge=1, le=30)]
"""Whole years."""


class CodeRange(Model):
    """Product codes from `first` to `last`, both included."""

    first: ProductCode
    last: ProductCode


class CodeFilter(Model):
    """Which product codes stay out of the record.

    A code is black or white by a list or by a range. A black one is filtered; of a code that is
    both, `precedence` decides; one that is neither passes.
    """

    white: tuple[ProductCode, ...] = ()
    black: tuple[ProductCode, ...] = ()
    white_ranges: tuple[CodeRange, ...] = ()
    black_ranges: tuple[CodeRange, ...] = ()
    precedence: Literal["white", "black"] = "white"

    def removes(self, code: str) -> bool:
        """Whether a code of seven digits is filtered."""
        if code not in self._blacks and not _within(code, self.black_ranges):
            return False
        if self.precedence == "black":
            return True
        return code not in self._whites and not _within(code, self.white_ranges)

    @cached_property
    def _blacks(self) -> frozenset[str]:
        return frozenset(self.black)

    @cached_property
    def _whites(self) -> frozenset[str]:
        return frozenset(self.white)


class ProductFilter(Model):
    """The filter of products, and that of codes of preparations (formulas)."""

    products: CodeFilter = CodeFilter()
    preparations: CodeFilter = CodeFilter()


class Wording(Model):
    """What to tell a person about a code, where the text that ships with the code is replaced."""

    fr: ShortText
    nl: ShortText
    de: ShortText
    en: ShortText


class QualityPolicy(Model):
    """Limits and severities of quality control; `severities` overrides a rule's own by code.

    Optional members came with later versions; their defaults leave earlier versions as they were.
    """

    policy: Literal["quality"] = "quality"
    retention_months: Months
    """A delivery older than this many calendar months is refused."""
    future_tolerance_seconds: Annotated[int, Field(ge=0, le=86_400)]
    units_max: Units
    """More units than this, in absolute value, are implausible."""
    late_after_days: Annotated[int, Field(ge=1)]
    severities: dict[str, Severity] = Field(default_factory=dict)
    penalties: dict[str, Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=dict)
    """What a warning takes off the line's quality score of 100."""
    default_penalty: Annotated[int, Field(ge=0, le=100)] = 10
    units_max_by_cnk: dict[str, Units] = Field(default_factory=dict)
    """Limits of single products, which come before those by ATC."""
    units_max_by_atc: dict[str, Units] = Field(default_factory=dict)
    """Limits by ATC code or its beginning; the longest that fits holds, then `units_max`."""
    catalogue: ShortText | None = None
    """The version of the medicines catalogue by which product codes are known; None asks none."""
    product_filter: ProductFilter | None = None
    texts: dict[str, Wording] = Field(default_factory=dict)
    """Texts by code, in place of those that ship with the code."""

    def units_limit(self, cnk: str, atc: str) -> int:
        """The number of units above which a product's are implausible; `atc` may be empty."""
        found = self.units_max_by_cnk.get(cnk)
        if found is None and atc:
            by_atc = self.units_max_by_atc
            for length in _ATC_LEVELS:
                if (found := by_atc.get(atc[:length])) is not None:
                    break
        return self.units_max if found is None else found


class ReaderRule(Model):
    """What one kind of reader sees: calendar months back, and the fields of a line."""

    window_months: Months
    fields: tuple[HistoryField, ...]


class EmergencyRule(ReaderRule):
    """What a caregiver sees in an emergency, without a therapeutic link."""

    professions: tuple[ShortText, ...]
    """Professions that may declare one."""
    motivation_types: tuple[ShortText, ...]
    """What an emergency may be; one of them is recorded, with words."""


AuthorityPurpose = Literal["consumption", "recall"]


class AuthorityMandate(Model):
    """What an authority (by enterprise number) may ask, and for how long."""

    authority: Annotated[str, Field(pattern=r"^[01][0-9]{9}$")]
    name: ShortText
    purposes: tuple[AuthorityPurpose, ...]
    valid_from: Instant
    valid_until: Instant | None = None


class AggregatesRule(Model):
    """How consumption may be counted for authorities."""

    min_lines: Annotated[int, Field(ge=2, le=1000)] = 10
    """A cell of fewer deliveries is hidden, with what would let it be computed."""
    closed_after_days: Annotated[int, Field(ge=0, le=120)] = 30
    """So many days after its end a month is counted: late lines and corrections are in by then."""
    regions: dict[str, ShortText] = Field(default_factory=dict)
    """Region by the beginning of a pharmacy's number; the longest that fits holds."""

    def region(self, pharmacy: str) -> str:
        """Where a pharmacy is; `unknown` if no beginning of its number is listed."""
        beginnings = (pharmacy[:length] for length in range(len(pharmacy), 0, -1))
        return next((self.regions[one] for one in beginnings if one in self.regions), "unknown")


class AccessPolicy(Model):
    """Who may read what, and what registrations have to show.

    Optional members came with later versions; their defaults leave earlier versions as they were.
    """

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
    consent_from_age: Age | None = None
    """From this age on a minor consents in person, and parents no longer do; None asks no age."""
    parent_until_age: Age = 18
    """Until this age of a child its parents act for it and read for it."""
    consent_professions: tuple[ShortText, ...] | None = None
    """Professions that may register a patient's consent as caregiver; None asks none."""
    link_proofs: dict[LinkType, tuple[ProofType, ...]] = Field(default_factory=dict)
    """What proves a link that a caregiver declares; a type that is not named takes any proof."""
    authorities: tuple[AuthorityMandate, ...] = ()
    aggregates: AggregatesRule = AggregatesRule()
    reveal_motivations: tuple[ShortText, ...] = (
        "patient_request",
        "drug_related_problem",
        "continuity_of_care",
        "recall",
    )
    """Why a patient may have the dispensing pharmacy of a line revealed to a pharmacist."""
    reveal_proofs: tuple[ProofType, ...] = ("eidsigning",)
    """What shows that the patient asked for it: eID with PIN."""
    emergency: EmergencyRule | None = None
    """None: nobody reads in an emergency but on a link."""


class PolicyVersion(Model):
    """One version of a policy; `version` is unique per name, such as `quality/1`."""

    name: PolicyName
    version: Annotated[str, Field(pattern=r"^(quality|access)/[1-9][0-9]{0,5}$")]
    valid_from: Instant
    data: Annotated[QualityPolicy | AccessPolicy, Field(discriminator="policy")]

    @property
    def quality(self) -> QualityPolicy:
        """The data of a version of the quality policy.

        Raises:
            TypeError: it is a version of another policy.
        """
        if not isinstance(self.data, QualityPolicy):
            raise TypeError(f"{self.version} is no version of the quality policy")
        return self.data

    @property
    def access(self) -> AccessPolicy:
        """The data of a version of the access policy.

        Raises:
            TypeError: it is a version of another policy.
        """
        if not isinstance(self.data, AccessPolicy):
            raise TypeError(f"{self.version} is no version of the access policy")
        return self.data

    @cached_property
    def number(self) -> int:
        """The number in the version's name: later versions of a policy have higher ones."""
        return int(self.version.partition("/")[2])


@cache
def shipped(name: PolicyName) -> tuple[PolicyVersion, ...]:
    """The versions that ship with the code, the first one first."""
    folder = resources.files("schemas") / "policies"
    files = [file for file in folder.iterdir() if file.name.startswith(f"{name}-")]
    versions = [PolicyVersion.read(file.read_bytes()) for file in files]
    return tuple(sorted(versions, key=lambda version: version.number))


def baseline(name: PolicyName) -> PolicyVersion:
    """The last of the versions that ship with the code."""
    return shipped(name)[-1]


def _within(code: str, ranges: tuple[CodeRange, ...]) -> bool:
    for one in ranges:  # noqa: SIM110 - every line comes here, and any() takes four times as long
        if one.first <= code <= one.last:
            return True
    return False


def effective(versions: Iterable[PolicyVersion], at: datetime) -> PolicyVersion:
    """The version in force at `at`: the latest `valid_from` not after it.

    Raises:
        LookupError: none is in force yet.
    """
    in_force = [version for version in versions if version.valid_from <= at]
    if not in_force:
        raise LookupError("no policy version is in force at that time: register an earlier one")
    return max(in_force, key=lambda version: version.valid_from)
